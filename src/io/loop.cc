#include "io/loop.h"

#include <cassert>

#include "io/blocking_pool.h"
#include "io/socket.h"

namespace trunkline::io {

Spawned::promise_type::promise_type(Loop& owner, Task<>&) : loop(owner) {
  loop.spawned_.push_back(*this);
  ++loop.spawned_count_;
}

Spawned::promise_type::~promise_type() {
  --loop.spawned_count_;
}

namespace {

// Both arguments are used by the promise as well.
Spawned run_spawned(Loop& loop [[maybe_unused]], Task<> task) {
  co_await task;
}

}  // namespace

Loop::Loop(std::unique_ptr<Backend> backend, BlockingPool* pool)
    : backend_(std::move(backend)), pool_(pool), now_(backend_->now()) {}

Loop::~Loop() {
  destroy_spawned();
  recycle_retired();
  for (Registration* registration : free_registrations_) delete registration;
}

void Loop::destroy_spawned() {
  while (Spawned::promise_type* promise = spawned_.pop_front()) {
    std::coroutine_handle<Spawned::promise_type>::from_promise(*promise).destroy();
  }
}

void Loop::spawn(Task<> task) {
  run_spawned(*this, std::move(task));
}

void Loop::run() {
  while (!stopped()) run_once(true);
}

void Loop::run_once(bool may_wait) {
  Duration timeout = Duration{-1};
  if (!may_wait || has_ready() || has_mail_.load(std::memory_order_acquire) || stopped()) {
    timeout = Duration::zero();
  } else if (!timers_.empty()) {
    timeout = std::max(timers_.next_deadline() - now_, Duration::zero());
  }
  std::span<const Event> events = backend_->wait(timeout);
  now_ = backend_->now();
  for (const Event& event : events) {
    static_cast<Registration*>(event.owner)->on_event(event.ready);
  }
  recycle_retired();
  timers_.fire_due(now_);
  if (has_mail_.load(std::memory_order_acquire)) run_mail();
  run_ready();
}

void Loop::stop() {
  stopped_.store(true, std::memory_order_relaxed);
  backend_->wake();
}

void Loop::run_ready() {
  // Only those that are ready now: one that yields must let the sockets be looked at before its
  // next turn.
  IntrusiveList<Waiter> turn;
  turn.take_all(ready_);
  while (Waiter* waiter = turn.pop_front()) waiter->resume();
  run_behind();
}

// In turn, one after the other, at least one in a round, and no longer than others can wait: those
// who have waited for many others do not notice a part of that. Some turns each where there is
// time: a look at the sockets costs a system call.
void Loop::run_behind() {
  if (behind_.empty() && behind_turn_.empty()) return;
  Instant begin = backend_->now();
  Instant end = begin + std::max(kBehindMax, (begin - now_) / kBehindShare);
  for (int turns = 0; turns < kBehindTurns; ++turns) {
    if (behind_turn_.empty()) behind_turn_.take_all(behind_);
    while (Waiter* waiter = behind_turn_.pop_front()) {
      waiter->resume();
      if (backend_->now() >= end) return;
    }
  }
}

void Loop::post(std::move_only_function<void()> action) {
  {
    std::lock_guard lock(mail_mutex_);
    mail_.push_back(std::move(action));
    if (has_mail_.exchange(true, std::memory_order_release)) return;
  }
  backend_->wake();
}

void Loop::run_mail() {
  std::vector<std::move_only_function<void()>> mail;
  {
    std::lock_guard lock(mail_mutex_);
    mail.swap(mail_);
    has_mail_.store(false, std::memory_order_release);
  }
  for (std::move_only_function<void()>& action : mail) action();
}

void Loop::submit_blocking(std::move_only_function<void()> work) {
  if (pool_ != nullptr) {
    pool_->submit(std::move(work));
  } else {
    work();
  }
}

Task<> Loop::sleep_until(Instant deadline) {
  constexpr uint32_t kElapsed = 1;
  Waiter waiter(*this);
  Timer timer(waiter, kElapsed);
  timer.start(deadline);
  co_await waiter.wait(kElapsed);
}

Registration* Loop::take_registration() {
  if (free_registrations_.empty()) return new Registration;
  Registration* registration = free_registrations_.back();
  free_registrations_.pop_back();
  *registration = Registration{};
  return registration;
}

void Loop::retire(Registration* registration) {
  registration->fd = -1;
  registration->waiter = nullptr;
  retired_.push_back(registration);
}

void Loop::recycle_retired() {
  constexpr size_t kKeptFree = 256;
  for (Registration* registration : retired_) {
    if (free_registrations_.size() < kKeptFree) {
      free_registrations_.push_back(registration);
    } else {
      delete registration;
    }
  }
  retired_.clear();
}

void Waiter::raise(uint32_t bits) {
  ready_ |= bits;
  if (waiting_ && (ready_ & mask_) != 0) schedule(place_);
}

void Waiter::schedule(Place place) {
  if (linked()) return;
  (place == Place::ahead ? loop_.ready_ : loop_.behind_).push_back(*this);
}

void Waiter::resume() {
  // Whoever waits re-checks what it waited for: a bit may have been cleared since.
  std::exchange(waiting_, nullptr).resume();
}

}  // namespace trunkline::io
