#include "policy/limits.h"

#include <atomic>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

namespace trunkline::policy {
namespace {

IpAddress address(std::string_view text) {
  return *IpAddress::parse(text);
}
Result<> enter_route(ConnectionLimits& limits, Ticket& ticket, std::string_view route,
                     std::optional<uint32_t> max) {
  return limits.enter(ticket, {.route = route, .route_max = max});
}
const IpAddress kOne = *IpAddress::parse("10.0.0.1");
const IpAddress kTwo = *IpAddress::parse("10.0.0.2");

TEST(ConnectionLimits, RefusesTheClientBeyondTheLimitInPostgresWords) {
  ConnectionLimits limits({.clients_max = 2});
  Ticket first = *limits.admit(kOne);
  Ticket second = *limits.admit(std::nullopt);
  Result<Ticket> third = limits.admit(kTwo);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().sqlstate, "53300");
  EXPECT_EQ(third.error().message, "sorry, too many clients already");
  EXPECT_EQ(third.error().hint, "The limit is set by \"max_clients\": 2.");
  EXPECT_EQ(third.error().reason, Reason::client_limit);
  first.release();
  EXPECT_TRUE(limits.admit(kTwo));
}

TEST(ConnectionLimits, CountsEachSourceByItself) {
  ConnectionLimits limits({.clients_max = 100, .per_source_max = 2});
  Ticket first = *limits.admit(kOne);
  Ticket second = *limits.admit(kOne);
  Result<Ticket> third = limits.admit(kOne);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().sqlstate, "53300");
  EXPECT_EQ(third.error().message, "too many connections from address 10.0.0.1");
  EXPECT_EQ(third.error().hint, "The limit is set by \"max_clients_per_source\": 2.");
  EXPECT_EQ(limits.clients(), 2U);
  EXPECT_TRUE(limits.admit(kTwo));
  EXPECT_TRUE(limits.admit(std::nullopt));
}

TEST(ConnectionLimits, CountsANetworkOfIpv6AsOneSource) {
  ConnectionLimits limits({.clients_max = 100, .per_source_max = 2});
  Ticket first = *limits.admit(address("2001:db8:0:1::1"));
  Ticket second = *limits.admit(address("2001:db8:0:1:ffff::2"));
  Result<Ticket> third = limits.admit(address("2001:db8:0:1::3"));
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().message, "too many connections from network 2001:db8:0:1::/64");
  EXPECT_TRUE(limits.admit(address("2001:db8:0:2::1")));
  first.release();
  EXPECT_TRUE(limits.admit(address("2001:db8:0:1::3")));
  EXPECT_EQ(limits.sources(), 1U);
}

TEST(ConnectionLimits, CountsEachRouteByItself) {
  ConnectionLimits limits({.clients_max = 100});
  Ticket first = *limits.admit(kOne);
  Ticket second = *limits.admit(kOne);
  ASSERT_TRUE(enter_route(limits, first, "user=a", 1));
  ASSERT_TRUE(enter_route(limits, first, "user=a", 1));  // it is there already
  Result<> refused = enter_route(limits, second, "user=a", 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().sqlstate, "53300");
  EXPECT_EQ(refused.error().message, "too many connections for this route");
  EXPECT_EQ(refused.error().hint, "The limit is set by the route's \"max_clients\": 1.");
  EXPECT_TRUE(enter_route(limits, second, "user=b", std::nullopt));
  EXPECT_FALSE(enter_route(limits, first, "user=b", 1));
  ASSERT_TRUE(enter_route(limits, first, "all", 1));
  EXPECT_TRUE(enter_route(limits, second, "user=a", 1));  // the first has left it
}

TEST(ConnectionLimits, CountsUsersAndDatabasesByTheirNames) {
  ConnectionLimits limits({.clients_max = 100, .per_user_max = 1, .per_database_max = 2});
  auto enter = [&](Ticket& ticket, std::string_view user, std::string_view database) {
    return limits.enter(ticket, {.route = "all", .user = user, .database = database});
  };
  Ticket first = *limits.admit(kOne);
  Ticket second = *limits.admit(kOne);
  Ticket third = *limits.admit(kOne);
  ASSERT_TRUE(enter(first, "ann", "app"));
  Result<> same_user = enter(second, "ann", "other");
  ASSERT_FALSE(same_user);
  EXPECT_EQ(same_user.error().sqlstate, "53300");
  EXPECT_EQ(same_user.error().message, "too many connections for role \"ann\"");
  EXPECT_EQ(same_user.error().hint, "The limit is set by \"max_clients_per_user\": 1.");
  EXPECT_EQ(same_user.error().reason, Reason::client_limit_user);
  ASSERT_TRUE(enter(second, "bob", "app"));
  Result<> same_database = enter(third, "eve", "app");
  ASSERT_FALSE(same_database);
  EXPECT_EQ(same_database.error().message, "too many connections for database \"app\"");
  EXPECT_EQ(same_database.error().hint, "The limit is set by \"max_clients_per_database\": 2.");
  EXPECT_EQ(same_database.error().reason, Reason::client_limit_database);
  first.release();
  EXPECT_TRUE(enter(third, "ann", "app"));
}

// Refused in one respect, it takes no place in the others.
TEST(ConnectionLimits, WhoIsRefusedTakesNoPlace) {
  ConnectionLimits limits({.clients_max = 100, .per_user_max = 1, .per_database_max = 1});
  Ticket first = *limits.admit(kOne);
  Ticket second = *limits.admit(kOne);
  Ticket third = *limits.admit(kOne);
  ASSERT_TRUE(limits.enter(first, {.route = "a", .user = "ann", .database = "app"}));
  ASSERT_FALSE(limits.enter(second, {.route = "b", .user = "bob", .database = "app"}));
  EXPECT_EQ(limits.names(), 3U);
  EXPECT_TRUE(limits.enter(third, {.route = "b", .route_max = 1, .user = "bob", .database = "x"}));
}

TEST(RateLimiter, WithoutABurstNobodyIsLimited) {
  RateLimiter limiter(1s, 0);
  Instant now{};
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(limiter.allow(Source(kOne), now));
  EXPECT_EQ(limiter.sources(), 0U);
  limiter.set(100ms, 2);
  EXPECT_TRUE(limiter.allow(Source(kOne), now));
  EXPECT_TRUE(limiter.allow(Source(kOne), now));
  EXPECT_FALSE(limiter.allow(Source(kOne), now));
  EXPECT_TRUE(limiter.allow(Source(kTwo), now));
  EXPECT_TRUE(limiter.allow(Source(kOne), now + 100ms));
  limiter.set(1s, 0);
  EXPECT_TRUE(limiter.allow(Source(kOne), now + 100ms));
}

TEST(ConnectionLimits, ForgetsWhoIsGone) {
  ConnectionLimits limits({.clients_max = 100, .per_source_max = 5});
  {
    Ticket first = *limits.admit(kOne);
    ASSERT_TRUE(enter_route(limits, first, "user=a", 1));
    Ticket moved = std::move(first);
    first.release();  // NOLINT(bugprone-use-after-move): moved-from is empty
    EXPECT_EQ(limits.clients(), 1U);
    EXPECT_EQ(limits.sources(), 1U);
    EXPECT_EQ(limits.names(), 1U);
    EXPECT_TRUE(moved);
    moved = *limits.admit(kTwo);
    EXPECT_FALSE(limits.clients() == 0);
  }
  EXPECT_EQ(limits.clients(), 0U);
  EXPECT_EQ(limits.sources(), 0U);
  EXPECT_EQ(limits.names(), 0U);
}

TEST(ConnectionLimits, TakesNoNewClientsUntilThereIsRoomUnderALoweredLimit) {
  ConnectionLimits limits({.clients_max = 3});
  Ticket first = *limits.admit(kOne);
  Ticket second = *limits.admit(kOne);
  limits.set({.clients_max = 1, .per_source_max = 1});
  EXPECT_FALSE(limits.admit(kTwo));
  second.release();
  EXPECT_FALSE(limits.admit(kTwo));
  first.release();
  EXPECT_TRUE(limits.admit(kTwo));
}

TEST(ConnectionLimits, AreExactAcrossThreads) {
  constexpr uint32_t kMax = 5;
  constexpr uint32_t kRouteMax = 3;
  ConnectionLimits limits({.clients_max = kMax});
  std::atomic<uint32_t> inside = 0;
  std::atomic<uint32_t> on_route = 0;
  std::atomic<uint32_t> admitted = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2'000; ++i) {
        std::vector<Ticket> tickets;
        uint32_t routed = 0;
        for (int n = 0; n < 3; ++n) {
          Result<Ticket> ticket = limits.admit(kOne);
          if (!ticket) continue;
          EXPECT_LE(++inside, kMax);
          ++admitted;
          if (enter_route(limits, *ticket, "r", kRouteMax)) {
            EXPECT_LE(++on_route, kRouteMax);
            ++routed;
          }
          tickets.push_back(std::move(*ticket));
        }
        on_route -= routed;
        inside -= static_cast<uint32_t>(tickets.size());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(admitted, 0U);
  EXPECT_EQ(limits.clients(), 0U);
  EXPECT_EQ(limits.sources(), 0U);
}

constexpr Instant kStart = Instant{} + 1h;

TEST(RateLimiter, AllowsABurstAndThenOneAnInterval) {
  RateLimiter limiter(100ms, 3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.allow(Source(kOne), kStart));
  EXPECT_FALSE(limiter.allow(Source(kOne), kStart));
  EXPECT_FALSE(limiter.allow(Source(kOne), kStart + 100ms - 1ns));
  EXPECT_TRUE(limiter.allow(Source(kOne), kStart + 100ms));
  EXPECT_FALSE(limiter.allow(Source(kOne), kStart + 100ms));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.allow(Source(kOne), kStart + 1h));
  EXPECT_FALSE(limiter.allow(Source(kOne), kStart + 1h));
}

TEST(RateLimiter, HasABucketForEachSource) {
  RateLimiter limiter(100ms, 1);
  EXPECT_TRUE(limiter.allow(Source(kOne), kStart));
  EXPECT_FALSE(limiter.allow(Source(kOne), kStart));
  EXPECT_TRUE(limiter.allow(Source(kTwo), kStart));
  EXPECT_TRUE(limiter.allow(Source::user(0), kStart));
  EXPECT_FALSE(limiter.allow(Source::user(0), kStart));
  EXPECT_TRUE(limiter.allow(Source::user(1000), kStart));
  EXPECT_TRUE(limiter.allow(Source::user(std::nullopt), kStart));
  EXPECT_FALSE(limiter.allow(Source::user(std::nullopt), kStart));
  EXPECT_TRUE(limiter.allow(Source(address("2001:db8:0:1::1")), kStart));
  EXPECT_FALSE(limiter.allow(Source(address("2001:db8:0:1:ffff::2")), kStart));
  EXPECT_TRUE(limiter.allow(Source(address("2001:db8:0:2::1")), kStart));
}

TEST(RateLimiter, RemembersABoundedNumberOfSources) {
  RateLimiter limiter(100ms, 2, 2);
  EXPECT_TRUE(limiter.allow(Source(address("10.0.0.1")), kStart));
  EXPECT_TRUE(limiter.allow(Source(address("10.0.0.2")), kStart));
  EXPECT_TRUE(limiter.allow(Source(address("10.0.0.2")), kStart));
  EXPECT_FALSE(limiter.allow(Source(address("10.0.0.3")), kStart));
  EXPECT_EQ(limiter.sources(), 2U);
  // 10.0.0.1 has its whole burst again and is forgotten; 10.0.0.2 is not.
  EXPECT_TRUE(limiter.allow(Source(address("10.0.0.3")), kStart + 100ms));
  EXPECT_FALSE(limiter.allow(Source(address("10.0.0.1")), kStart + 100ms));
  EXPECT_EQ(limiter.sources(), 2U);
}

}  // namespace
}  // namespace trunkline::policy
