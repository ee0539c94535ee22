#pragma once

#include <cstdint>
#include <string_view>

#include "sql/lexer.h"

namespace trunkline::sql {

// The n of the highest $n in the text, 0 when there is none. PostgreSQL takes none above 65535.
uint32_t highest_parameter(std::string_view text, Syntax syntax);

}  // namespace trunkline::sql
