#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <string>
#include <string_view>

#include "observe/log.h"
#include "sim/world.h"

namespace trunkline::sim {
namespace {

uint64_t first_seed = 1;
uint64_t seeds = 200;

Journal run_seed(uint64_t seed) {
  Scenario scenario(seed);
  return World(scenario).run();
}

TEST(Simulation, EverySeedHolds) {
  size_t failed = 0;
  uint64_t sessions = 0;
  uint64_t cancelled = 0;
  for (uint64_t seed = first_seed; seed < first_seed + seeds && failed < 5; ++seed) {
    Journal journal = run_seed(seed);
    sessions += journal.sessions;
    cancelled += journal.may_be_cancelled.size();
    if (journal.problems.empty()) continue;
    ++failed;
    std::string text = Scenario(seed).describe();
    for (const std::string& problem : journal.problems) text += "\n  " + problem;
    ADD_FAILURE() << text << "\nreplay: sim_test --seed " << seed;
  }
  if (seeds < 100) return;
  // The worlds are not so rough that nothing happens in them.
  EXPECT_GT(sessions, seeds);
  EXPECT_GT(cancelled, seeds / 10);
}

TEST(Simulation, OneSeedIsOneRun) {
  for (uint64_t seed = first_seed; seed < first_seed + std::min<uint64_t>(seeds, 20); ++seed) {
    EXPECT_EQ(run_seed(seed).history, run_seed(seed).history) << "seed " << seed;
  }
}

uint64_t number(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    std::fprintf(stderr, "sim_test [--seed N | --first N --seeds N]\n");
    std::exit(2);
  }
  return value;
}

}  // namespace
}  // namespace trunkline::sim

// --seed N replays one seed, with the proxy's log; --first N and --seeds N choose a range.
int main(int argc, char** argv) {
  using namespace trunkline;
  testing::InitGoogleTest(&argc, argv);
  observe::Level level = observe::Level::error;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string_view option = argv[i];
    uint64_t value = sim::number(argv[i + 1]);
    if (option == "--seeds") sim::seeds = value;
    if (option == "--first" || option == "--seed") sim::first_seed = value;
    if (option == "--seed") {
      sim::seeds = 1;
      level = observe::Level::debug;
    }
  }
  observe::set_log_level(level);
  return RUN_ALL_TESTS();
}
