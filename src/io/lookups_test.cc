#include "io/lookups.h"

#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

#include "io/epoll_backend.h"

namespace trunkline::io {
namespace {

using Numbers = Lookups<int, std::string>;

// A system that answers nothing until it is let go, but for even numbers where the test says so.
// Shared with the look-ups, which may outlive the test.
class Stuck {
 public:
  Numbers::Ask ask() const {
    return [state = state_](const int& number) {
      ++state->asked;
      if (number % 2 != 0 || !state->even_are_quick) state->go.wait(false);
      return "n" + std::to_string(number);
    };
  }
  void let_go() {
    state_->go = true;
    state_->go.notify_all();
  }
  void answer_even_numbers() { state_->even_are_quick = true; }
  int asked() const { return state_->asked; }
  ~Stuck() { let_go(); }

 private:
  struct State {
    std::atomic<bool> go = false;
    std::atomic<bool> even_are_quick = false;
    std::atomic<int> asked = 0;
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

class LookupsTest : public testing::Test {
 protected:
  static constexpr size_t kMax = 5;

  void ask(int number, Duration patience = 60s) {
    loop->spawn(ask_into(answers, *loop, *lookups, number, loop->now() + patience));
  }
  static Task<> ask_into(std::vector<std::string>& out, Loop& on, Numbers& numbers, int number,
                         Instant deadline) {
    auto found = co_await numbers.get(on, number, deadline);
    out.push_back(found ? *found : found.error() == Numbers::Failure::late ? "late" : "full");
  }
  void run_until_answers(size_t count) {
    while (answers.size() < count) loop->run_once(true);
  }

  using Answers = std::vector<std::string>;
  Stuck system;
  std::unique_ptr<Numbers> lookups = std::make_unique<Numbers>(2, kMax, system.ask());
  std::unique_ptr<Loop> loop = std::make_unique<Loop>(std::make_unique<EpollBackend>());
  Answers answers;
};

TEST_F(LookupsTest, WhoAsksTheSameWaitsForTheSameAnswer) {
  for (int i = 0; i < 100; ++i) ask(1);
  system.let_go();
  run_until_answers(100);
  EXPECT_EQ(answers, Answers(100, "n1"));
  EXPECT_EQ(system.asked(), 1);
}

TEST_F(LookupsTest, ADeadlineEndsTheWaitAndNotTheQuestion) {
  ask(1, 20ms);
  run_until_answers(1);
  EXPECT_EQ(answers, (Answers{"late"}));
  ask(1);
  system.let_go();
  run_until_answers(2);
  EXPECT_EQ(answers.back(), "n1");
  EXPECT_EQ(system.asked(), 1);
}

TEST_F(LookupsTest, OneThatHangsLeavesTheOtherThreadsToOthers) {
  system.answer_even_numbers();
  for (int i = 0; i < 10; ++i) ask(1, 20ms);
  ask(2);
  run_until_answers(11);
  EXPECT_EQ(std::ranges::count(answers, "late"), 10);
  EXPECT_EQ(std::ranges::count(answers, "n2"), 1);
}

TEST_F(LookupsTest, OneQuestionMoreThanFitsIsRefusedUntilThereIsRoom) {
  for (int i = 1; i <= static_cast<int>(kMax); ++i) ask(i, 20ms);
  run_until_answers(kMax);
  ask(9);
  EXPECT_EQ(answers.back(), "full") << "who has given up goes on taking room: the thread is stuck";
  system.let_go();
  while (system.asked() < static_cast<int>(kMax)) std::this_thread::yield();
  do {
    ask(9);
    run_until_answers(answers.size() + 1);
  } while (answers.back() == "full");
  EXPECT_EQ(answers.back(), "n9");
}

TEST_F(LookupsTest, ALoopMayEndWhileItsQuestionIsAsked) {
  ask(1);
  while (system.asked() == 0) std::this_thread::yield();
  loop.reset();
  system.let_go();
  loop = std::make_unique<Loop>(std::make_unique<EpollBackend>());
  ask(1);
  run_until_answers(1);
  EXPECT_EQ(answers, (Answers{"n1"}));
}

TEST_F(LookupsTest, TheEndWaitsForNoQuestion) {
  for (int i = 1; i <= static_cast<int>(kMax); ++i) ask(i);
  while (system.asked() < 2) std::this_thread::yield();
  loop.reset();
  lookups.reset();
  EXPECT_EQ(system.asked(), 2);
}

TEST(LookupsInPlace, AreForWhereThereAreNoThreads) {
  Loop loop(std::make_unique<EpollBackend>());
  Numbers numbers(0, 1, [](const int& number) { return std::to_string(number); });
  std::string answer;
  loop.spawn([](Loop& on, Numbers& from, std::string& out) -> Task<> {
    out = *co_await from.get(on, 7, Instant::max());
  }(loop, numbers, answer));
  while (answer.empty()) loop.run_once(true);
  EXPECT_EQ(answer, "7");
}

}  // namespace
}  // namespace trunkline::io
