#pragma once

#include <atomic>
#include <csignal>
#include <functional>
#include <memory>
#include <set>
#include <thread>

#include "io/loop.h"

namespace trunkline::app {

// Blocks the signals in the calling thread and in those it makes: called by main before any other
// thread, so that they wait for the `SignalThread`.
void block_signals(const std::set<int>& signals);

// Signals as mail of a loop. A thread of its own waits for them, because a loop's descriptors are
// sockets and a signalfd is not one. The loop must outlive it; what was posted before its end may
// still run.
class SignalThread {
 public:
  // Precondition: the signals, at least one, are blocked in every thread. `on_signal` runs on the
  // loop's thread.
  SignalThread(const std::set<int>& signals, io::Loop& loop, std::function<void(int)> on_signal);
  ~SignalThread();
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

 private:
  void serve();

  const sigset_t signals_;
  const int wake_signal_;  // one of them: its thread is sent it at the end
  io::Loop& loop_;
  const std::shared_ptr<const std::function<void(int)>> on_signal_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace trunkline::app
