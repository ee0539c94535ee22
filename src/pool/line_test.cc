#include "pool/line.h"

#include <algorithm>
#include <gtest/gtest.h>

#include "base/random.h"
#include "pool/pool_for_tests.h"

namespace trunkline::pool {
namespace {

constexpr Duration kPatience = 10s;

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
  EXPECT_EQ(line.pop(0, start, kPatience), nullptr);
  Line::EntryPtr one = join(a, start);
  Line::EntryPtr two = join(a, start + 1ms);
  EXPECT_EQ(&line.first(), one.get());
  EXPECT_EQ(line.pop(1, start + 2ms, kPatience), one)
      << "the first of all, where the worker has none";
  EXPECT_EQ(line.pop(0, start + 2ms, kPatience), two);
  EXPECT_TRUE(line.empty());
}

TEST_F(LineTest, AConnectionStaysUnlessAnotherWorkerIsWorseOff) {
  line.note_connections(0, 1);
  line.note_connections(1, 2);
  Line::EntryPtr first = join(a, start);
  Line::EntryPtr own = join(b, start + 25ms);
  EXPECT_EQ(line.pop(1, start + 100ms, kPatience), own) << "75 of 100 ms";
  own = join(b, start + 26ms);
  EXPECT_EQ(line.pop(1, start + 100ms, kPatience), first)
      << "74 of 100 ms, and one would be left against one";
  line.note_connections(1, -1);
  first = join(a, start);
  EXPECT_EQ(line.pop(1, start + 100ms, kPatience), own) << "none against one";
  own = join(b, start + 51ms);
  EXPECT_EQ(line.pop(1, start + 100ms, kPatience), first) << "more than twice as long";
}

TEST_F(LineTest, AWorkerWithoutConnectionsAndWhoHasLostPatienceComeFirst) {
  line.note_connections(1, 5);
  join(a, start);
  join(b, start);
  EXPECT_EQ(line.pop(1, start + 1ms, kPatience)->desk, &a) << "it has none";
  line.note_connections(0, 5);
  join(a, start - 1ms);
  EXPECT_EQ(line.pop(1, start + 5s, kPatience)->desk, &b);
  join(b, start);
  EXPECT_EQ(line.pop(1, start + 10s, kPatience)->desk, &a) << "in the order of arrival";
}

TEST_F(LineTest, AWorkerWithMoreClientsMayHaveMoreConnections) {
  for (uint32_t worker : {0U, 1U}) line.note_connections(worker, 3);
  for (int i = 0; i < 3; ++i) join(a, start + i * 1ms);
  for (int i = 0; i < 3; ++i) join(b, start + 30ms);
  EXPECT_EQ(line.pop(1, start + 100ms, kPatience)->desk, &b) << "three for three here and there";
  for (int i = 0; i < 2; ++i) join(a, start + 90ms);
  EXPECT_EQ(line.pop(1, start + 100ms, kPatience)->desk, &a)
      << "three for five there, two for two left here";
}

TEST_F(LineTest, WhoIsRemovedIsInNeitherList) {
  Line::EntryPtr first = join(a, start);
  Line::EntryPtr second = join(a, start);
  EXPECT_EQ(line.remove(*first), first);
  EXPECT_EQ(line.remove(*first), nullptr);
  EXPECT_EQ(line.pop(0, start, kPatience), second);
  EXPECT_EQ(line.pop(0, start, kPatience), nullptr);
}

TEST_F(LineTest, AClockBehindTheFirstsIsNoLongWait) {
  line.note_connections(0, 1);
  Line::EntryPtr first = join(a, start + 5ms);  // its worker's clock is ahead
  Line::EntryPtr own = join(b, start);
  EXPECT_EQ(line.pop(1, start, kPatience), own);
}

// However unevenly connections and clients lie at first: connections come to where the clients are
// and stay there, and nobody waits much longer than others.
TEST_F(LineTest, ConnectionsComeToWhereTheClientsAre) {
  struct World {
    uint32_t clients[2];
    uint32_t connections[2];
    uint32_t settled[2];  // at least
  };
  for (const World& world : {World{{500, 500}, {5, 5}, {5, 5}}, World{{500, 500}, {10, 0}, {4, 4}},
                             World{{800, 200}, {5, 5}, {7, 1}}, World{{50, 950}, {9, 1}, {0, 8}}}) {
    SCOPED_TRACE(world.clients[0]);
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
    uint32_t held[2];
    for (FakeDesk& desk : desks) {
      for (uint32_t i = 0; i < world.clients[desk.worker()]; ++i) wait(desk);
      held[desk.worker()] = world.connections[desk.worker()];
      waiting.note_connections(desk.worker(), static_cast<int>(held[desk.worker()]));
    }
    int moved = 0;
    std::vector<Duration> waits;
    constexpr int kRounds = 40'000;
    for (int i = 0; i < kRounds; ++i) {
      now += 10us;
      // Which of the connections comes free next.
      uint32_t from = random.next() % (held[0] + held[1]) < held[0] ? 0 : 1;
      Line::EntryPtr next = waiting.pop(from, now, kPatience);
      uint32_t to = next->desk->worker();
      if (i > kRounds / 2) waits.push_back(now - next->since);
      wait(*next->desk);
      if (to == from) continue;
      --held[from];
      ++held[to];
      waiting.note_connections(from, -1);
      waiting.note_connections(to, 1);
      moved += i > kRounds / 2;
    }
    EXPECT_GE(held[0], world.settled[0]);
    EXPECT_GE(held[1], world.settled[1]);
    EXPECT_LT(moved, kRounds / 200);
    std::ranges::sort(waits);
    EXPECT_LT(waits.back(), waits[waits.size() / 2] * 5 / 2) << "of the median";
  }
}

}  // namespace
}  // namespace trunkline::pool
