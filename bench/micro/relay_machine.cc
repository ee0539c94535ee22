// What the relay machine costs for each request, without a socket: the part of a query's price that
// is ours and not the kernel's. `build/release/bench/micro_relay_machine`.
#include "session/relay_machine.h"

#include <benchmark/benchmark.h>
#include <string>

#include "bench/messages.h"

namespace trunkline::bench {
namespace {

std::string repeated(const std::string& text, int64_t times) {
  std::string all;
  for (int64_t i = 0; i < times; ++i) all += text;
  return all;
}

// As bench_load sends them, and bench_fake_server answers.
std::string prepared_request() {
  return message('B',
                 c_string("") + c_string("s1") + u16(0) + u16(1) + u16(4) + "12345678" + u16(0)) +
         message('D', std::string("P") + '\0') + message('E', c_string("") + u32(0)) +
         message('S', "");
}
std::string prepared_answer() {
  return message('2', "") + message('T', std::string(60, 'x')) +
         message('D', std::string(60, 'x')) + message('C', c_string("SELECT 1")) +
         message('Z', "I");
}
std::string simple_request() {
  return message('Q', c_string("select * from accounts where aid = 1234567"));
}
std::string simple_answer() {
  return prepared_answer().substr(kHeaderBytes);
}

void exchange(benchmark::State& state, const std::string& request, const std::string& answer) {
  observe::Registry registry(1);
  auto stats_group = registry.group(policy::kPostgresStats, {"route", "upstream"});
  auto route_group = registry.group(session::kRouteMetrics, {"route", "upstream"});
  policy::PostgresStats stats(stats_group->cells(0));
  observe::Cell worker_requests;
  upstream::ServerCount server(registry.group(upstream::kServerConnections, {"upstream"}), 0);
  session::RelayMachine machine(config::Inspect::messages,
                                {stats, route_group->cells(0), worker_requests}, server);
  const std::string requests = repeated(request, state.range(0));
  const std::string answers = repeated(answer, state.range(0));
  session::Outbox out;
  Instant now{};
  for (auto _ : state) {
    now += 1us;
    std::string_view input = requests;
    machine.from_client(input, now, out);
    out.clear();
    input = answers;
    machine.from_server(input, now, out);
    out.clear();
    benchmark::DoNotOptimize(machine.all_answered());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void prepared(benchmark::State& state) {
  exchange(state, prepared_request(), prepared_answer());
}
BENCHMARK(prepared)->ArgName("depth")->Arg(1)->Arg(16);

void simple(benchmark::State& state) {
  exchange(state, simple_request(), simple_answer());
}
BENCHMARK(simple)->ArgName("depth")->Arg(1)->Arg(16);

}  // namespace
}  // namespace trunkline::bench

BENCHMARK_MAIN();
