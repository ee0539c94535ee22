#include "sql/keywords.h"

#include <algorithm>
#include <cstddef>

#include "sql/word_list.h"

namespace trunkline::sql {

namespace {

constexpr std::string_view kColumnNamesText =
    "between bigint bit boolean char character coalesce dec decimal exists extract float "
    "greatest grouping inout int integer interval json json_array json_arrayagg json_exists "
    "json_object json_objectagg json_query json_scalar json_serialize json_table json_value "
    "least merge_action national nchar none normalize nullif numeric out overlay position "
    "precision real row setof smallint substring time timestamp treat trim values varchar "
    "xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi "
    "xmlroot xmlserialize xmltable";
constexpr auto kColumnNames = split_words<count_words(kColumnNamesText)>(kColumnNamesText);

constexpr std::string_view kTypesOrFunctionsText =
    "authorization binary collation concurrently cross current_schema freeze full ilike inner "
    "is isnull join left like natural notnull outer overlaps right similar tablesample verbose";
constexpr auto kTypesOrFunctions =
    split_words<count_words(kTypesOrFunctionsText)>(kTypesOrFunctionsText);

constexpr std::string_view kReservedText =
    "all analyse analyze and any array as asc asymmetric both case cast check collate column "
    "constraint create current_catalog current_date current_role current_time current_timestamp "
    "current_user default deferrable desc distinct do else end except false fetch for foreign "
    "from grant group having in initially intersect into lateral leading limit localtime "
    "localtimestamp not null offset on only or order placing primary references returning "
    "select session_user some symmetric system_user table then to trailing true union unique "
    "user using variadic when where window with";
constexpr auto kReserved = split_words<count_words(kReservedText)>(kReservedText);

static_assert(std::ranges::is_sorted(kColumnNames));
static_assert(std::ranges::is_sorted(kTypesOrFunctions));
static_assert(std::ranges::is_sorted(kReserved));

constexpr size_t kLongest = 17;  // current_timestamp

}  // namespace

KeywordClass keyword_class(std::string_view word) {
  if (word.size() < 2 || word.size() > kLongest) return KeywordClass::none;
  if (std::ranges::binary_search(kReserved, word)) return KeywordClass::reserved;
  if (std::ranges::binary_search(kColumnNames, word)) return KeywordClass::column_name;
  if (std::ranges::binary_search(kTypesOrFunctions, word)) return KeywordClass::type_or_function;
  return KeywordClass::none;
}

bool needs_quotes(std::string_view identifier) {
  auto begins = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  auto continues = [&](char c) { return begins(c) || (c >= '0' && c <= '9'); };
  if (identifier.empty() || !begins(identifier.front())) return true;
  return !std::ranges::all_of(identifier, continues) ||
         keyword_class(identifier) != KeywordClass::none;
}

}  // namespace trunkline::sql
