#include "pool/line.h"

#include <gtest/gtest.h>
#include <map>

#include "base/random.h"
#include "pool/pool_for_tests.h"

namespace trunkline::pool {
namespace {

class LineTest : public testing::Test {
 protected:
  Line::EntryPtr join(FakeDesk& desk, Instant since) {
    auto entry = std::make_shared<Line::Entry>();
    entry->desk = &desk;
    entry->since = since;
    line.join(entry);
    return entry;
  }

  FakeDesk a{0};
  FakeDesk b{1};
  Line line{2};
  const Instant start{1000s};
};

TEST_F(LineTest, ServesInTheOrderOfArrival) {
  EXPECT_TRUE(line.empty());
  EXPECT_EQ(line.pop(0, start), nullptr);
  Line::EntryPtr one = join(a, start);
  Line::EntryPtr two = join(a, start + 1ms);
  EXPECT_EQ(&line.first(), one.get());
  EXPECT_EQ(line.pop(1, start + 2ms), one) << "the first of all, where the worker has none";
  EXPECT_EQ(line.pop(0, start + 2ms), two);
  EXPECT_TRUE(line.empty());
}

TEST_F(LineTest, PrefersTheOwnFirstWhoHasWaitedThreeQuartersOfTheFirstsTime) {
  Line::EntryPtr first = join(a, start);
  Line::EntryPtr own = join(b, start + 25ms);
  EXPECT_EQ(line.pop(1, start + 99ms), first) << "74 of 99 ms";
  line.join(first);  // behind `own`, with the time it had
  EXPECT_EQ(line.pop(1, start + 100ms), own);
}

TEST_F(LineTest, WhoIsRemovedIsInNeitherList) {
  Line::EntryPtr first = join(a, start);
  Line::EntryPtr second = join(a, start);
  EXPECT_EQ(line.remove(*first), first);
  EXPECT_EQ(line.remove(*first), nullptr);
  EXPECT_EQ(line.pop(0, start), second);
  EXPECT_EQ(line.pop(0, start), nullptr);
}

TEST_F(LineTest, AClockBehindTheFirstsIsNoLongWait) {
  Line::EntryPtr first = join(a, start + 5ms);  // its worker's clock is ahead
  Line::EntryPtr own = join(b, start);
  EXPECT_EQ(line.pop(1, start), own);
}

// However unevenly connections and clients lie: those of a worker without connections wait no more
// than a third longer, and what that moves is little where they lie evenly.
TEST_F(LineTest, NobodyWaitsMuchLongerThanOthers) {
  struct World {
    uint32_t clients_a, clients_b, connections_a, connections_b;
    double moved_max;  // part of the hand-overs
  };
  for (const World& world : {World{500, 500, 5, 5, 0.02}, World{500, 500, 10, 0, 0.1},
                             World{800, 200, 5, 5, 0.1}, World{50, 950, 9, 1, 0.1}}) {
    SCOPED_TRACE(world.clients_a);
    FastRandom random(7);
    Line waiting{2};
    FakeDesk desks[] = {FakeDesk(0), FakeDesk(1)};
    Instant now = start;
    auto wait = [&](Desk& desk) {
      auto entry = std::make_shared<Line::Entry>();
      entry->desk = &desk;
      entry->since = now;
      waiting.join(entry);
    };
    for (uint32_t i = 0; i < world.clients_a + world.clients_b; ++i) {
      wait(desks[i < world.clients_a ? 0 : 1]);
    }
    uint32_t held[] = {world.connections_a, world.connections_b};
    int moved = 0;
    Duration longest{};
    Duration sum{};
    constexpr int kRounds = 40'000;
    for (int i = 0; i < kRounds; ++i) {
      now += 10us;
      // Which of the connections comes free next.
      uint32_t from = random.next() % (held[0] + held[1]) < held[0] ? 0 : 1;
      Line::EntryPtr next = waiting.pop(from, now);
      uint32_t to = next->desk->worker();
      if (to != from) ++moved, --held[from], ++held[to];
      if (i > kRounds / 2) {
        longest = std::max(longest, now - next->since);
        sum += now - next->since;
      }
      wait(*next->desk);
    }
    EXPECT_LT(moved, kRounds * world.moved_max);
    EXPECT_LT(longest, sum / (kRounds / 2) * 2) << "of the mean";
  }
}

}  // namespace
}  // namespace trunkline::pool
