#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/intrusive_list.h"
#include "base/time.h"
#include "io/backend.h"
#include "io/task.h"
#include "io/timer.h"
#include "io/waiter.h"

namespace trunkline::io {

class BlockingPool;
struct Registration;

// A coroutine that nobody awaits: starts at once and frees itself at its end. Only `Loop::spawn`
// makes one.
struct Spawned {
  struct promise_type : ListNode<Spawned> {
    promise_type(Loop& owner, Task<>& task);
    ~promise_type();
    Spawned get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::abort(); }

    Loop& loop;
  };
};

// One thread's event loop: sockets, timers, coroutines and mail from other threads. Everything is
// for the loop's own thread but `post`, `stop` and `offload`'s work.
class Loop {
 public:
  // Without a pool `offload` runs the work in place: for tests and simulations.
  explicit Loop(std::unique_ptr<Backend> backend, BlockingPool* pool = nullptr);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Serves until `stop`.
  void run();
  // One round: events (waiting for them if `may_wait` and nobody is ready), due timers, mail, the
  // coroutines that are ready, and some of those that have stepped aside.
  void run_once(bool may_wait);
  void stop();  // any thread
  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }

  // The time, read once per batch of events.
  Instant now() const { return now_; }

  // Runs a coroutine that nobody awaits. Those still alive when the loop dies are destroyed with
  // it.
  void spawn(Task<> task);
  size_t spawned() const { return spawned_count_; }
  // Destroys the coroutines that nobody awaits where they stand: for owners of what those still
  // refer to.
  void destroy_spawned();

  // Runs `action` on the loop's thread, soon. Any thread. The queue has no bound of its own:
  // callers post at most a few things for each object they own.
  void post(std::move_only_function<void()> action);

  // Runs `work` on a blocking thread and gives its result to the coroutine that awaits. What takes
  // longer than a few microseconds belongs there: PBKDF2, files. Names: `upstream::Resolver`.
  template <typename Work>
  Task<std::invoke_result_t<Work&>> offload(Work work);

  Task<> sleep_until(Instant deadline);

  Backend& backend() { return *backend_; }
  TimerHeap& timers() { return timers_; }

 private:
  friend class Waiter;
  friend class Socket;
  friend class Acceptor;
  friend struct Spawned::promise_type;

  // How long those behind may keep the others waiting in one round: so long, or this part of what
  // the others took themselves.
  static constexpr Duration kBehindMax = 50us;
  static constexpr int kBehindShare = 4;
  static constexpr int kBehindTurns = 4;

  bool has_ready() const { return !ready_.empty() || !behind_.empty() || !behind_turn_.empty(); }
  void run_ready();
  void run_behind();
  void run_mail();
  void submit_blocking(std::move_only_function<void()> work);
  Registration* take_registration();
  void retire(Registration* registration);
  void recycle_retired();

  std::unique_ptr<Backend> backend_;
  BlockingPool* pool_;
  Instant now_;
  IntrusiveList<Waiter> ready_;
  // Who is behind: since the last turn of these began, and what is left of that turn.
  IntrusiveList<Waiter> behind_;
  IntrusiveList<Waiter> behind_turn_;
  TimerHeap timers_;

  // Of closed sockets: the batch of events at hand may still point to them until it is done.
  std::vector<Registration*> retired_;
  std::vector<Registration*> free_registrations_;

  IntrusiveList<Spawned::promise_type, Spawned> spawned_;
  size_t spawned_count_ = 0;

  std::mutex mail_mutex_;
  std::vector<std::move_only_function<void()>> mail_;
  std::atomic<bool> has_mail_ = false;
  std::atomic<bool> stopped_ = false;
};

// The work has a record of its own: the coroutine may be destroyed before it is done.
template <typename Work>
Task<std::invoke_result_t<Work&>> Loop::offload(Work work) {
  using Value = std::invoke_result_t<Work&>;
  constexpr uint32_t kDone = 1;
  struct Job {
    Work work;
    Waiter* waiter;  // null once nobody waits; the loop's thread only
    std::optional<Value> value = {};
  };
  struct Waiting {
    explicit Waiting(std::shared_ptr<Job> of) : job(std::move(of)) {}
    ~Waiting() { job->waiter = nullptr; }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    std::shared_ptr<Job> job;
  };
  Waiter waiter(*this);
  Waiting waiting(std::make_shared<Job>(std::move(work), &waiter));
  submit_blocking([this, job = waiting.job]() mutable {
    job->value.emplace(job->work());
    post([job = std::move(job)] {
      if (job->waiter != nullptr) job->waiter->raise(kDone);
    });
  });
  co_await waiter.wait(kDone);
  co_return std::move(*waiting.job->value);
}

}  // namespace trunkline::io
