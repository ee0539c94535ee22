#pragma once

#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>

#include "config/model.h"
#include "route/table.h"

// Configurations for the tests of this module, written in code.
namespace trunkline::route {

inline config::Pattern exact(std::string text) {
  return {config::Pattern::Kind::exact, std::move(text)};
}
inline config::Pattern wildcard(std::string text) {
  return {config::Pattern::Kind::wildcard, std::move(text)};
}
inline config::Pattern regex(std::string text) {
  return {config::Pattern::Kind::regex, std::move(text)};
}

inline config::Config config_with_main() {
  config::Config config;
  config.upstreams["main"].servers = {{.host = "10.0.0.1"}};
  return config;
}

inline config::Route to_main(config::Match match) {
  config::Route route;
  route.match = std::move(match);
  route.upstream = "main";
  return route;
}

inline config::Route to_host(config::Match match, std::string host) {
  config::Route route;
  route.match = std::move(match);
  route.inline_upstream.emplace();
  route.inline_upstream->servers = {{.host = std::move(host)}};
  return route;
}

inline config::Route rejecting(config::Match match, std::string text) {
  config::Route route;
  route.match = std::move(match);
  route.reject = std::move(text);
  return route;
}

inline RouteTable::Outcome try_compile(const config::Config& config) {
  tls::Findings findings;
  auto set = upstream::Set::compile(config, nullptr, findings);
  if (!set) return std::unexpected(std::move(findings.errors));
  return RouteTable::compile(config, std::move(set));
}

inline std::shared_ptr<const RouteTable> compile(const config::Config& config) {
  auto compiled = try_compile(config);
  for (const auto& problem : compiled ? std::vector<config::Problem>{} : compiled.error()) {
    ADD_FAILURE() << problem.key << ": " << problem.text;
  }
  return compiled ? *compiled : std::make_shared<const RouteTable>();
}

inline std::shared_ptr<const RouteTable> table_of(config::Route route) {
  config::Config config = config_with_main();
  config.routes.push_back(std::move(route));
  return compile(config);
}

}  // namespace trunkline::route
