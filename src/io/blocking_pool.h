#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace trunkline::io {

// A few threads for work that would hold up an event loop. Shared by all loops; any thread may
// submit. The queue has no bound of its own: whoever submits bounds what can wait at once (each
// login in progress has at most one piece of work here, `upstream::Resolver` counts its names).
// Stop it before the loops that its work posts to are destroyed.
class BlockingPool {
 public:
  explicit BlockingPool(unsigned threads);
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  // Does what was submitted and ends the threads; nothing may be submitted afterwards.
  void stop();
  // Drops what has not begun, and leaves the threads to finish what they do on their own: for work
  // that nobody can interrupt and that refers to nothing which dies before the process. Nothing may
  // be submitted afterwards.
  void abandon();

  void submit(std::move_only_function<void()> work);

 private:
  // The threads' own share of it, so that they may outlive the pool.
  struct State {
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<std::move_only_function<void()>> queue;
    bool stopping = false;
  };
  static void serve(State& state);

  const std::shared_ptr<State> state_ = std::make_shared<State>();
  std::vector<std::thread> threads_;
};

}  // namespace trunkline::io
