#pragma once

#include <cstdint>
#include <string_view>

#include "sql/lexer.h"

namespace trunkline::sql {

// The n of the highest $n in the text, 0 when there is none. PostgreSQL takes none above 65535.
uint32_t highest_parameter(std::string_view text, Syntax syntax);

// Whether the word stands anywhere in the text as such: not quoted, in no string or comment.
// `lower`: in lower case.
bool has_word(std::string_view text, Syntax syntax, std::string_view lower);

}  // namespace trunkline::sql
