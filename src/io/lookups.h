#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/time.h"
#include "io/blocking_pool.h"
#include "io/loop.h"
#include "io/task.h"
#include "io/timer.h"
#include "io/waiter.h"

namespace trunkline::io {

// Questions to the system that block, may hang for long and cannot be cancelled: names of servers
// and of users. They have threads of their own, so that nothing else waits behind them. Whoever
// asks what is being asked already waits for the same answer, so that one question that hangs takes
// one thread however many ask it. Keeps no answer. Any thread; must outlive the tasks that ask, and
// waits for no question at its end.
template <typename Question, typename Answer>
class Lookups {
 public:
  using Ask = std::function<Answer(const Question&)>;

  // `max`: questions that are being asked or wait for a thread, at the same time. Without threads
  // they are asked in place: for tests and simulations. `ask` may be called, and run, for some time
  // after the end of this.
  Lookups(unsigned threads, size_t max, Ask ask)
      : state_(std::make_shared<State>(max, std::move(ask))),
        threads_(threads > 0 ? std::make_unique<BlockingPool>(threads) : nullptr) {}
  ~Lookups() {
    if (threads_) threads_->abandon();
  }
  Lookups(const Lookups&) = delete;
  Lookups& operator=(const Lookups&) = delete;

  enum class Failure : uint8_t {
    late,  // the deadline came first; the question goes on without this task
    full,  // too many are being asked
  };

  // At the deadline the task stops waiting.
  Task<std::expected<Answer, Failure>> get(Loop& loop, Question question, Instant deadline);

 private:
  static constexpr uint32_t kAnswered = 1;
  static constexpr uint32_t kLate = 2;

  // A task that waits. The mail to its loop keeps the record alive; all but `loop` belongs to the
  // loop's thread.
  struct Asker {
    Loop& loop;
    Waiter* task;  // null once it has stopped waiting
    std::shared_ptr<const Answer> answer = nullptr;
  };
  using AskerPtr = std::shared_ptr<Asker>;

  enum class Joined : uint8_t { waits, must_start, full };

  // What the threads share with it.
  class State {
   public:
    State(size_t max, Ask ask) : max_(max), ask_(std::move(ask)) {}

    // The first to ask a question starts it.
    Joined join(const Question& question, const AskerPtr& asker) {
      std::lock_guard lock(mutex_);
      auto found = under_way_.find(question);
      bool is_first = found == under_way_.end();
      if (is_first && under_way_.size() >= max_) return Joined::full;
      if (is_first) found = under_way_.try_emplace(question).first;
      found->second.insert(asker);
      return is_first ? Joined::must_start : Joined::waits;
    }

    void leave(const Question& question, const AskerPtr& asker) {
      std::lock_guard lock(mutex_);
      if (auto found = under_way_.find(question); found != under_way_.end()) {
        found->second.erase(asker);
      }
    }

    // Blocks, on a thread of its own; tells all who wait.
    void run(const Question& question) {
      auto answer = std::make_shared<const Answer>(ask_(question));
      // Posted under the lock: who is in the list has not left, so its loop is there.
      std::lock_guard lock(mutex_);
      auto ended = under_way_.extract(question);
      for (const AskerPtr& asker : ended.mapped()) {
        asker->loop.post([asker, answer] {
          if (asker->task == nullptr) return;
          asker->answer = answer;
          asker->task->raise(kAnswered);
        });
      }
    }

   private:
    const size_t max_;
    const Ask ask_;
    std::mutex mutex_;
    std::unordered_map<Question, std::unordered_set<AskerPtr>> under_way_;
  };

  // Takes the task out of the line when it ends, however it ends: so nothing is posted to a loop
  // that is gone, and who has given up leaves nothing behind.
  class Waiting {
   public:
    Waiting(State& state, const Question& question, Waiter& task)
        : state_(state),
          question_(question),
          asker_(new Asker{.loop = task.loop(), .task = &task}) {}
    ~Waiting() {
      asker_->task = nullptr;
      state_.leave(question_, asker_);
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

    const AskerPtr& asker() const { return asker_; }

   private:
    State& state_;
    const Question& question_;
    const AskerPtr asker_;
  };

  const std::shared_ptr<State> state_;
  const std::unique_ptr<BlockingPool> threads_;
};

template <typename Question, typename Answer>
Task<std::expected<Answer, typename Lookups<Question, Answer>::Failure>>
Lookups<Question, Answer>::get(Loop& loop, Question question, Instant deadline) {
  Waiter task(loop);
  Waiting waiting(*state_, question, task);
  Joined joined = state_->join(question, waiting.asker());
  if (joined == Joined::full) co_return std::unexpected(Failure::full);
  if (joined == Joined::must_start) {
    auto work = [state = state_, question] { state->run(question); };
    if (threads_) {
      threads_->submit(std::move(work));
    } else {
      work();
    }
  }
  Timer timer(task, kLate);
  timer.start(deadline);
  co_await task.wait(kAnswered | kLate);
  const std::shared_ptr<const Answer>& answer = waiting.asker()->answer;
  if (!answer) co_return std::unexpected(Failure::late);
  co_return *answer;
}

}  // namespace trunkline::io
