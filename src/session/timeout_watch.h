#pragma once

#include <optional>

#include "io/loop.h"
#include "io/timer.h"
#include "io/waiter.h"
#include "session/timeouts.h"
#include "session/wake.h"

namespace trunkline::session {

// `Timeouts` with the timer that they need, which raises `wake::kTimeout`. It may be too early,
// never too late: most of what begins is over long before its end would have come, and has not
// touched it. Of a session, on its worker's thread; the waiter outlives it.
class TimeoutWatch {
 public:
  TimeoutWatch(io::Waiter& waiter, const config::PoolTimeouts& limits)
      : waiter_(waiter), timer_(waiter, wake::kTimeout), timeouts_(limits, waiter.loop().now()) {}

  void set_limits(const config::PoolTimeouts& limits) { timeouts_.set_limits(limits); }
  // The client has sent something.
  void on_heard() { timeouts_.on_heard(waiter_.loop().now()); }

  // What has taken too long by now, if anything has; then it wants to be asked again.
  std::optional<Timeouts::Expired> look(const Timeouts::Activity& activity) {
    Instant now = waiter_.loop().now();
    Instant due = timeouts_.note(activity, now);
    if (due <= now) {
      waiter_.raise(wake::kTimeout);
      return timeouts_.take_expired(now);
    }
    bool is_early_enough = timer_.running() && timer_.deadline() <= due;
    if (due != Instant::max() && !is_early_enough) timer_.start(due);
    return std::nullopt;
  }

 private:
  io::Waiter& waiter_;
  io::Timer timer_;
  Timeouts timeouts_;
};

}  // namespace trunkline::session
