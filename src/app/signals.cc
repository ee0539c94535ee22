#include "app/signals.h"

#include <utility>

namespace trunkline::app {

namespace {

sigset_t mask_of(const std::set<int>& signals) {
  sigset_t mask;
  sigemptyset(&mask);
  for (int signal : signals) sigaddset(&mask, signal);
  return mask;
}

}  // namespace

void block_signals(const std::set<int>& signals) {
  sigset_t mask = mask_of(signals);
  pthread_sigmask(SIG_BLOCK, &mask, nullptr);
}

SignalThread::SignalThread(const std::set<int>& signals, io::Loop& loop,
                           std::function<void(int)> on_signal)
    : signals_(mask_of(signals)),
      wake_signal_(*signals.begin()),
      loop_(loop),
      on_signal_(std::make_shared<const std::function<void(int)>>(std::move(on_signal))),
      thread_([this] { serve(); }) {}

SignalThread::~SignalThread() {
  stopping_ = true;
  pthread_kill(thread_.native_handle(), wake_signal_);
  thread_.join();
}

void SignalThread::serve() {
  for (;;) {
    int signal = sigwaitinfo(&signals_, nullptr);
    if (stopping_) return;
    if (signal < 0) continue;  // interrupted by a debugger
    loop_.post([on_signal = on_signal_, signal] { (*on_signal)(signal); });
  }
}

}  // namespace trunkline::app
