#include "pool/ledger.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace trunkline::pool {
namespace {

using Answer = Ledger::Answer;

struct FakePool : Tenant {
  uint32_t idle() const override { return idle_connections; }
  void on_room() override { ++told; }
  void evict() override { ++asked_to_evict; }

  uint32_t idle_connections = 0;
  int told = 0;
  int asked_to_evict = 0;
  Ledger::AccountPtr account;
};

CapName upstream(std::string name) {
  return {CapName::Kind::upstream, std::move(name)};
}
CapName user(std::string name) {
  return {CapName::Kind::user, std::move(name)};
}

class LedgerTest : public testing::Test {
 protected:
  std::shared_ptr<FakePool> join(Limits limits, const std::vector<CapName>& caps = {}) {
    auto pool = std::make_shared<FakePool>();
    pool->account = ledger.join(pool, limits, caps);
    return pool;
  }
  Answer open(FakePool& pool, bool reserve = false) { return ledger.open(*pool.account, reserve); }
  void open_many(FakePool& pool, int count) {
    for (int i = 0; i < count; ++i) ASSERT_EQ(open(pool), Answer::granted) << i;
  }
  void close(FakePool& pool) { ledger.close(*pool.account); }

  Ledger ledger;
};

TEST_F(LedgerTest, GrantsAsManyAsThePoolMayHave) {
  auto pool = join({.size = 2});
  open_many(*pool, 2);
  EXPECT_EQ(open(*pool), Answer::size_reached);
  EXPECT_EQ(open(*pool, true), Answer::size_reached) << "there is no reserve";
  close(*pool);
  EXPECT_EQ(open(*pool), Answer::granted);
  EXPECT_EQ(ledger.used(*pool->account), 2U);
}

TEST_F(LedgerTest, IsFullOnlyWhileAskingWouldChangeNothing) {
  ledger.set_cap(upstream("main"), 2);
  auto pool = join({.size = 2}, {upstream("main")});
  auto other = join({.size = 2}, {upstream("main")});
  EXPECT_FALSE(ledger.is_full(*pool->account));
  open_many(*pool, 2);
  EXPECT_TRUE(ledger.is_full(*pool->account));
  ledger.set_limits(*pool->account, {.size = 3});
  EXPECT_EQ(open(*pool), Answer::cap_reached);
  ledger.set_limits(*pool->account, {.size = 1});
  EXPECT_FALSE(ledger.is_full(*pool->account)) << "it waits for room, which is to be withdrawn";
  ledger.withdraw(*pool->account);
  EXPECT_TRUE(ledger.is_full(*pool->account));
  close(*pool);
  EXPECT_TRUE(ledger.is_full(*pool->account));
  close(*pool);
  EXPECT_FALSE(ledger.is_full(*pool->account));
}

TEST_F(LedgerTest, TheReserveIsForWhoAsksForIt) {
  auto pool = join({.size = 1, .reserve = 1});
  open_many(*pool, 1);
  EXPECT_EQ(open(*pool), Answer::size_reached);
  EXPECT_EQ(open(*pool, true), Answer::granted);
  EXPECT_EQ(open(*pool, true), Answer::size_reached);
}

TEST_F(LedgerTest, PoolsShareACap) {
  ledger.set_cap(upstream("main"), 3);
  auto a = join({.size = 10}, {upstream("main")});
  auto b = join({.size = 10}, {upstream("main")});
  open_many(*a, 2);
  open_many(*b, 1);
  EXPECT_EQ(open(*a), Answer::cap_reached);
  EXPECT_EQ(ledger.used(upstream("main")), 3U);
  close(*b);
  EXPECT_EQ(a->told, 1);
  EXPECT_EQ(open(*a), Answer::granted);
}

TEST_F(LedgerTest, EveryCapCounts) {
  ledger.set_cap(upstream("main"), 5);
  ledger.set_cap(user("app"), 1);
  auto a = join({.size = 10}, {upstream("main"), user("app")});
  auto b = join({.size = 10}, {upstream("main"), user("web")});
  open_many(*a, 1);
  EXPECT_EQ(open(*a), Answer::cap_reached);
  open_many(*b, 4);
  EXPECT_EQ(open(*b), Answer::cap_reached);
}

TEST_F(LedgerTest, ACapWithoutALimitIsOnlyCounted) {
  auto a = join({.size = 3}, {upstream("main")});
  open_many(*a, 3);
  EXPECT_EQ(ledger.used(upstream("main")), 3U);
}

TEST_F(LedgerTest, WhatIsGuaranteedStaysFree) {
  ledger.set_cap(upstream("main"), 5);
  auto small = join({.size = 4, .guaranteed = 2}, {upstream("main")});
  auto large = join({.size = 10}, {upstream("main")});
  open_many(*large, 3);
  EXPECT_EQ(open(*large), Answer::cap_reached);
  open_many(*small, 2);
  EXPECT_EQ(open(*small), Answer::cap_reached) << "beyond its guarantee it is as the others";
  close(*small);
  EXPECT_EQ(open(*large), Answer::cap_reached) << "free, and guaranteed again";
}

TEST_F(LedgerTest, TheFirstWhoWaitsIsTheFirstToBeTold) {
  ledger.set_cap(upstream("main"), 2);
  auto holder = join({.size = 2}, {upstream("main")});
  auto first = join({.size = 2}, {upstream("main")});
  auto second = join({.size = 2}, {upstream("main")});
  open_many(*holder, 2);
  EXPECT_EQ(open(*first), Answer::cap_reached);
  EXPECT_EQ(open(*second), Answer::cap_reached);
  close(*holder);
  EXPECT_EQ(first->told, 1);
  EXPECT_EQ(second->told, 0);
  EXPECT_EQ(open(*first), Answer::granted);
  EXPECT_EQ(open(*first), Answer::cap_reached) << "more than one: behind the other";
  close(*holder);
  EXPECT_EQ(first->told, 1);
  EXPECT_EQ(second->told, 1);
}

TEST_F(LedgerTest, WhoDoesNotWantTheRoomPassesItOn) {
  ledger.set_cap(upstream("main"), 1);
  auto holder = join({.size = 1}, {upstream("main")});
  auto first = join({.size = 1}, {upstream("main")});
  auto second = join({.size = 1}, {upstream("main")});
  open_many(*holder, 1);
  open(*first);
  open(*second);
  close(*holder);
  ledger.withdraw(*first->account);
  EXPECT_EQ(second->told, 1);
}

TEST_F(LedgerTest, WhoTakesTheRoomPassesOnTheRest) {
  ledger.set_cap(upstream("main"), 1);
  auto holder = join({.size = 1}, {upstream("main")});
  auto first = join({.size = 1}, {upstream("main")});
  auto second = join({.size = 1}, {upstream("main")});
  open_many(*holder, 1);
  open(*first);
  open(*second);
  ledger.set_cap(upstream("main"), 3);
  EXPECT_EQ(first->told, 1);
  EXPECT_EQ(open(*first), Answer::granted);
  EXPECT_EQ(second->told, 1);
  EXPECT_EQ(open(*second), Answer::granted);
}

TEST_F(LedgerTest, WhoLeavesMakesRoom) {
  ledger.set_cap(upstream("main"), 1);
  auto holder = join({.size = 1}, {upstream("main")});
  auto other = join({.size = 1}, {upstream("main")});
  open_many(*holder, 1);
  open(*other);
  holder->account.reset();
  EXPECT_EQ(other->told, 1);
  EXPECT_EQ(open(*other), Answer::granted);
}

TEST_F(LedgerTest, WhoHasTheMostToSpareIsAskedToMakeRoom) {
  ledger.set_cap(upstream("main"), 6);
  ledger.set_cap(upstream("other"), 6);
  auto guaranteed = join({.size = 6, .guaranteed = 3}, {upstream("main")});
  auto some = join({.size = 6}, {upstream("main")});
  auto busy = join({.size = 6}, {upstream("main")});
  auto elsewhere = join({.size = 6}, {upstream("other")});
  auto wants = join({.size = 6}, {upstream("main")});
  open_many(*guaranteed, 3);
  open_many(*some, 2);
  open_many(*busy, 1);
  open_many(*elsewhere, 6);
  guaranteed->idle_connections = 3;
  some->idle_connections = 1;
  elsewhere->idle_connections = 6;
  EXPECT_EQ(open(*wants), Answer::cap_reached);
  EXPECT_EQ(some->asked_to_evict, 1);
  EXPECT_EQ(guaranteed->asked_to_evict + busy->asked_to_evict + elsewhere->asked_to_evict, 0);
}

TEST_F(LedgerTest, LoweredLimitsAreSeenByWhoGivesBack) {
  ledger.set_cap(upstream("main"), 4);
  auto pool = join({.size = 4}, {upstream("main")});
  open_many(*pool, 4);
  EXPECT_FALSE(ledger.is_over(*pool->account, true));
  ledger.set_limits(*pool->account, {.size = 3, .reserve = 1});
  EXPECT_TRUE(ledger.is_over(*pool->account, false));
  EXPECT_FALSE(ledger.is_over(*pool->account, true)) << "the reserve is for those who wait";
  ledger.set_limits(*pool->account, {.size = 3});
  EXPECT_TRUE(ledger.is_over(*pool->account, true));
  close(*pool);
  EXPECT_FALSE(ledger.is_over(*pool->account, true));
  ledger.set_cap(upstream("main"), 2);
  EXPECT_TRUE(ledger.is_over(*pool->account, true));
  close(*pool);
  EXPECT_FALSE(ledger.is_over(*pool->account, true));
}

// Whatever happens: no limit is exceeded, guarantees hold, and room that somebody waits for does
// not stay untold.
TEST_F(LedgerTest, HoldsInRandomWorlds) {
  FastRandom random(20261129);
  auto below = [&](uint64_t bound) { return random.next() % bound; };
  for (int world = 0; world < 200; ++world) {
    Ledger own;
    uint32_t cap_max = 4 + static_cast<uint32_t>(below(8));
    own.set_cap(upstream("main"), cap_max);
    std::vector<std::shared_ptr<FakePool>> pools;
    for (int i = 0; i < 4; ++i) {
      auto pool = std::make_shared<FakePool>();
      uint32_t guaranteed = i == 0 ? 2 : 0;
      pool->account = own.join(
          pool,
          {.size = 1 + static_cast<uint32_t>(below(6)) + guaranteed, .guaranteed = guaranteed},
          {upstream("main")});
      pools.push_back(pool);
    }
    for (int step = 0; step < 300; ++step) {
      FakePool& pool = *pools[below(pools.size())];
      if (below(2) == 0) {
        uint32_t before = own.used(*pool.account);
        bool was_full = own.is_full(*pool.account);
        Answer answer = own.open(*pool.account, false);
        if (was_full) {
          ASSERT_EQ(answer, Answer::size_reached);
        }
        ASSERT_TRUE(own.is_full(*pool.account) || answer != Answer::size_reached);
        if (&pool == pools[0].get() && before < 2) {
          ASSERT_EQ(answer, Answer::granted) << "it is guaranteed";
        }
      } else if (own.used(*pool.account) > 0) {
        own.close(*pool.account);
      }
      uint32_t sum = 0;
      for (auto& each : pools) sum += own.used(*each->account);
      ASSERT_EQ(sum, own.used(upstream("main")));
      ASSERT_LE(sum, cap_max);
    }
  }
}

}  // namespace
}  // namespace trunkline::pool
