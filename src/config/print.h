#pragma once

#include <span>
#include <string>

#include "config/model.h"

namespace trunkline::config {

// As a compiler prints it, so that editors can jump there: `file:line:column: error: key: text`,
// one line each.
std::string print_errors(std::span<const Problem> problems);
std::string print_warnings(std::span<const Problem> problems);

// What `trunkline check` shows of a configuration, but for its routes: those `route` explains.
// Holds no secret and no user's name.
std::string print_summary(const Config& config);

}  // namespace trunkline::config
