#pragma once

#include <atomic>
#include <cstdint>

namespace trunkline::pool {

// How many sessions of a pool keep their server connection between transactions, and how many may.
// Any thread, without a lock; taken only when a session begins to be pinned.
class PinPlaces {
 public:
  void set_max(uint32_t max) { max_.store(max, std::memory_order_relaxed); }
  uint32_t max() const { return max_.load(std::memory_order_relaxed); }
  uint32_t taken() const { return taken_.load(std::memory_order_relaxed); }

  // False when all are taken.
  bool try_take() {
    uint32_t taken = taken_.load(std::memory_order_relaxed);
    do {
      if (taken >= max()) return false;
    } while (!taken_.compare_exchange_weak(taken, taken + 1, std::memory_order_relaxed));
    return true;
  }
  // Of whom nobody saw it coming.
  void take() { taken_.fetch_add(1, std::memory_order_relaxed); }
  void leave() { taken_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> max_ = UINT32_MAX;
  std::atomic<uint32_t> taken_ = 0;
};

}  // namespace trunkline::pool
