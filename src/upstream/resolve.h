#pragma once

#include <expected>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "config/model.h"
#include "io/address.h"
#include "io/loop.h"
#include "io/task.h"

namespace trunkline::upstream {

// The system's resolver does not tell a record's lifetime. Short enough that a fail-over by DNS is
// seen soon, long enough that a login storm costs a handful of look-ups.
inline constexpr Duration kNameLifetime = 15s;
// A name that fails is asked again soon: it may be a server that is just being created.
inline constexpr Duration kFailureLifetime = 1s;
inline constexpr size_t kNamesMax = 2048;
// A client waits through connects to all of them in turn, so more would be of no use.
inline constexpr size_t kAddressesMax = 16;

// Names of servers to addresses, with a small cache. One for the process; any thread. At most
// `kNamesMax` names, the one nearest to its end makes room.
class Resolver {
 public:
  using Addresses = std::expected<std::vector<IpAddress>, std::string>;
  using Lookup = std::function<Addresses(const std::string& host)>;

  explicit Resolver(Lookup lookup = system_lookup) : lookup_(std::move(lookup)) {}

  // In the resolver's order. Addresses, unix sockets and cached names come without suspending. The
  // error says what cannot be resolved and why. The resolver must outlive the task.
  io::Task<std::expected<std::vector<io::SocketAddress>, std::string>> resolve(
      io::Loop& loop, config::ServerAddress server);

  size_t size() const;

  static Addresses system_lookup(const std::string& host);  // getaddrinfo; blocks

 private:
  struct Entry {
    Addresses addresses;
    Instant expires;
  };

  std::optional<Addresses> cached(const std::string& host, Instant now) const;
  void remember(const std::string& host, const Addresses& addresses, Instant now);
  Addresses look_up(const std::string& host, Instant now);

  Lookup lookup_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry> names_;
};

}  // namespace trunkline::upstream
