#include "upstream/resolve.h"

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <mutex>
#include <netdb.h>
#include <netinet/in.h>
#include <optional>
#include <unordered_map>
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

// What is known by now. Any thread; the lock is taken at login only.
class Resolver::Cache {
 public:
  explicit Cache(Now now) : now_(std::move(now)) {}

  std::optional<Addresses> find(const std::string& host) const {
    std::lock_guard lock(mutex_);
    auto found = known_.find(host);
    if (found == known_.end() || found->second.expires <= now_()) return std::nullopt;
    return found->second.addresses;
  }

  // A lifetime begins when the answer is there: one that took long is not old yet.
  void add(const std::string& host, const Addresses& addresses) {
    std::lock_guard lock(mutex_);
    if (known_.size() >= kNamesMax && !known_.contains(host)) {
      known_.erase(std::ranges::min_element(
          known_, {}, [](const auto& entry) { return entry.second.expires; }));
    }
    Duration lifetime = addresses ? kNameLifetime : kFailureLifetime;
    known_.insert_or_assign(host, Entry{addresses, now_() + lifetime});
  }

  size_t size() const {
    std::lock_guard lock(mutex_);
    return known_.size();
  }

 private:
  struct Entry {
    Addresses addresses;
    Instant expires;
  };

  const Now now_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry> known_;
};

Resolver::Resolver(unsigned threads, Lookup lookup, Now now)
    : cache_(std::make_shared<Cache>(std::move(now))),
      lookups_(threads, kLookupsMax,
               [cache = cache_, look_up = std::move(lookup)](const std::string& host) {
                 // The one who asked may have missed an answer that came just then.
                 if (auto known = cache->find(host)) return std::move(*known);
                 Addresses addresses = look_up(host);
                 if (addresses && addresses->size() > kAddressesMax) {
                   addresses->resize(kAddressesMax);
                 }
                 cache->add(host, addresses);
                 return addresses;
               }) {}

io::Task<SocketAddresses> Resolver::resolve(io::Loop& loop, config::ServerAddress server,
                                            Instant deadline) {
  if (auto known = at_once(server)) co_return std::move(*known);
  if (auto known = cache_->find(server.host)) co_return with_port(server.host, *known, server.port);
  auto found = co_await lookups_.get(loop, server.host, deadline);
  if (found) co_return with_port(server.host, *found, server.port);
  bool late = found.error() == decltype(lookups_)::Failure::late;
  co_return with_port(
      server.host,
      std::unexpected(late ? "timeout expired" : "too many names are being looked up at once"),
      server.port);
}

size_t Resolver::size() const {
  return cache_->size();
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
