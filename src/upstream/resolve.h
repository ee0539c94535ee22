#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "config/model.h"
#include "io/address.h"
#include "io/lookups.h"
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

// A look-up may hang for half a minute and cannot be cancelled, so names have threads of their own:
// key derivations do not wait behind them. They sleep nearly always.
inline constexpr unsigned kLookupThreads = 8;
// Names that are being looked up or wait for a thread, at the same time; one more is an error.
inline constexpr size_t kLookupsMax = 256;

// Names of servers to addresses, with a small cache. One for the process; any thread. At most
// `kNamesMax` names, the one nearest to its end makes room. Whoever wants a name that is being
// looked up waits for the same answer, so that a storm of logins costs one look-up; each login in
// progress waits for one name at most.
class Resolver {
 public:
  using Addresses = std::expected<std::vector<IpAddress>, std::string>;
  using Lookup = std::function<Addresses(const std::string& host)>;
  using Now = std::function<Instant()>;

  // Without threads names are looked up in place: for tests and simulations. `lookup` and `now` may
  // be called for some time after the end of the resolver, which waits for no look-up.
  explicit Resolver(unsigned threads = 0, Lookup lookup = system_lookup, Now now = Clock::now);

  // In the resolver's order. Addresses, unix sockets and cached names come without suspending. The
  // error says what cannot be resolved and why. At the deadline the task stops waiting; what the
  // look-up finds later is kept all the same. The resolver must outlive the task.
  io::Task<std::expected<std::vector<io::SocketAddress>, std::string>> resolve(
      io::Loop& loop, config::ServerAddress server, Instant deadline);

  size_t size() const;

  static Addresses system_lookup(const std::string& host);  // getaddrinfo; blocks

 private:
  class Cache;  // what the threads share with it

  const std::shared_ptr<Cache> cache_;
  io::Lookups<std::string, Addresses> lookups_;
};

}  // namespace trunkline::upstream
