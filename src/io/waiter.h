#pragma once

#include <coroutine>
#include <cstdint>

#include "base/intrusive_list.h"

namespace trunkline::io {

class Loop;

// One word of reasons to go on, and the one coroutine that waits for some of them: how a session
// waits for client or server, a deadline or mail with a single `co_await wait(mask)`. Bits stay up
// until somebody clears them (a socket clears its own when it is drained). One thread.
class Waiter : public ListNode<> {
 public:
  explicit Waiter(Loop& loop) : loop_(loop) {}

  uint32_t ready() const { return ready_; }
  void raise(uint32_t bits);
  void clear(uint32_t bits) { ready_ &= ~bits; }

  // Waits until at least one bit of the mask is up; returns those that are.
  auto wait(uint32_t mask) {
    struct Awaiter {
      Waiter& waiter;
      uint32_t mask;
      bool await_ready() const { return (waiter.ready_ & mask) != 0; }
      void await_suspend(std::coroutine_handle<> self) { waiter.suspend(self, mask); }
      uint32_t await_resume() const { return waiter.ready_ & mask; }
    };
    return Awaiter{*this, mask};
  }

  // Lets the other coroutines and the sockets have their turn. Goes on in the loop's next round.
  auto yield() {
    struct Awaiter {
      Waiter& waiter;
      bool await_ready() const { return false; }
      void await_suspend(std::coroutine_handle<> self) {
        waiter.suspend(self, ~0U);
        waiter.schedule();
      }
      void await_resume() const {}
    };
    return Awaiter{*this};
  }

  // For awaiters that bring their own conditions.
  void suspend(std::coroutine_handle<> self, uint32_t mask) {
    waiting_ = self;
    mask_ = mask;
  }

  Loop& loop() const { return loop_; }

 private:
  friend class Loop;
  void schedule();
  void resume();

  Loop& loop_;
  std::coroutine_handle<> waiting_;
  uint32_t ready_ = 0;
  uint32_t mask_ = 0;
};

}  // namespace trunkline::io
