#include "upstream/upstream.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <fmt/format.h>
#include <utility>

namespace trunkline::upstream {

std::string server_name(const config::ServerAddress& address) {
  if (address.is_unix()) return fmt::format("{}/.s.PGSQL.{}", address.host, address.port);
  bool ipv6 = address.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", ipv6 ? "[" : "", address.host, ipv6 ? "]" : "", address.port);
}

namespace {

std::atomic<uint64_t> next_serial = 1;

}  // namespace

Upstream::Upstream(std::string name, config::Upstream settings, CompiledTls tls,
                   std::vector<std::shared_ptr<Health>> health, std::string pattern_name)
    : serial_(next_serial.fetch_add(1, std::memory_order_relaxed)),
      name_(std::move(name)),
      pattern_name_(std::move(pattern_name)),
      settings_(std::move(settings)),
      tls_(std::move(tls)) {
  assert(tls_.context != nullptr);
  assert(health.size() == settings_.servers.size());
  for (size_t i = 0; i < settings_.servers.size(); ++i) {
    servers_.push_back({settings_.servers[i], std::move(health[i])});
  }
}

bool is_pattern(const config::Upstream& settings) {
  return std::ranges::any_of(settings.servers, [](const config::ServerAddress& server) {
    return server.host.find('$') != std::string::npos;
  });
}

bool same_settings(const config::Upstream& a, const config::Upstream& b) {
  auto same_server = [](const config::ServerAddress& x, const config::ServerAddress& y) {
    return x.host == y.host && x.port == y.port;
  };
  auto tls = [](const config::ServerTls& s) {
    return std::tie(s.mode, s.negotiation, s.ca_file, s.server_name, s.cert_file, s.key_file);
  };
  return std::ranges::equal(a.servers, b.servers, same_server) && tls(a.tls) == tls(b.tls) &&
         a.connect_timeout == b.connect_timeout && a.max_logins == b.max_logins;
}

}  // namespace trunkline::upstream
