// What knowing a text costs: finding it in the cache of facts, and reading it.
// `build/release/bench/micro_text_facts`.
#include "sql/text_facts.h"

#include <benchmark/benchmark.h>
#include <string>
#include <vector>

#include "sql/facts_cache.h"

namespace trunkline::bench {
namespace {

// Of about a hundred bytes when `length` is 100; no two alike.
std::string query(size_t length, int64_t number) {
  std::string text =
      "select a.balance, lower(b.name) from accounts a join branches b using (bid) "
      "where a.aid = " +
      std::to_string(number);
  for (int i = 0; text.size() < length; ++i) text += " and b.c" + std::to_string(i) + " = 'x'";
  text.resize(length, ' ');
  return text;
}

// `texts` of them in turn: with many the memory they are in is not in the processor's cache.
void hit(benchmark::State& state) {
  sql::FactsCache cache({.bytes = size_t{1} << 30}, 42);
  std::vector<std::string> texts;
  for (int64_t i = 0; i < state.range(1); ++i) {
    texts.push_back(query(static_cast<size_t>(state.range(0)), 1000000 + i * 7));
  }
  for (const std::string& text : texts) cache.get(text, {});
  size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(cache.get(texts[next], {}));
    if (++next == texts.size()) next = 0;
  }
}
BENCHMARK(hit)
    ->ArgNames({"bytes", "texts"})
    ->Args({100, 1})
    ->Args({100, 100})
    ->Args({100, 10000})
    ->Args({1000, 100})
    ->Args({10000, 100});

void read(benchmark::State& state) {
  std::string text = query(static_cast<size_t>(state.range(0)), 1000000);
  for (auto _ : state) benchmark::DoNotOptimize(sql::TextFacts::of(text, {}));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(read)->ArgName("bytes")->Arg(100)->Arg(1000)->Arg(100000);

// Every text is new, and pushes another one out.
void miss(benchmark::State& state) {
  sql::FactsCache cache({.bytes = size_t{1} << 20}, 42);
  std::string text = query(100, 1000000);
  int64_t number = 0;
  for (auto _ : state) {
    for (int64_t rest = ++number, i = 0; i < 8; ++i, rest >>= 3) {
      text[text.size() - 1 - static_cast<size_t>(i)] = static_cast<char>('0' + (rest & 7));
    }
    benchmark::DoNotOptimize(cache.get(text, {}));
  }
}
BENCHMARK(miss);

}  // namespace
}  // namespace trunkline::bench

BENCHMARK_MAIN();
