#pragma once

#include <memory>
#include <string_view>

#include "sql/text_facts.h"

namespace trunkline::session {

// What a text with set_config($1, …) is about with the parameters of a Bind: the settings have
// names then. `values`: its body behind the names of portal and statement. Null when they still
// have none.
std::shared_ptr<const sql::TextFacts> facts_with_bound_settings(const sql::TextFacts& facts,
                                                                std::string_view values);

}  // namespace trunkline::session
