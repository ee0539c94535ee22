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
const IpAddress kOne = *IpAddress::parse("10.0.0.1");
const IpAddress kTwo = *IpAddress::parse("10.0.0.2");

TEST(ConnectionLimits, RefusesTheClientBeyondTheLimitInPostgresWords) {
  ConnectionLimits limits(2, std::nullopt);
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
  ConnectionLimits limits(100, 2);
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
  ConnectionLimits limits(100, 2);
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
  ConnectionLimits limits(100, std::nullopt);
  Ticket first = *limits.admit(kOne);
  Ticket second = *limits.admit(kOne);
  ASSERT_TRUE(limits.enter_route(first, "user=a", 1));
  ASSERT_TRUE(limits.enter_route(first, "user=a", 1));  // it is there already
  Result<> refused = limits.enter_route(second, "user=a", 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().sqlstate, "53300");
  EXPECT_EQ(refused.error().message, "too many connections for this route");
  EXPECT_EQ(refused.error().hint, "The limit is set by the route's \"max_clients\": 1.");
  EXPECT_TRUE(limits.enter_route(second, "user=b", std::nullopt));
  EXPECT_FALSE(limits.enter_route(first, "user=b", 1));
  ASSERT_TRUE(limits.enter_route(first, "all", 1));
  EXPECT_TRUE(limits.enter_route(second, "user=a", 1));  // the first has left it
}

TEST(ConnectionLimits, ForgetsWhoIsGone) {
  ConnectionLimits limits(100, 5);
  {
    Ticket first = *limits.admit(kOne);
    ASSERT_TRUE(limits.enter_route(first, "user=a", 1));
    Ticket moved = std::move(first);
    first.release();  // NOLINT(bugprone-use-after-move): moved-from is empty
    EXPECT_EQ(limits.clients(), 1U);
    EXPECT_EQ(limits.sources(), 1U);
    EXPECT_EQ(limits.routes(), 1U);
    EXPECT_TRUE(moved);
    moved = *limits.admit(kTwo);
    EXPECT_FALSE(limits.clients() == 0);
  }
  EXPECT_EQ(limits.clients(), 0U);
  EXPECT_EQ(limits.sources(), 0U);
  EXPECT_EQ(limits.routes(), 0U);
}

TEST(ConnectionLimits, TakesNoNewClientsUntilThereIsRoomUnderALoweredLimit) {
  ConnectionLimits limits(3, std::nullopt);
  Ticket first = *limits.admit(kOne);
  Ticket second = *limits.admit(kOne);
  limits.set(1, 1);
  EXPECT_FALSE(limits.admit(kTwo));
  second.release();
  EXPECT_FALSE(limits.admit(kTwo));
  first.release();
  EXPECT_TRUE(limits.admit(kTwo));
}

TEST(ConnectionLimits, AreExactAcrossThreads) {
  constexpr uint32_t kMax = 5;
  constexpr uint32_t kRouteMax = 3;
  ConnectionLimits limits(kMax, std::nullopt);
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
          if (limits.enter_route(*ticket, "r", kRouteMax)) {
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
