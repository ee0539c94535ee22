#include "sql/watched_word.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace trunkline::sql {

WatchedWord watched_word(std::string_view lower) {
  using enum WatchedWord;
  static constexpr std::pair<std::string_view, WatchedWord> kWords[] = {
      {"aggregate", names_columns},
      {"as", as},
      {"by", by},
      {"cast", cast},
      {"conflict", conflict},
      {"copy", names_columns},
      {"create", creates},
      {"cube", grouping},
      {"delete", change},
      {"delimiter", literal_follows},
      {"distinct", distinct},
      {"encoding", literal_follows},
      {"escape", literal_follows},
      {"execute", execute},
      {"exists", names_columns},
      {"explain", explain},
      {"extract", from_inside},
      {"fetch", fetch},
      {"filter", window},
      {"first", fetched},
      {"for", for_},
      {"format", literal_follows},
      {"from", from},
      {"function", names_columns},
      {"global", creates},
      {"group", group},
      {"grouping", grouping_sets},
      {"ilike", table_join},
      {"insert", change},
      {"into", into},
      {"is", table_join},
      {"isnull", table_join},
      {"join", table_join},
      {"key", key},
      {"language", literal_follows},
      {"left", table_join},
      {"like", table_join},
      {"local", creates},
      {"materialized", materialized},
      {"merge", change},
      {"next", fetched},
      {"not", not_},
      {"notnull", table_join},
      {"on", on},
      {"operator", operator_},
      {"order", sorting},
      {"over", window},
      {"overlaps", table_join},
      {"overlay", from_inside},
      {"partition", sorting},
      {"password", literal_follows},
      {"path", literal_follows},
      {"prepare", names_columns},
      {"prepared", literal_follows},
      {"procedure", names_columns},
      {"program", literal_follows},
      {"quote", literal_follows},
      {"recursive", names_columns},
      {"references", names_columns},
      {"replace", creates},
      {"right", table_join},
      {"rollup", grouping},
      {"schema", literal_follows},
      {"set", set},
      {"sets", sets},
      {"share", share},
      {"similar", table_join},
      {"snapshot", literal_follows},
      {"substring", from_inside},
      {"table", table},
      {"tablesample", names_columns},
      {"temp", temp},
      {"temporary", temp},
      {"time", time},
      {"treat", cast},
      {"trim", from_inside},
      {"uescape", uescape},
      {"update", change},
      {"with", names_columns},
      {"zone", zone},
  };
  static_assert(std::ranges::is_sorted(kWords, {}, [](const auto& pair) { return pair.first; }));
  // Where the words of each letter begin. Most words of a text are none of these, and seen to be
  // none after a compare or two.
  static constexpr auto kBegins = [] {
    std::array<uint8_t, 27> begins{};
    for (size_t letter = 0; letter < begins.size(); ++letter) {
      begins[letter] = static_cast<uint8_t>(std::ranges::count_if(kWords, [&](const auto& pair) {
        return pair.first[0] < 'a' + static_cast<int>(letter);
      }));
    }
    return begins;
  }();
  if (lower.empty() || lower[0] < 'a' || lower[0] > 'z') return other;
  auto letter = static_cast<size_t>(lower[0] - 'a');
  for (size_t i = kBegins[letter]; i < kBegins[letter + 1]; ++i) {
    if (kWords[i].first == lower) return kWords[i].second;
  }
  return other;
}

}  // namespace trunkline::sql
