#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "pool/settings.h"

namespace trunkline::pool {

// What ALTER ROLE … SET and ALTER DATABASE … SET give new sessions of a pool. Connections keep what
// they were started under, so a login asks the server whether that still holds: who changes it may
// bypass the proxy. If it does not, the pool's connections are renewed, and sessions that began
// before set what they began with themselves. Any thread.
class ServerDefaults {
 public:
  // As long a login is content with the answer to another one.
  static constexpr Duration kFreshFor = 1ms;
  // Who sleeps through more changes than these loses what the first ones have changed.
  static constexpr size_t kChangesMax = 64;

  struct Answer {
    std::string fingerprint;  // of all that is set, and when it was
    std::string names;        // of the settings, with commas between them
  };

  // Whether a login at this time is to ask: one of those that come close together.
  bool is_due(Instant now);
  bool wants_first() const {
    std::lock_guard lock(mutex_);
    return !now_ && asked_at_.load(std::memory_order_relaxed) < kNever;
  }
  // The server cannot tell.
  void give_up() { asked_at_.store(kNever, std::memory_order_relaxed); }
  // The query for what a connection of before gives its sessions, of all that has changed or may
  // have. Nullopt when nothing has: the first answer is how it was.
  std::optional<std::string> on_answer(const Answer& answer);
  // `before`: the answer to that query. `generation`: of the pool's connections until now. False
  // when somebody else has noticed already.
  bool on_changed(const Answer& answer, uint64_t generation, Settings before);
  // What sessions that began under the connections of `since` have to set on one of `now`.
  Settings changed_between(uint64_t since, uint64_t now) const;

 private:
  struct Change {
    uint64_t generation;  // the last one before it
    Settings before;
  };

  static constexpr Instant kNever = Instant::max() - kFreshFor;

  std::atomic<Instant> asked_at_ = Instant{};
  mutable std::mutex mutex_;
  std::optional<Answer> now_;
  std::vector<Change> changes_;
};

}  // namespace trunkline::pool
