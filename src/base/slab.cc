#include "base/slab.h"

#include <cassert>
#include <cstdlib>

namespace trunkline {

Slab::Slab(size_t buffer_bytes, size_t limit_buffers, size_t keep_buffers)
    : buffer_bytes_(buffer_bytes), limit_(limit_buffers), keep_(keep_buffers) {
  free_.reserve(keep_buffers);
}

Slab::~Slab() {
  assert(in_use_ == 0);
  for (char* buffer : free_) std::free(buffer);
}

Lease Slab::borrow() {
  if (in_use_ >= limit_) return {};
  char* buffer;
  if (free_.empty()) {
    buffer = static_cast<char*>(std::malloc(buffer_bytes_));
    if (buffer == nullptr) return {};
  } else {
    buffer = free_.back();  // the warmest in the cache
    free_.pop_back();
  }
  ++in_use_;
  return {this, buffer};
}

void Slab::give_back(char* buffer) {
  --in_use_;
  if (free_.size() < keep_) {
    free_.push_back(buffer);
  } else {
    std::free(buffer);
  }
  if (SlabWaiter* waiter = waiting_.pop_front()) waiter->buffer_is_free();
}

void Slab::set_limit(size_t limit_buffers) {
  limit_ = limit_buffers;
  for (size_t told = in_use_; told < limit_ && has_waiters(); ++told) tell_next();
}

void Lease::reset() {
  if (data_ != nullptr) slab_->give_back(data_);
  slab_ = nullptr;
  data_ = nullptr;
}

}  // namespace trunkline
