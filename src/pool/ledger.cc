#include "pool/ledger.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <utility>

namespace trunkline::pool {

class Ledger::Account {
 public:
  std::weak_ptr<Tenant> tenant;
  Limits limits;
  std::vector<Caps::iterator> caps;
  uint32_t used = 0;
  bool waits = false;
  std::atomic<bool> full = false;

  // What others must leave free for it.
  uint32_t promised() const { return limits.guaranteed > used ? limits.guaranteed - used : 0; }
};

Ledger::~Ledger() {
  assert(accounts_.empty());
}

Ledger::AccountPtr Ledger::join(std::weak_ptr<Tenant> tenant, const Limits& limits,
                                const std::vector<CapName>& caps) {
  auto account = std::make_unique<Account>();
  account->tenant = std::move(tenant);
  account->limits = limits;
  std::lock_guard lock(mutex_);
  for (const CapName& name : caps) {
    auto cap = caps_.try_emplace(name).first;
    ++cap->second.accounts;
    account->caps.push_back(cap);
  }
  promise(*account, 1);
  note_whether_full(*account);
  accounts_.push_back(account.get());
  if (limits.guaranteed > 0) note_who_is_over();
  return {account.release(), Leave{this}};
}

void Ledger::leave(Account* account) {
  std::unique_ptr<Account> gone(account);
  std::shared_ptr<Tenant> next;
  {
    std::lock_guard lock(mutex_);
    std::erase(accounts_, account);
    stop_waiting(*account);
    // At the end of the process some may be on their way between two workers.
    count(*account, -static_cast<int>(account->used));
    promise(*account, -1);
    for (Caps::iterator cap : account->caps) {
      if (--cap->second.accounts == 0) caps_.erase(cap);
    }
    next = next_in_line();
  }
  if (next) next->on_room();
}

Ledger::Answer Ledger::open(Account& account, bool may_use_reserve) {
  Answer answer = Answer::granted;
  std::shared_ptr<Tenant> spares;
  std::shared_ptr<Tenant> next;
  {
    std::lock_guard lock(mutex_);
    uint32_t size = account.limits.size + (may_use_reserve ? account.limits.reserve : 0);
    if (account.used >= size) return Answer::size_reached;
    if (const Cap* full = full_cap(account)) {
      answer = Answer::cap_reached;
      start_waiting(account);
      spares = who_can_spare(account, *full);
    } else {
      count(account, 1);
      if (account.used > account.limits.size) somebody_over_.store(true, std::memory_order_relaxed);
      // Whoever wants more has his turn after the others.
      stop_waiting(account);
      next = next_in_line();
    }
  }
  if (spares) spares->evict();
  if (next) next->on_room();
  return answer;
}

bool Ledger::open_spare(Account& account) {
  std::lock_guard lock(mutex_);
  if (account.used >= account.limits.size || full_cap(account) != nullptr) return false;
  if (next_in_line() != nullptr) return false;
  count(account, 1);
  return true;
}

void Ledger::close(Account& account) {
  std::shared_ptr<Tenant> next;
  {
    std::lock_guard lock(mutex_);
    assert(account.used > 0);
    count(account, -1);
    if (somebody_over_.load(std::memory_order_relaxed)) note_who_is_over();
    next = next_in_line();
  }
  if (next) next->on_room();
}

void Ledger::withdraw(Account& account) {
  std::shared_ptr<Tenant> next;
  {
    std::lock_guard lock(mutex_);
    if (!account.waits) return;
    stop_waiting(account);
    next = next_in_line();
  }
  if (next) next->on_room();
}

void Ledger::start_waiting(Account& account) {
  if (!std::exchange(account.waits, true)) waiting_.push_back(&account);
  note_whether_full(account);
  somebody_waits_.store(true, std::memory_order_relaxed);
}

void Ledger::stop_waiting(Account& account) {
  if (std::exchange(account.waits, false)) std::erase(waiting_, &account);
  note_whether_full(account);
  somebody_waits_.store(!waiting_.empty(), std::memory_order_relaxed);
}

void Ledger::set_limits(Account& account, const Limits& limits) {
  std::shared_ptr<Tenant> next;
  {
    std::lock_guard lock(mutex_);
    promise(account, -1);
    account.limits = limits;
    promise(account, 1);
    note_whether_full(account);
    note_who_is_over();
    next = next_in_line();
  }
  if (next) next->on_room();
}

void Ledger::set_cap(const CapName& name, std::optional<uint32_t> max) {
  std::shared_ptr<Tenant> next;
  {
    std::lock_guard lock(mutex_);
    auto cap = caps_.try_emplace(name).first;
    cap->second.max = max;
    if (cap->second.accounts == 0 && !max) caps_.erase(cap);
    note_who_is_over();
    next = next_in_line();
  }
  if (next) next->on_room();
}

uint32_t Ledger::used(const Account& account) const {
  std::lock_guard lock(mutex_);
  return account.used;
}

bool Ledger::is_over(const Account& account, bool somebody_waits) const {
  if (!somebody_over_.load(std::memory_order_relaxed)) return false;
  std::lock_guard lock(mutex_);
  return exceeds(account, account.limits.size + (somebody_waits ? account.limits.reserve : 0));
}

bool Ledger::exceeds(const Account& account, uint32_t size) {
  if (account.used > size) return true;
  bool may_spare = account.used > account.limits.guaranteed;
  return std::ranges::any_of(account.caps, [&](Caps::iterator each) {
    const Cap& cap = each->second;
    // Who has more than his own leaves room for what is promised to others.
    uint64_t wanted = uint64_t{cap.used} + (may_spare ? cap.promised : 0);
    return cap.max && wanted > *cap.max;
  });
}

void Ledger::note_who_is_over() {
  bool found = std::ranges::any_of(
      accounts_, [](const Account* each) { return exceeds(*each, each->limits.size); });
  somebody_over_.store(found, std::memory_order_relaxed);
}

bool Ledger::is_wanted(const Account& account) const {
  if (!somebody_waits_.load(std::memory_order_relaxed)) return false;
  std::lock_guard lock(mutex_);
  if (account.used <= account.limits.guaranteed) return false;
  return std::ranges::any_of(waiting_, [&](const Account* each) {
    const Cap* full = each == &account ? nullptr : full_cap(*each);
    return full != nullptr && is_under(account, *full);
  });
}

bool Ledger::is_under(const Account& account, const Cap& cap) {
  return std::ranges::any_of(account.caps,
                             [&](Caps::iterator each) { return &each->second == &cap; });
}

uint32_t Ledger::used(const CapName& name) const {
  std::lock_guard lock(mutex_);
  auto cap = caps_.find(name);
  return cap == caps_.end() ? 0 : cap->second.used;
}

bool Ledger::has_room(const Account& account, const Cap& cap) {
  if (!cap.max) return true;
  // Its own guarantee is one of the promises: it may use that up.
  uint32_t kept_for_others = account.promised() > 0 ? 0 : cap.promised;
  return uint64_t{cap.used} + kept_for_others < *cap.max;
}

const Ledger::Cap* Ledger::full_cap(const Account& account) {
  for (Caps::iterator cap : account.caps) {
    if (!has_room(account, cap->second)) return &cap->second;
  }
  return nullptr;
}

void Ledger::count(Account& account, int by) {
  promise(account, -1);
  account.used += static_cast<uint32_t>(by);
  promise(account, 1);
  note_whether_full(account);
  for (Caps::iterator cap : account.caps) cap->second.used += static_cast<uint32_t>(by);
}

void Ledger::note_whether_full(Account& account) {
  account.full.store(account.used >= account.limits.size && !account.waits);
}

bool Ledger::is_full(const Account& account) const {
  return account.full.load();
}

void Ledger::promise(Account& account, int sign) {
  uint32_t promised = account.promised();
  for (Caps::iterator cap : account.caps) {
    cap->second.promised += sign > 0 ? promised : 0U - promised;
  }
}

// The first who could open one now. One is told at a time: whoever takes the room, and whoever does
// not want it any more, passes on what is left.
std::shared_ptr<Tenant> Ledger::next_in_line() const {
  for (const Account* account : waiting_) {
    bool fits = account->used < account->limits.size + account->limits.reserve;
    if (!fits || full_cap(*account) != nullptr) continue;
    if (std::shared_ptr<Tenant> tenant = account->tenant.lock()) return tenant;
  }
  return nullptr;
}

// Of those under the same cap who have more than is guaranteed to them, the one with the most idle.
std::shared_ptr<Tenant> Ledger::who_can_spare(const Account& account, const Cap& cap) const {
  std::shared_ptr<Tenant> best;
  uint32_t best_idle = 0;
  for (const Account* other : accounts_) {
    if (other == &account || !is_under(*other, cap)) continue;
    if (other->used <= other->limits.guaranteed) continue;
    std::shared_ptr<Tenant> tenant = other->tenant.lock();
    uint32_t idle = tenant ? tenant->idle() : 0;
    if (idle <= best_idle) continue;
    best = std::move(tenant);
    best_idle = idle;
  }
  return best;
}

}  // namespace trunkline::pool
