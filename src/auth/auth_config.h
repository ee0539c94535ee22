#pragma once

#include <expected>
#include <vector>

#include "auth/hba.h"
#include "auth/ident.h"
#include "auth/user_store.h"
#include "config/model.h"

namespace trunkline::auth {

// This module's part of the configuration snapshot: `users`, `authentication` and the ident maps.
// Immutable, any thread.
struct AuthConfig {
  UserStore users;
  IdentMaps maps;
  HbaRules rules;
};

// All that is wrong, not only the first.
std::expected<AuthConfig, std::vector<config::Problem>> compile(const config::Config& config);

}  // namespace trunkline::auth
