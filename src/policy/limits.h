#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/error.h"
#include "base/ip.h"
#include "base/time.h"

namespace trunkline::policy {

// Those who are counted together: an IPv4 address, an IPv6 network of /64, of which an attacker has
// a whole one, or a user of this machine behind a unix socket. Plain data.
class Source {
 public:
  explicit Source(const IpAddress& address);
  // `nullopt`: whom the kernel does not know. All of them are one source.
  static Source user(std::optional<uint32_t> uid);

  std::string to_string() const;  // "address 10.0.0.1", "network 2001:db8::/64", "user 1000"

  auto operator<=>(const Source&) const = default;

 private:
  using User = std::optional<uint32_t>;
  explicit Source(User uid) : who_(uid) {}

  std::variant<IpAddress, User> who_;
};

class ConnectionLimits;

// A client's place under the limits; leaves them when destroyed. Owned by one session, any thread
// may destroy it.
class Ticket {
 public:
  Ticket() = default;
  Ticket(Ticket&& other) noexcept { *this = std::move(other); }
  Ticket& operator=(Ticket&& other) noexcept {
    std::swap(limits_, other.limits_);
    std::swap(source_, other.source_);
    std::swap(route_, other.route_);
    return *this;
  }
  ~Ticket() { release(); }

  explicit operator bool() const { return limits_ != nullptr; }
  void release();

 private:
  friend class ConnectionLimits;
  using SourceEntry = std::pair<const Source, uint32_t>;  // with how many clients it has
  using Route = std::pair<const std::string, uint32_t>;

  ConnectionLimits* limits_ = nullptr;
  SourceEntry* source_ = nullptr;
  Route* route_ = nullptr;
};

// How many clients there may be: in the process, from one source, on one route. Exact, for
// everything happens under one mutex, at login and close only. Any thread; outlives its tickets.
// Its tables hold only what has clients, so `max_clients` bounds them.
class ConnectionLimits {
 public:
  ConnectionLimits(uint32_t clients_max, std::optional<uint32_t> per_source_max)
      : clients_max_(clients_max), per_source_max_(per_source_max) {}

  // At a reload. Clients beyond a lowered limit stay; no new one comes until there is room.
  void set(uint32_t clients_max, std::optional<uint32_t> per_source_max);

  // A place in the process and for the source; a unix socket has no address and no limit by it.
  // Errors: 53300.
  Result<Ticket> admit(const std::optional<IpAddress>& address);

  // The client of `ticket` goes to a route, and leaves the one it was on. A route without a limit
  // counts its clients too, for the day a reload gives it one. Errors: 53300, and the ticket is as
  // it was.
  Result<> enter_route(Ticket& ticket, std::string_view route, std::optional<uint32_t> max);

  uint32_t clients() const;
  size_t sources() const;  // with at least one client
  size_t routes() const;   // likewise

 private:
  friend class Ticket;
  void leave(Ticket& ticket);

  mutable std::mutex mutex_;
  uint32_t clients_max_;
  std::optional<uint32_t> per_source_max_;
  uint32_t clients_ = 0;
  std::map<Source, uint32_t> sources_;
  std::map<std::string, uint32_t, std::less<>> routes_;
};

// Token buckets by source: `burst` at once, then one each `interval`. Any thread, one mutex.
//
// At most `sources_max` sources are remembered, those whose bucket is full again are forgotten;
// while none can be, further sources are refused.
class RateLimiter {
 public:
  static constexpr size_t kSourcesMax = 4096;

  RateLimiter(Duration interval, uint32_t burst, size_t sources_max = kSourcesMax)
      : interval_(interval), burst_(burst), sources_max_(sources_max) {}

  bool allow(const Source& source, Instant now);
  size_t sources() const;

 private:
  bool make_room(Instant now);

  const Duration interval_;
  const uint32_t burst_;
  const size_t sources_max_;
  mutable std::mutex mutex_;
  // When the bucket is full again; all that a bucket has to remember.
  std::map<Source, Instant> full_at_;
  Instant swept_at_ = Instant::min();
};

}  // namespace trunkline::policy
