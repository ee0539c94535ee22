#pragma once

#include <string>
#include <string_view>

namespace trunkline::sql {

// A string constant that reads the same whatever standard_conforming_strings is.
std::string quote_literal(std::string_view value);

// A name as it stands in SQL, whatever letters it has.
std::string quote_identifier(std::string_view name);

// "name TO 'value'", as it follows SET: `value` is what current_setting() says and set_config()
// takes. `name` is that of a setting, in one part or more ("my.tenant").
std::string setting_assignment(std::string_view name, std::string_view value);

}  // namespace trunkline::sql
