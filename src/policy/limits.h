#pragma once

#include <array>
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

// What clients are counted by, beside their source.
enum class NameKind : uint8_t { route, user, database };
inline constexpr size_t kNameKinds = 3;

// A client's place under the limits; leaves them when destroyed. Owned by one session, any thread
// may destroy it.
class Ticket {
 public:
  Ticket() = default;
  Ticket(Ticket&& other) noexcept { *this = std::move(other); }
  Ticket& operator=(Ticket&& other) noexcept {
    std::swap(limits_, other.limits_);
    std::swap(source_, other.source_);
    std::swap(names_, other.names_);
    return *this;
  }
  ~Ticket() { release(); }

  explicit operator bool() const { return limits_ != nullptr; }
  void release();

 private:
  friend class ConnectionLimits;
  using SourceEntry = std::pair<const Source, uint32_t>;  // with how many clients it has
  using NameEntry = std::pair<const std::string, uint32_t>;

  ConnectionLimits* limits_ = nullptr;
  SourceEntry* source_ = nullptr;
  std::array<NameEntry*, kNameKinds> names_{};
};

// How many clients there may be. `nullopt`: only those of the process count.
struct ClientLimits {
  uint32_t clients_max;
  std::optional<uint32_t> per_source_max = {};
  std::optional<uint32_t> per_user_max = {};
  std::optional<uint32_t> per_database_max = {};
};

// Where a client has been let in. Who is passed through has no user and no database.
struct Membership {
  std::string_view route;
  std::optional<uint32_t> route_max;
  std::string_view user = {};      // as it called itself, whoever it is at the server
  std::string_view database = {};  // likewise
};

// How many clients there may be: in the process, from one source, on one route, of one user, in one
// database. Exact, for everything happens under one mutex, at login and close only. Any thread;
// outlives its tickets. Its tables hold only what has clients, so `max_clients` bounds them.
class ConnectionLimits {
 public:
  explicit ConnectionLimits(const ClientLimits& limits) : limits_(limits) {}

  // At a reload. Clients beyond a lowered limit stay; no new one comes until there is room.
  void set(const ClientLimits& limits);

  // A place in the process and for the source; a unix socket has no address and no limit by it.
  // Errors: 53300.
  Result<Ticket> admit(const std::optional<IpAddress>& address);

  // The client of `ticket` has shown who it is and is let in, or moves from where it was. What has
  // no limit is counted too, for the day a reload gives it one. Errors: 53300, and the ticket is
  // as it was.
  Result<> enter(Ticket& ticket, const Membership& membership);

  uint32_t clients() const;
  size_t sources() const;  // with at least one client
  size_t names() const;    // routes, users and databases, likewise

 private:
  friend class Ticket;
  using Names = std::map<std::string, uint32_t, std::less<>>;

  void leave(Ticket& ticket);

  mutable std::mutex mutex_;
  ClientLimits limits_;
  uint32_t clients_ = 0;
  std::map<Source, uint32_t> sources_;
  std::array<Names, kNameKinds> names_;
};

// Token buckets by source: `burst` at once, then one each `interval`. Any thread, one mutex.
//
// At most `sources_max` sources are remembered, those whose bucket is full again are forgotten;
// while none can be, further sources are refused.
class RateLimiter {
 public:
  static constexpr size_t kSourcesMax = 4096;

  RateLimiter(Duration interval, uint32_t burst, size_t sources_max = kSourcesMax)
      : sources_max_(sources_max), interval_(interval), burst_(burst) {}

  // At a reload: what has been taken stays taken. Without a burst nobody is limited.
  void set(Duration interval, uint32_t burst);

  bool allow(const Source& source, Instant now);
  size_t sources() const;

 private:
  bool make_room(Instant now);

  const size_t sources_max_;
  mutable std::mutex mutex_;
  Duration interval_;
  uint32_t burst_;
  // When the bucket is full again; all that a bucket has to remember.
  std::map<Source, Instant> full_at_;
  Instant swept_at_ = Instant::min();
};

}  // namespace trunkline::policy
