#include "app/signals.h"

#include <gtest/gtest.h>
#include <optional>
#include <sys/types.h>
#include <unistd.h>
#include <vector>

#include "io/epoll_backend.h"

namespace trunkline::app {
namespace {

struct SignalTest : testing::Test {
  SignalTest() { block_signals(signals); }

  void run_until(size_t count) {
    for (int i = 0; i < 1000 && seen.size() < count; ++i) loop.run_once(true);
  }

  const std::set<int> signals{SIGHUP, SIGTERM};
  std::vector<int> seen;
  io::Loop loop{std::make_unique<io::EpollBackend>()};
};

TEST_F(SignalTest, EachSignalReachesTheLoopsThread) {
  std::thread::id ran_on;
  SignalThread thread(signals, loop, [&](int signal) {
    ran_on = std::this_thread::get_id();
    seen.push_back(signal);
  });
  kill(getpid(), SIGHUP);
  run_until(1);
  kill(getpid(), SIGTERM);
  run_until(2);
  EXPECT_EQ(seen, (std::vector<int>{SIGHUP, SIGTERM}));
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST_F(SignalTest, ASignalFromBeforeTheThreadIsNotLost) {
  kill(getpid(), SIGHUP);
  SignalThread thread(signals, loop, [&](int signal) { seen.push_back(signal); });
  run_until(1);
  EXPECT_EQ(seen, std::vector<int>{SIGHUP});
}

TEST_F(SignalTest, ItsEndSendsNothingToTheLoopAndLeavesNoSignalBehind) {
  for (int i = 0; i < 50; ++i) {
    SignalThread thread(signals, loop, [&](int signal) { seen.push_back(signal); });
  }
  loop.run_once(false);
  EXPECT_TRUE(seen.empty());
  sigset_t pending;
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGHUP), 0);
}

TEST_F(SignalTest, MailThatIsOnItsWayAtTheEndStillRuns) {
  std::optional<SignalThread> thread(std::in_place, signals, loop,
                                     [this](int signal) { seen.push_back(signal); });
  kill(getpid(), SIGTERM);
  sigset_t pending;
  do sigpending(&pending);
  while (sigismember(&pending, SIGTERM) == 1);
  // Taken by the thread; it may be anywhere between that and the loop's mail.
  usleep(10'000);
  thread.reset();
  run_until(1);
  EXPECT_EQ(seen, std::vector<int>{SIGTERM});
}

}  // namespace
}  // namespace trunkline::app
