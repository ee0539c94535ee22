#include <algorithm>

#include "base/text.h"
#include "config/sections.h"

namespace trunkline::config {

namespace {

constexpr std::string_view kHostCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
constexpr size_t kHostBytesMax = 253;  // RFC 1035, in text

void load_servers(const Value& value, Upstream& upstream) {
  for (const Value& item : value.one_or_many()) {
    Mapping mapping(item, "upstreams.servers");
    ServerAddress server;
    if (auto host = mapping.require("host")) {
      server.host = host->text().value_or("");
      if (!server.host.empty()) check_host(*host, server.host, false);
    }
    mapping.read_integer("port", server.port, 1, 65535);
    upstream.servers.push_back(std::move(server));
  }
}

bool is_upstream_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax &&
         name.find_first_not_of(kHostCharacters) == std::string_view::npos;
}

}  // namespace

bool has_capture(std::string_view text) {
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != '$') continue;
    if (text[i + 1] >= '0' && text[i + 1] <= '9') return true;
    if (text[i + 1] == '$') ++i;
  }
  return false;
}

bool check_host(const Value& value, const std::string& host, bool captures_allowed) {
  std::string characters(kHostCharacters);
  if (captures_allowed) characters += '$';
  bool folder = host.starts_with('/');
  if (folder && host.size() > kUnixFolderBytesMax) {
    value.error("the path of a unix socket's folder has at most " +
                std::to_string(kUnixFolderBytesMax) + " bytes");
    return false;
  }
  if (!captures_allowed && has_capture(host)) {
    value.error("found " + value.found() +
                "; captures are allowed only in the host of a route's own upstream: {host, port}");
    return false;
  }
  bool name =
      host.size() <= kHostBytesMax && host.find_first_not_of(characters) == std::string::npos;
  if (folder || name || IpAddress::parse(host)) return true;
  value.error("found " + value.found() +
              "; allowed: an IP address, a host name, or the absolute folder of a unix socket");
  return false;
}

void load_server_tls(const Value& value, ServerTls& tls) {
  Mapping mapping(value, "upstreams.tls");
  tls.at = value.at();
  mapping.read("mode", tls.mode);
  mapping.read("negotiation", tls.negotiation);
  mapping.read_path("ca", tls.ca_file);
  mapping.read("server_name", tls.server_name);
  mapping.read_path("cert", tls.cert_file);
  mapping.read_path("key", tls.key_file);

  bool certain = tls.mode >= ServerTlsMode::require;
  bool verifies = tls.mode >= ServerTlsMode::verify_ca;
  std::string mode(to_word(tls.mode));
  if (tls.negotiation == TlsNegotiation::direct && !certain) {
    mapping.find("negotiation")
        ->error("direct needs mode require, verify-ca or verify-full: in mode " + mode +
                " the server must be asked first");
  }
  if (mapping.has("cert") != mapping.has("key")) {
    bool cert = mapping.has("cert");
    value.error(cert ? "`key` is missing beside `cert`" : "`cert` is missing beside `key`");
  }
  if (mapping.has("ca") && !verifies) {
    mapping.find("ca")->warning("not used in mode " + mode + "; verify-ca and verify-full use it");
  }
}

void load_upstreams(const Value& value, Config& config) {
  for (const Value& item : named_values(value)) {
    std::string name = item.key().substr(value.key().size() + 1);
    if (!is_upstream_name(name)) {
      item.error("the name of an upstream has 1 to " + std::to_string(kNameBytesMax) +
                 " letters, digits, `-`, `_` or `.`");
      continue;
    }
    Mapping mapping(item, "upstreams");
    Upstream upstream{.at = item.at()};
    if (auto servers = mapping.require("servers")) load_servers(*servers, upstream);
    if (auto tls = mapping.find("tls")) load_server_tls(*tls, upstream.tls);
    mapping.read("connect_timeout", upstream.connect_timeout, kTimeoutMin, kTimeoutMax);
    mapping.read_integer("max_connections", upstream.max_connections, 1, kConnectionsMax);
    mapping.read_integer("max_logins", upstream.max_logins, 1, kConnectionsMax);
    config.upstreams.emplace(std::move(name), std::move(upstream));
  }
}

}  // namespace trunkline::config
