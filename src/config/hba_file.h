#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"

namespace trunkline::config {

// Reads rules in the syntax of pg_hba.conf (PostgreSQL documentation, 21.1). What needs a role
// catalogue, a name service or a method the proxy does not have is refused, with its line: a rule
// that is passed over would let the next one decide. Pure; any thread.
std::vector<AuthenticationRule> parse_hba(std::string_view text, const std::string& file,
                                          std::vector<Problem>& problems);

// What is wrong with a rule as a whole; empty when nothing is. Shared with the `authentication`
// list of the configuration.
std::string check_rule(const AuthenticationRule& rule);

}  // namespace trunkline::config
