#include "config/sections.h"

namespace trunkline::config {

// `query` holds what the file says for all routes, or nothing.
void load_auth_query(const Value& value, std::optional<AuthQuery>& query) {
  Mapping mapping(value, "auth_query");
  AuthQuery read = query ? query->clone() : AuthQuery();
  read.at = value.at();
  if (auto user = mapping.find("user")) {
    std::string name = load_name(*user).value_or("");
    // A password is for the user beside it, not for another.
    if (name != read.user) read.password.reset();
    read.user = std::move(name);
  } else if (!query && value.node().kind == YamlNode::Kind::mapping) {
    mapping.require("user");
  }
  if (auto password = mapping.read_secret("password")) read.password = std::move(*password);
  if (auto database = mapping.find("database")) read.database = load_name(*database).value_or("");
  mapping.read("query", read.query);
  if (read.query.find("$1") == std::string::npos) {
    value.error("`query` does not use $1, which stands for the name of the user");
  }
  mapping.read_integer("max_connections", read.max_connections, 1, kAuthQueryConnectionsMax);
  mapping.read("timeout", read.timeout, kTimeoutMin, kTimeoutMax);
  mapping.read("cache_ttl", read.cache_ttl, Duration(0), kTimeoutMax);
  mapping.read("negative_cache_ttl", read.negative_cache_ttl, Duration(0), kTimeoutMax);
  mapping.read("idle_timeout", read.idle_timeout, kTimeoutMin, kTimeoutMax);
  query = std::move(read);
}

}  // namespace trunkline::config
