#include "upstream/resolve.h"

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <utility>

#include "upstream/upstream.h"

namespace trunkline::upstream {

namespace {

using SocketAddresses = std::expected<std::vector<io::SocketAddress>, std::string>;

SocketAddresses with_port(const std::string& host, const Resolver::Addresses& addresses,
                          uint16_t port) {
  if (!addresses) {
    return std::unexpected(fmt::format("cannot resolve \"{}\": {}", host, addresses.error()));
  }
  std::vector<io::SocketAddress> sockets;
  for (const IpAddress& address : *addresses) {
    sockets.push_back(io::SocketAddress::ip(address, port));
  }
  return sockets;
}

// What needs no look-up; nullopt for a name.
std::optional<SocketAddresses> at_once(const config::ServerAddress& server) {
  if (server.is_unix()) {
    std::string path = server_name(server);
    auto address = io::SocketAddress::unix_path(path);
    if (!address) return std::unexpected(fmt::format("the path {} is too long", path));
    return std::vector{*address};
  }
  if (auto address = IpAddress::parse(server.host)) {
    return std::vector{io::SocketAddress::ip(*address, server.port)};
  }
  return std::nullopt;
}

}  // namespace

io::Task<SocketAddresses> Resolver::resolve(io::Loop& loop, config::ServerAddress server) {
  if (auto known = at_once(server)) co_return std::move(*known);
  Instant now = loop.now();
  std::optional<Addresses> addresses = cached(server.host, now);
  if (!addresses) {
    addresses = co_await loop.offload([this, &server, now] { return look_up(server.host, now); });
  }
  co_return with_port(server.host, *addresses, server.port);
}

// On a blocking thread. Many logins may have queued for the same name: all but the first of them
// find it in the cache by now.
Resolver::Addresses Resolver::look_up(const std::string& host, Instant now) {
  if (auto known = cached(host, now)) return *known;
  Addresses addresses = lookup_(host);
  if (addresses && addresses->size() > kAddressesMax) addresses->resize(kAddressesMax);
  remember(host, addresses, now);
  return addresses;
}

std::optional<Resolver::Addresses> Resolver::cached(const std::string& host, Instant now) const {
  std::lock_guard lock(mutex_);
  auto found = names_.find(host);
  if (found == names_.end() || found->second.expires <= now) return std::nullopt;
  return found->second.addresses;
}

void Resolver::remember(const std::string& host, const Addresses& addresses, Instant now) {
  std::lock_guard lock(mutex_);
  if (names_.size() >= kNamesMax && !names_.contains(host)) {
    names_.erase(std::ranges::min_element(names_, {},
                                          [](const auto& entry) { return entry.second.expires; }));
  }
  names_.insert_or_assign(host,
                          Entry{addresses, now + (addresses ? kNameLifetime : kFailureLifetime)});
}

size_t Resolver::size() const {
  std::lock_guard lock(mutex_);
  return names_.size();
}

Resolver::Addresses Resolver::system_lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* first = nullptr;
  if (int error = getaddrinfo(host.c_str(), nullptr, &hints, &first); error != 0) {
    return std::unexpected(std::string(gai_strerror(error)));
  }
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(first, freeaddrinfo);
  std::vector<IpAddress> addresses;
  for (const addrinfo* info = first; info != nullptr; info = info->ai_next) {
    if (info->ai_family != AF_INET && info->ai_family != AF_INET6) continue;
    addresses.push_back(io::SocketAddress::from_raw(info->ai_addr, info->ai_addrlen).ip_address());
  }
  if (addresses.empty()) return std::unexpected("the name has no address");
  return addresses;
}

}  // namespace trunkline::upstream
