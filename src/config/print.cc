#include "config/print.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/names.h"
#include "config/quantity.h"

namespace trunkline::config {

namespace {

std::string print(std::span<const Problem> problems, std::string_view severity) {
  std::string out;
  for (const Problem& problem : problems) {
    out += problem.at.file;
    if (problem.at.line > 0) out += fmt::format(":{}:{}", problem.at.line, problem.at.column);
    out += fmt::format(": {}: ", severity);
    if (!problem.key.empty()) out += problem.key + ": ";
    out += problem.text + "\n";
  }
  return out;
}

std::string endpoint(const std::string& host, uint16_t port) {
  if (host.starts_with('/')) return fmt::format("{}/.s.PGSQL.{}", host, port);
  bool v6 = host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::string print_listen(const Listen& listen) {
  std::string out = fmt::format("listen {}, TLS {}", endpoint(listen.address, listen.port),
                                to_word(listen.tls.mode));
  if (!listen.tls.certificates.empty()) {
    out += fmt::format(", certificates: {}", listen.tls.certificates.size());
  }
  if (listen.tls.client_certificate != ClientCertificate::none) {
    out += fmt::format(", client certificate: {}", to_word(listen.tls.client_certificate));
  }
  if (listen.proxy_protocol.mode != ProxyProtocolMode::off) {
    out += fmt::format(", PROXY protocol: {}", to_word(listen.proxy_protocol.mode));
  }
  return out + "\n";
}

std::string print_upstream(const std::string& name, const Upstream& upstream) {
  std::vector<std::string> servers;
  for (const ServerAddress& server : upstream.servers) {
    servers.push_back(endpoint(server.host, server.port));
  }
  return fmt::format("upstream {}: {}, TLS {}, connect timeout {}\n", name,
                     fmt::join(servers, ", "), to_word(upstream.tls.mode),
                     format_duration(upstream.connect_timeout));
}

std::string print_names(const std::vector<HbaName>& names) {
  std::vector<std::string> words;
  for (const HbaName& name : names) {
    switch (name.kind) {
      case HbaName::Kind::all:
        words.emplace_back("all");
        break;
      case HbaName::Kind::exact:
        words.push_back(name.text);
        break;
      case HbaName::Kind::regex:
        words.push_back("/" + name.text + "/");
        break;
      case HbaName::Kind::same_user:
        words.emplace_back("sameuser");
        break;
      case HbaName::Kind::replication:
        words.emplace_back("replication");
        break;
    }
  }
  return words.empty() ? "all" : fmt::format("{}", fmt::join(words, ","));
}

std::string print_rule(const AuthenticationRule& rule) {
  std::vector<std::string> sources;
  for (const IpNetwork& network : rule.sources) sources.push_back(network.to_string());
  std::string source = sources.empty() ? "all" : fmt::format("{}", fmt::join(sources, ","));
  std::string out = fmt::format("rule {}: database {}, user {}, source {}: {}", to_word(rule.type),
                                print_names(rule.databases), print_names(rule.users), source,
                                to_word(rule.method));
  if (!rule.map.empty()) out += ", map " + rule.map;
  if (rule.client_certificate_required) {
    out += rule.client_certificate_names_user ? ", verify-full" : ", verify-ca";
  }
  return out + "\n";
}

}  // namespace

std::string print_errors(std::span<const Problem> problems) {
  return print(problems, "error");
}

std::string print_warnings(std::span<const Problem> problems) {
  return print(problems, "warning");
}

std::string print_summary(const Config& config) {
  std::string out;
  for (const Listen& listen : config.listen) out += print_listen(listen);
  if (config.admin) {
    out += fmt::format("admin {}\n", endpoint(config.admin->address, config.admin->port));
  }
  for (const auto& [name, upstream] : config.upstreams) out += print_upstream(name, upstream);
  out += fmt::format("users: {}\n", config.users.size());
  for (const Route& route : config.routes) {
    if (!route.auth_query) continue;
    const AuthQuery& query = *route.auth_query;
    bool of_client = query.database == AuthQuery::kOfClient;
    out += fmt::format("route of line {}: other users are looked up as {} in {}\n", route.at.line,
                       query.user, of_client ? "the client's database" : query.database);
  }
  if (config.authentication.empty()) out += "rule any: scram-sha-256 for all\n";
  for (const AuthenticationRule& rule : config.authentication) out += print_rule(rule);
  out += fmt::format("limits: {} clients, {} of buffers, login within {}\n", config.max_clients,
                     format_size(config.memory_limit), format_duration(config.login_timeout));
  return out;
}

}  // namespace trunkline::config
