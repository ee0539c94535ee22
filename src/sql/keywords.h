#pragma once

#include <cstdint>
#include <string_view>

namespace trunkline::sql {

// Appendix C of the documentation, PostgreSQL 15 to 18. A word that only a later one reserves is
// listed with its stronger meaning.
enum class KeywordClass : uint8_t {
  none,  // an identifier, or a keyword that is not reserved in any way
  // Not a function's or type's name; before a parenthesis it is the grammar's own (COALESCE).
  column_name,
  type_or_function,
  reserved,
};

// `word` in lower case.
KeywordClass keyword_class(std::string_view word);

// As quote_identifier() of the server does, for what is no longer than a name.
bool needs_quotes(std::string_view identifier);

}  // namespace trunkline::sql
