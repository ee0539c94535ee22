#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <mutex>
#include <utility>

#include "base/backoff.h"
#include "base/time.h"
#include "io/loop.h"
#include "io/task.h"
#include "server/connection.h"

namespace trunkline::upstream {

// Lets the logins of pools to one server in: so many at the same time, in the order in which they
// come, whatever pool and worker they are of. After a failure one at a time, with a pause before
// each that grows, see `Backoff`: a server that is down, or too full, is not hammered. Any
// thread; one mutex, taken twice for each login. The line is as long as pools have connections to
// come.
class LoginGate {
 public:
  // The right to log in, until it is destroyed.
  class Place {
   public:
    explicit Place(LoginGate* gate) : gate_(gate) {}
    Place(Place&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (gate_ != nullptr) gate_->leave();
    }

   private:
    LoginGate* gate_;
  };

  // Waits until it may log in. The error is that of a login that failed meanwhile: this one would
  // have failed, too. The gate outlives the task.
  io::Task<std::expected<Place, server::Refusal>> enter(io::Loop& loop, uint32_t max,
                                                        Instant deadline);
  // How the login went: the server has answered, or could not be reached.
  void succeeded();
  void failed(Instant now, const server::Refusal& why);

 private:
  struct Entry;
  class Turn;

  void leave();
  void let_next_in();
  bool is_open() const { return entered_ < (backoff_.has_failed() ? 1 : max_); }

  std::mutex mutex_;
  std::deque<std::shared_ptr<Entry>> line_;
  uint32_t max_ = 1;  // as whoever came last knows it
  uint32_t entered_ = 0;
  Backoff backoff_;
};

}  // namespace trunkline::upstream
