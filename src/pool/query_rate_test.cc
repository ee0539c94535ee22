#include "pool/query_rate.h"

#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace trunkline::pool {
namespace {

constexpr Instant kNow{1000s};

TEST(QueryRate, as_many_at_once_as_in_a_second_and_then_one_each_interval) {
  QueryRate rate(10);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(rate.take(kNow, kNow), kNow) << i;
  EXPECT_EQ(rate.take(kNow, kNow), std::nullopt);
  EXPECT_EQ(rate.take(kNow + 99ms, kNow + 99ms), std::nullopt);
  EXPECT_EQ(rate.take(kNow + 100ms, kNow + 100ms), kNow + 100ms);
  EXPECT_EQ(rate.take(kNow + 100ms, kNow + 100ms), std::nullopt);
}

TEST(QueryRate, who_waits_has_a_place_of_his_own) {
  QueryRate rate(10);
  for (int i = 0; i < 10; ++i) rate.take(kNow, kNow);
  EXPECT_EQ(rate.take(kNow, kNow + 1s), kNow + 100ms);
  EXPECT_EQ(rate.take(kNow, kNow + 1s), kNow + 200ms);
  EXPECT_EQ(rate.take(kNow, kNow + 250ms), std::nullopt) << "and what is refused takes none";
  EXPECT_EQ(rate.take(kNow, kNow + 300ms), kNow + 300ms);
}

TEST(QueryRate, rest_fills_it_to_a_burst_and_no_further) {
  QueryRate rate(2);
  for (int i = 0; i < 2; ++i) rate.take(kNow, kNow);
  Instant later = kNow + 1h;
  EXPECT_TRUE(rate.take(later, later));
  EXPECT_TRUE(rate.take(later, later));
  EXPECT_FALSE(rate.take(later, later));
}

TEST(QueryRate, what_is_not_used_is_given_back) {
  QueryRate rate(1);
  EXPECT_TRUE(rate.take(kNow, kNow));
  EXPECT_FALSE(rate.take(kNow, kNow));
  rate.give_back();
  EXPECT_TRUE(rate.take(kNow, kNow));
}

TEST(QueryRate, is_exact_for_many_threads) {
  QueryRate rate(1000);
  std::atomic<int> taken = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 1000; ++j) taken += rate.take(kNow, kNow) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 1000);
}

TEST(QueryRates, are_shared_by_name_and_go_with_the_last_of_their_users) {
  QueryRates rates;
  QueryRatePtr of_route = rates.get("all", "", 5);
  QueryRatePtr of_user = rates.get("all", "ann", 5);
  EXPECT_NE(of_route, of_user);
  EXPECT_EQ(rates.get("all", "ann", 5), of_user);
  EXPECT_NE(rates.get("other", "ann", 5), of_user);
  for (int i = 0; i < 200; ++i) rates.get("all", "stranger " + std::to_string(i), 5);
  EXPECT_LE(rates.size(), 130u) << "nobody has those any more";
}

TEST(QueryRates, follow_a_reload) {
  QueryRates rates;
  QueryRatePtr rate = rates.get("all", "", 1);
  EXPECT_TRUE(rate->take(kNow, kNow));
  rates.get("all", "", 1000);
  EXPECT_FALSE(rate->take(kNow, kNow)) << "what is taken stays taken";
  EXPECT_TRUE(rate->take(kNow + 1ms, kNow + 1ms));
}

}  // namespace
}  // namespace trunkline::pool
