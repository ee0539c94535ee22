#pragma once

#include <cstdint>
#include <string_view>

namespace trunkline::sql {

// The words that tell a SuspicionWatch whether a name before a parenthesis is called, and what a
// statement writes.
enum class WatchedWord : uint8_t {
  other,
  literal_follows,  // a word before a string that is not the name of its type
  operator_,
  as,
  by,
  cast,
  change,   // INSERT, UPDATE, DELETE, MERGE
  creates,  // a word before TEMP
  distinct,
  execute,
  explain,
  for_,
  from,
  from_inside,  // EXTRACT and its kind
  into,
  key,
  names_columns,  // name(…) behind it is not a call
  on,
  share,
  table,  // names columns, too; or else what is read: TABLE t
  temp,
  uescape,
  window,    // OVER, FILTER: syntax behind a parenthesis
  grouping,  // CUBE, ROLLUP: syntax behind BY
  group,
  sorting,     // ORDER, PARTITION: stand before BY, as GROUP does
  table_join,  // syntax, although a function could bear the name
  fetch,
  fetched,  // FIRST, NEXT
  time,
  zone,
  set,
  sets,
  grouping_sets,
  conflict,
  materialized,
  not_,
};

// `lower` in lower case, neither quoted nor part of a longer name.
WatchedWord watched_word(std::string_view lower);

}  // namespace trunkline::sql
