#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"

namespace trunkline::config {

// Reads user name maps in the syntax of pg_ident.conf (PostgreSQL documentation, 21.2). Pure; any
// thread.
std::vector<IdentMapping> parse_ident(std::string_view text, const std::string& file,
                                      std::vector<Problem>& problems);

}  // namespace trunkline::config
