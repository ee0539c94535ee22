#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/intrusive_list.h"

namespace trunkline {

class Slab;

// Who found the slab empty and wants to hear of the next buffer that is given back; see
// `Slab::wait`.
class SlabWaiter : public ListNode<SlabWaiter> {
 public:
  virtual void buffer_is_free() = 0;

 protected:
  ~SlabWaiter() = default;
};

// A buffer leased from a worker's slab; goes back when destroyed. Empty when the slab's share of
// `memory_limit` is spent.
class Lease {
 public:
  Lease() = default;
  Lease(Slab* slab, char* data) : slab_(slab), data_(data) {}
  Lease(Lease&& other) noexcept
      : slab_(std::exchange(other.slab_, nullptr)), data_(std::exchange(other.data_, nullptr)) {}
  Lease& operator=(Lease&& other) noexcept {
    std::swap(slab_, other.slab_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~Lease() { reset(); }

  explicit operator bool() const { return data_ != nullptr; }
  char* data() const { return data_; }
  std::span<char> span() const;
  void reset();

 private:
  Slab* slab_ = nullptr;
  char* data_ = nullptr;
};

// The worker's buffers, all of one size. One thread. Buffers in use are bounded by `limit`; free
// ones beyond `keep` are given back to the system, so that a burst does not hold its memory for
// ever.
class Slab {
 public:
  Slab(size_t buffer_bytes, size_t limit_buffers, size_t keep_buffers);
  ~Slab();
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  Lease borrow();
  // First come, first told: one waiter for each buffer given back. Told at most once; waiting again
  // keeps the place.
  void wait(SlabWaiter& waiter) {
    if (!waiter.linked()) waiting_.push_back(waiter);
  }
  // For whoever was told and does not need it any more.
  void tell_next() {
    if (in_use_ >= limit_) return;
    if (SlabWaiter* waiter = waiting_.pop_front()) waiter->buffer_is_free();
  }
  bool has_waiters() const { return !waiting_.empty(); }
  // Walks them: not for the hot path.
  size_t waiters() const { return waiting_.count(); }

  size_t buffer_bytes() const { return buffer_bytes_; }
  size_t in_use() const { return in_use_; }
  size_t limit() const { return limit_; }
  // A higher limit tells as many waiters as it makes room for.
  void set_limit(size_t limit_buffers);

 private:
  friend class Lease;
  void give_back(char* buffer);

  const size_t buffer_bytes_;
  size_t limit_;
  const size_t keep_;
  size_t in_use_ = 0;
  std::vector<char*> free_;
  IntrusiveList<SlabWaiter, SlabWaiter> waiting_;
};

inline std::span<char> Lease::span() const {
  return data_ == nullptr ? std::span<char>{} : std::span<char>{data_, slab_->buffer_bytes()};
}

}  // namespace trunkline
