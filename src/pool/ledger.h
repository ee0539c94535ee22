#pragma once

#include <atomic>
#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace trunkline::pool {

// What several pools share a limit on: `max_connections` of an upstream, and what there may be to a
// database, of a user, and to a server; of a pool and those that it has replaced at the same
// servers.
struct CapName {
  enum class Kind : uint8_t { upstream, database, user, server, pool };

  Kind kind;
  std::string name;

  auto operator<=>(const CapName&) const = default;
};

// How many server connections one pool may have.
struct Limits {
  uint32_t size = 0;
  uint32_t reserve = 0;     // more than `size`, for those who have waited too long
  uint32_t guaranteed = 0;  // kept free for this pool under every cap it shares
};

// A pool as the ledger sees it. Called by any thread, never under the ledger's lock.
class Tenant {
 public:
  virtual ~Tenant() = default;
  virtual uint32_t idle() const = 0;
  // There may be room for one more by now: `open` again, or `withdraw`.
  virtual void on_room() = 0;
  // Others need room: close an idle connection, if you still have one.
  virtual void evict() = 0;
};

// Counts the server connections of the process, and says who may open one. Exact: a connection is
// counted from before its login until after its close, everything happens under one mutex, and
// only where connections are opened and closed, never where they change hands or are waited for by
// those of a full pool. Any thread; outlives its accounts.
//
// Under a cap everybody keeps what is guaranteed to him: others may only take what no guarantee
// needs. Where guarantees add up to more than the cap, whoever comes first has it.
class Ledger {
 public:
  class Account;
  struct Leave {
    Ledger* ledger;
    void operator()(Account* account) const { ledger->leave(account); }
  };
  using AccountPtr = std::unique_ptr<Account, Leave>;

  Ledger() = default;
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;
  ~Ledger();

  // What an account has when it is left is closed with it.
  AccountPtr join(std::weak_ptr<Tenant> tenant, const Limits& limits,
                  const std::vector<CapName>& caps);

  enum class Answer : uint8_t {
    granted,       // counted: `close` when the connection is gone, or did not come about
    size_reached,  // the pool's own limit
    cap_reached,   // one that is shared: the pool is told when there is room, and somebody who has
                   // more than he needs is asked to make some
  };
  Answer open(Account& account, bool may_use_reserve);
  // `open` without the reserve would say `size_reached`, and there is nothing to withdraw. Without
  // a lock, in the one order of all threads: who closes one and then looks for those who wait, and
  // who waits and then looks here, do not miss each other.
  bool is_full(const Account& account) const;
  // One that nobody waits for: only where there is room that nobody else wants.
  bool open_spare(Account& account);
  void close(Account& account);
  // No longer waits for room under a cap.
  void withdraw(Account& account);

  // At a reload. Connections beyond a lowered limit stay, until they are given back.
  void set_limits(Account& account, const Limits& limits);
  // A cap lasts until the last account under it has left.
  void set_cap(const CapName& name, std::optional<uint32_t> max);

  uint32_t used(const Account& account) const;
  // More than its limits allow, or than a cap does: to be closed rather than kept. The reserve is
  // for those who wait. Without a lock as long as nobody has more than his size.
  bool is_over(const Account& account, bool somebody_waits) const;
  // Whether somebody waits for room under a cap that this one, who has more than is guaranteed to
  // it, could make. Without a lock as long as nobody waits.
  bool is_wanted(const Account& account) const;
  uint32_t used(const CapName& name) const;

 private:
  struct Cap {
    std::optional<uint32_t> max;
    uint32_t used = 0;
    uint32_t accounts = 0;
    // Guaranteed to pools that do not have as many connections yet.
    uint32_t promised = 0;
  };
  using Caps = std::map<CapName, Cap>;
  using Tenants = std::vector<std::shared_ptr<Tenant>>;

  void leave(Account* account);
  static bool exceeds(const Account& account, uint32_t size);
  void note_who_is_over();
  static bool has_room(const Account& account, const Cap& cap);
  static const Cap* full_cap(const Account& account);
  static bool is_under(const Account& account, const Cap& cap);
  static void count(Account& account, int by);
  static void note_whether_full(Account& account);
  static void promise(Account& account, int sign);
  void start_waiting(Account& account);
  void stop_waiting(Account& account);
  std::shared_ptr<Tenant> next_in_line() const;
  std::shared_ptr<Tenant> who_can_spare(const Account& account, const Cap& cap) const;

  mutable std::mutex mutex_;
  Caps caps_;
  std::vector<Account*> accounts_;
  std::atomic<bool> somebody_over_ = false;
  std::deque<Account*> waiting_;  // for room under a cap, first come, first served
  std::atomic<bool> somebody_waits_ = false;
};

}  // namespace trunkline::pool
