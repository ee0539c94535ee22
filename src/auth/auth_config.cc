#include "auth/auth_config.h"

#include <iterator>
#include <utility>

namespace trunkline::auth {

std::expected<AuthConfig, std::vector<config::Problem>> compile(const config::Config& config) {
  std::vector<config::Problem> problems;
  auto take = [&](auto result) {
    if (result) return std::move(*result);
    std::ranges::move(result.error(), std::back_inserter(problems));
    return typename decltype(result)::value_type();
  };
  UserStore users = take(UserStore::compile(config.users));
  IdentMaps maps = take(IdentMaps::compile(config.ident));
  HbaRules rules = take(HbaRules::compile(config.authentication, maps));
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return AuthConfig{std::move(users), std::move(maps), std::move(rules)};
}

}  // namespace trunkline::auth
