#include "io/timer.h"

#include <cassert>

#include "io/loop.h"
#include "io/waiter.h"

namespace trunkline::io {

void Timer::start(Instant deadline) {
  stop();
  deadline_ = deadline;
  waiter_.loop().timers().insert(*this);
}

void Timer::stop() {
  if (running()) waiter_.loop().timers().remove(*this);
}

void TimerHeap::fire_due(Instant now) {
  while (!heap_.empty() && heap_.front()->deadline_ <= now) {
    Timer& timer = *heap_.front();
    remove(timer);
    timer.waiter_.raise(timer.bits_);
  }
}

void TimerHeap::put(size_t slot, Timer* timer) {
  heap_[slot] = timer;
  timer->slot_ = slot;
}

void TimerHeap::insert(Timer& timer) {
  heap_.push_back(&timer);
  timer.slot_ = heap_.size() - 1;
  sift_up(timer.slot_);
}

void TimerHeap::remove(Timer& timer) {
  size_t slot = timer.slot_;
  assert(heap_[slot] == &timer);
  timer.slot_ = Timer::kIdle;
  Timer* last = heap_.back();
  heap_.pop_back();
  if (last == &timer) return;
  put(slot, last);
  sift_up(slot);
  sift_down(last->slot_);
}

void TimerHeap::sift_up(size_t slot) {
  Timer* timer = heap_[slot];
  while (slot > 0) {
    size_t parent = (slot - 1) / 2;
    if (heap_[parent]->deadline_ <= timer->deadline_) break;
    put(slot, heap_[parent]);
    slot = parent;
  }
  put(slot, timer);
}

void TimerHeap::sift_down(size_t slot) {
  Timer* timer = heap_[slot];
  for (;;) {
    size_t child = 2 * slot + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->deadline_ < heap_[child]->deadline_) ++child;
    if (timer->deadline_ <= heap_[child]->deadline_) break;
    put(slot, heap_[child]);
    slot = child;
  }
  put(slot, timer);
}

}  // namespace trunkline::io
