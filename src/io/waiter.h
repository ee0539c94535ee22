#pragma once

#include <coroutine>
#include <cstdint>

#include "base/intrusive_list.h"

namespace trunkline::io {

class Loop;

// Whose turn comes first in a round of the loop.
enum class Place : uint8_t {
  ahead,   // who has little to do and somebody waiting for it: every session that relays
  behind,  // who has much to do, or is not in yet: as far as there is time in the round
};

// One word of reasons to go on, and the one coroutine that waits for some of them: how a session
// waits for client or server, a deadline or mail with a single `co_await wait(mask)`. Bits stay up
// until somebody clears them (a socket clears its own when it is drained). One thread.
class Waiter : public ListNode<> {
 public:
  explicit Waiter(Loop& loop, Place place = Place::ahead) : loop_(loop), place_(place) {}

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
  auto yield() { return Turn{*this, place_}; }

  // As `yield`, for who has much to do this time.
  auto step_aside() { return Turn{*this, Place::behind}; }

  // For awaiters that bring their own conditions.
  void suspend(std::coroutine_handle<> self, uint32_t mask) {
    waiting_ = self;
    mask_ = mask;
  }

  Loop& loop() const { return loop_; }

 private:
  friend class Loop;
  struct Turn {
    Waiter& waiter;
    Place place;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> self) {
      waiter.suspend(self, ~0U);
      waiter.schedule(place);
    }
    void await_resume() const {}
  };

  void schedule(Place place);
  void resume();

  Loop& loop_;
  std::coroutine_handle<> waiting_;
  uint32_t ready_ = 0;
  uint32_t mask_ = 0;
  const Place place_;
};

}  // namespace trunkline::io
