#include "io/running.h"

#include <atomic>
#include <gtest/gtest.h>
#include <memory>
#include <optional>

#include "io/blocking_pool.h"
#include "io/epoll_backend.h"
#include "io/loop.h"

namespace trunkline::io {
namespace {

constexpr uint32_t kDone = 1;
constexpr uint32_t kGone = 2;

// Counts those that are alive.
struct Token {
  explicit Token(int& to) : alive(to) { ++alive; }
  Token(Token&& other) noexcept : alive(other.alive) { ++alive; }
  ~Token() { --alive; }
  int& alive;
};

Task<int> at_once(Token) {
  co_return 7;
}
Task<int> later(Loop& loop, Duration after, Token) {
  co_await loop.sleep_until(loop.now() + after);
  co_return 8;
}
Task<int> deeper(Loop& loop, Token token) {
  co_return 1 + co_await later(loop, 60s, std::move(token));
}

class RunningTest : public testing::Test {
 protected:
  // What the task gives; nullopt when it was given up for `gone`.
  static Task<> race(std::optional<int>& out, Waiter& waiter, Task<int> task, bool& ended) {
    Running<int> running(std::move(task), waiter, kDone);
    uint32_t woken = co_await waiter.wait(kDone | kGone);
    if ((woken & kDone) != 0) out = running.take();
    ended = true;
  }
  void run_to_end() {
    while (!ended) loop.run_once(true);
  }

  BlockingPool blocking{1};
  Loop loop{std::make_unique<EpollBackend>(), &blocking};
  Waiter waiter{loop};
  std::optional<int> out;
  bool ended = false;
  int alive = 0;
};

TEST_F(RunningTest, ATaskThatEndsAtOnceHasItsResultThere) {
  loop.spawn(race(out, waiter, at_once(Token(alive)), ended));
  EXPECT_TRUE(ended);
  EXPECT_EQ(out, 7);
  EXPECT_EQ(alive, 0);
}

TEST_F(RunningTest, ATaskThatEndsLaterWakesItsOwner) {
  loop.spawn(race(out, waiter, later(loop, 1ms, Token(alive)), ended));
  EXPECT_FALSE(ended);
  run_to_end();
  EXPECT_EQ(out, 8);
  EXPECT_EQ(alive, 0);
}

TEST_F(RunningTest, ATaskThatIsNotWantedAnyMoreIsDestroyedWhereItStands) {
  loop.spawn(race(out, waiter, deeper(loop, Token(alive)), ended));
  EXPECT_GT(alive, 0);
  waiter.raise(kGone);
  run_to_end();
  EXPECT_FALSE(out);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(loop.timers().size(), 0u);
}

TEST_F(RunningTest, ATaskMayBeGivenUpWhileABlockingThreadWorksForIt) {
  std::atomic<bool> go = false;
  std::atomic<bool> worked = false;
  auto work = [&go, &worked] {
    go.wait(false);
    worked = true;
    return 9;
  };
  loop.spawn(race(out, waiter, loop.offload(work), ended));
  waiter.raise(kGone);
  run_to_end();
  go = true;
  go.notify_all();
  while (!worked) loop.run_once(false);
  blocking.stop();
  loop.run_once(false);  // reads the mail that finds nobody
  EXPECT_FALSE(out);
}

}  // namespace
}  // namespace trunkline::io
