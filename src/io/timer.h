#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.h"

namespace trunkline::io {

class TimerHeap;
class Waiter;

// Raises bits of a waiter at an instant. Stops when it is destroyed. One thread.
class Timer {
 public:
  Timer(Waiter& waiter, uint32_t bits) : waiter_(waiter), bits_(bits) {}
  ~Timer() { stop(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Replaces an earlier deadline.
  void start(Instant deadline);
  void stop();
  bool running() const { return slot_ != kIdle; }
  Instant deadline() const { return deadline_; }

 private:
  friend class TimerHeap;
  static constexpr size_t kIdle = SIZE_MAX;

  Waiter& waiter_;
  Instant deadline_{};
  size_t slot_ = kIdle;  // in the heap
  uint32_t bits_;
};

// The running timers of a loop, a binary heap by deadline in which each timer knows its slot.
class TimerHeap {
 public:
  bool empty() const { return heap_.empty(); }
  Instant next_deadline() const { return heap_.front()->deadline_; }
  void fire_due(Instant now);
  size_t size() const { return heap_.size(); }

 private:
  friend class Timer;
  void insert(Timer& timer);
  void remove(Timer& timer);
  void sift_up(size_t slot);
  void sift_down(size_t slot);
  void put(size_t slot, Timer* timer);

  std::vector<Timer*> heap_;
};

}  // namespace trunkline::io
