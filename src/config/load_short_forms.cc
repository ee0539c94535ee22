#include <algorithm>

#include "config/sections.h"

namespace trunkline::config {

namespace {

// A name that `upstreams` cannot hold, because of the colon, and that is the same for the same
// server: two mappings to one server share its upstream.
std::string server_upstream(const ServerAddress& server, const Location& at, Config& config) {
  bool v6 = server.host.find(':') != std::string::npos;
  std::string name =
      (v6 ? "[" + server.host + "]" : server.host) + ":" + std::to_string(server.port);
  Upstream& upstream = config.upstreams[name];
  if (upstream.servers.empty()) {
    upstream.at = at;
    upstream.servers.push_back(server);
  }
  return name;
}

std::optional<ServerAddress> load_server(const Mapping& mapping, std::string_view host_key) {
  ServerAddress server;
  mapping.read_integer("port", server.port, 1, 65535);
  auto host = mapping.require(host_key);
  auto text = host ? host->text() : std::nullopt;
  if (!text || !check_host(*host, *text, false)) return std::nullopt;
  server.host = *text;
  return server;
}

}  // namespace

void load_mappings(const Value& value, Config& config) {
  auto items = value.list();
  std::vector<std::string> seen;
  for (const Value& item : items) {
    Mapping mapping(item, "mappings");
    auto server = load_server(mapping, "internal");
    auto external = mapping.require("external");
    auto pattern = external ? load_pattern(*external) : std::nullopt;
    if (pattern && pattern->kind == Pattern::Kind::regex) {
      external->error("found " + external->found() +
                      "; allowed: a host name or a wildcard; `routes` can match regular "
                      "expressions");
      continue;
    }
    if (!pattern || !server) continue;
    if (std::ranges::find(seen, pattern->text) != seen.end()) {
      external->error("found " + external->found() + " for the second time");
      continue;
    }
    seen.push_back(pattern->text);
    Route route{.at = item.at(), .short_form = pattern->text, .auth = AuthMode::relay};
    route.upstream = server_upstream(*server, item.at(), config);
    route.match.sni.push_back(std::move(*pattern));
    std::string upstream = route.upstream;
    config.routes.push_back(std::move(route));
    if (items.size() == 1) {
      // Without TLS there is no name to choose by, and nothing to choose from.
      Route plain{.at = item.at(), .upstream = upstream, .auth = AuthMode::relay};
      plain.match.tls = false;
      config.routes.push_back(std::move(plain));
    }
  }
}

void load_user_mappings(const Value& value, Config& config) {
  for (const Value& item : named_values(value)) {
    std::string name = item.key().substr(value.key().size() + 1);
    if (name.empty() || name.size() > kNameBytesMax) {
      item.error("the name of a user has 1 to " + std::to_string(kNameBytesMax) + " bytes");
    }
    Mapping mapping(item, "user_mappings");
    auto server = load_server(mapping, "host");
    auto user = mapping.find("user");
    auto login = user ? load_name(*user) : std::nullopt;
    if (!server) continue;
    Route route{.at = item.at(), .short_form = name, .auth = AuthMode::relay};
    route.upstream = server_upstream(*server, item.at(), config);
    route.match.user.push_back({Pattern::Kind::exact, name});
    if (login && *login != name) {
      user->warning("the client's own exchange is relayed, and md5 fails for another user");
      route.login = Login{.user = *login, .password = std::nullopt};
    }
    config.routes.push_back(std::move(route));
  }
}

}  // namespace trunkline::config
