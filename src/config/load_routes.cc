#include "base/text.h"
#include "config/sections.h"

namespace trunkline::config {

namespace {

using PatternReader = std::optional<Pattern> (*)(const Value&);

std::optional<Pattern> load_name_pattern(const Value& value) {
  auto pattern = load_pattern(value);
  if (pattern && pattern->kind == Pattern::Kind::exact && pattern->text.size() > kNameBytesMax) {
    value.error("PostgreSQL cuts names to " + std::to_string(kNameBytesMax) +
                " bytes, so this can never match");
  }
  return pattern;
}

void load_patterns(const Mapping& mapping, std::string_view name, PatternReader read,
                   std::vector<Pattern>& to) {
  auto value = mapping.find(name);
  if (!value) return;
  for (const Value& item : value->one_or_many()) {
    if (auto pattern = read(item)) to.push_back(std::move(*pattern));
  }
}

void load_match(const Value& value, Match& match) {
  Mapping mapping(value, "routes.match");
  load_patterns(mapping, "sni", load_pattern, match.sni);
  load_patterns(mapping, "user", load_name_pattern, match.user);
  load_patterns(mapping, "database", load_name_pattern, match.database);
  load_patterns(mapping, "application_name", load_pattern, match.application_name);
  if (auto source = mapping.find("source")) {
    for (const Value& item : source->one_or_many()) {
      if (auto network = item.network()) match.source.push_back(*network);
    }
  }
  if (auto tls = mapping.find("tls")) match.tls = tls->boolean();
}

bool has_regex(const Match& match) {
  for (const auto* patterns : {&match.sni, &match.user, &match.database, &match.application_name}) {
    for (const Pattern& pattern : *patterns) {
      if (pattern.kind == Pattern::Kind::regex) return true;
    }
  }
  return false;
}

void check_capture(const Value& value, const std::string& text, const Match& match) {
  if (has_capture(text) && !has_regex(match)) {
    value.error("found " + value.found() +
                "; a capture needs a regular expression with that many groups in `match`");
  }
}

void load_inline_upstream(const Value& value, Route& route) {
  Mapping mapping(value, "routes.upstream");
  Upstream upstream{.at = value.at()};
  ServerAddress server;
  if (auto host = mapping.require("host")) {
    server.host = host->text().value_or("");
    if (!server.host.empty() && check_host(*host, server.host, true)) {
      check_capture(*host, server.host, route.match);
    }
  }
  mapping.read_integer("port", server.port, 1, 65535);
  if (auto tls = mapping.find("tls")) load_server_tls(*tls, upstream.tls);
  mapping.read("connect_timeout", upstream.connect_timeout, kTimeoutMin, kTimeoutMax);
  upstream.servers.push_back(std::move(server));
  route.inline_upstream = std::move(upstream);
}

void load_upstream_name(const Value& value, const Config& config, Route& route) {
  route.upstream = value.text().value_or("");
  if (route.upstream.empty() || config.upstreams.contains(route.upstream)) return;
  std::vector<std::string_view> names;
  for (const auto& [name, upstream] : config.upstreams) names.push_back(name);
  std::string_view near = nearest_word(route.upstream, names);
  std::string text = "there is no upstream " + value.found();
  if (!near.empty()) text += "; did you mean `" + std::string(near) + "`?";
  value.error(std::move(text));
}

void load_login(const Value& value, Route& route) {
  Mapping mapping(value, "routes.login");
  Login login;
  if (auto user = mapping.require("user")) login.user = load_name(*user).value_or("");
  login.password = mapping.read_secret("password");
  bool password_given = mapping.has("password") || mapping.has("password_file");
  if (route.auth == AuthMode::relay && password_given) {
    value.error(
        "a password here and `auth: relay` exclude each other: the client itself answers the "
        "server");
  } else if (route.auth == AuthMode::relay) {
    value.warning(
        "with `auth: relay` md5 fails for another user: the client's answer is made with "
        "its own name");
  }
  route.login = std::move(login);
}

void load_reject(const Mapping& mapping, Route& route) {
  auto reject = mapping.find("reject");
  if (!reject) return;
  route.reject = reject->text();
  for (std::string_view name :
       {"upstream", "database", "login", "auth", "auth_query", "inspect", "pool", "max_clients"}) {
    if (mapping.has(name)) {
      reject->error("a route that rejects cannot have `" + std::string(name) + "`");
    }
  }
}

void load_route(const Value& item, Config& config) {
  Mapping mapping(item, "routes");
  Route route{.at = item.at()};
  if (auto match = mapping.find("match")) load_match(*match, route.match);
  mapping.read("auth", route.auth);
  if (auto inspect = mapping.find("inspect")) route.inspect = inspect->word<Inspect>();
  route.pool = config.pool;
  if (auto pool = mapping.find("pool")) load_pool(*pool, route.pool);
  if (config.auth_query) route.auth_query = config.auth_query->clone();
  if (auto query = mapping.find("auth_query")) load_auth_query(*query, route.auth_query);
  mapping.read_integer("max_clients", route.max_clients, 1, kClientsMax);
  if (auto database = mapping.find("database")) {
    route.database = database->text();
    if (route.database) check_capture(*database, *route.database, route.match);
  }
  if (auto login = mapping.find("login")) load_login(*login, route);
  if (auto upstream = mapping.find("upstream")) {
    if (upstream->node().kind == YamlNode::Kind::mapping) {
      load_inline_upstream(*upstream, route);
    } else {
      load_upstream_name(*upstream, config, route);
    }
  }
  load_reject(mapping, route);
  bool mapping_given = item.node().kind == YamlNode::Kind::mapping;
  if (mapping_given && !mapping.has("upstream") && !mapping.has("reject")) {
    item.error("a route needs `upstream` or `reject`");
  }
  config.routes.push_back(std::move(route));
}

}  // namespace

std::optional<Pattern> load_pattern(const Value& value) {
  auto text = value.text();
  if (!text) return std::nullopt;
  if (!text->starts_with('/')) {
    bool wildcard = text->find('*') != std::string::npos;
    return Pattern{wildcard ? Pattern::Kind::wildcard : Pattern::Kind::exact, std::move(*text)};
  }
  if (text->size() < 3 || !text->ends_with('/')) {
    value.error("found " + value.found() + "; a regular expression stands between two slashes");
    return std::nullopt;
  }
  return Pattern{Pattern::Kind::regex, text->substr(1, text->size() - 2)};
}

void load_routes(const Value& value, Config& config) {
  for (const Value& item : value.list()) load_route(item, config);
}

}  // namespace trunkline::config
