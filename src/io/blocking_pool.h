#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace trunkline::io {

// A few threads for work that would hold up an event loop. Shared by all loops; any thread may
// submit. The queue is bounded by what can wait at once: each login in progress has at most one
// piece of work here. Stop it before the loops that its work posts to are
// destroyed.
class BlockingPool {
 public:
  explicit BlockingPool(unsigned threads);
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  // Does what was submitted and ends the threads; nothing may be submitted afterwards.
  void stop();

  void submit(std::move_only_function<void()> work);

 private:
  void serve();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::move_only_function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace trunkline::io
