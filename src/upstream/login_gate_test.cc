#include "upstream/login_gate.h"

#include <gtest/gtest.h>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "io/epoll_backend.h"

namespace trunkline::upstream {
namespace {

class LoginGateTest : public testing::Test {
 protected:
  using Entered = std::expected<LoginGate::Place, server::Refusal>;

  // Whoever comes, with what became of it.
  std::optional<Entered>& come(uint32_t max, Duration within = 10s) {
    results_.emplace_back();
    loop_.spawn(enter(results_.back(), max, loop_.now() + within));
    return results_.back();
  }
  void turn() {
    for (int i = 0; i < 5; ++i) loop_.run_once(false);
  }
  template <typename Done>
  void turn_until(Done done) {
    Instant give_up = Clock::now() + 10s;
    while (!done() && Clock::now() < give_up) loop_.run_once(true);
    EXPECT_TRUE(done());
  }
  static bool is_in(const std::optional<Entered>& entered) {
    return entered.has_value() && entered->has_value();
  }
  static server::Refusal refusal() {
    return {{.reason = Reason::server_connect_failed,
             .side = Side::server,
             .retry = Retry::safe,
             .sqlstate = sqlstate::kCannotConnect,
             .message = "connection refused"}};
  }

  io::Loop loop_{std::make_unique<io::EpollBackend>()};
  LoginGate gate_;
  std::list<std::optional<Entered>> results_;  // their places go before the gate does

 private:
  io::Task<> enter(std::optional<Entered>& out, uint32_t max, Instant deadline) {
    out.emplace(co_await gate_.enter(loop_, max, deadline));
  }
};

TEST_F(LoginGateTest, lets_so_many_in_and_the_others_in_their_order) {
  std::optional<Entered>& first = come(2);
  std::optional<Entered>& second = come(2);
  std::optional<Entered>& third = come(2);
  std::optional<Entered>& fourth = come(2);
  turn();
  EXPECT_TRUE(is_in(first));
  EXPECT_TRUE(is_in(second));
  EXPECT_FALSE(third.has_value());
  gate_.succeeded();
  first.reset();
  turn();
  EXPECT_TRUE(is_in(third));
  EXPECT_FALSE(fourth.has_value());
  second.reset();
  turn();
  EXPECT_TRUE(is_in(fourth));
}

TEST_F(LoginGateTest, who_waits_shares_the_failure_of_those_before) {
  std::optional<Entered>& first = come(1);
  std::optional<Entered>& second = come(1);
  turn();
  gate_.failed(loop_.now(), refusal());
  first.reset();
  turn();
  ASSERT_TRUE(second.has_value());
  ASSERT_FALSE(second->has_value());
  EXPECT_EQ(second->error().error.message, "connection refused");
}

TEST_F(LoginGateTest, after_a_failure_there_is_a_pause_and_one_at_a_time) {
  gate_.failed(loop_.now(), refusal());
  Instant failed = loop_.now();
  std::optional<Entered>& first = come(20);
  std::optional<Entered>& second = come(20);
  turn();
  EXPECT_FALSE(first.has_value());
  turn_until([&] { return first.has_value(); });
  EXPECT_GE(loop_.now(), failed + Backoff::kPauseMin);
  EXPECT_TRUE(is_in(first));
  EXPECT_FALSE(second.has_value());
  gate_.succeeded();
  turn_until([&] { return second.has_value(); });
  EXPECT_TRUE(is_in(second)) << "there is room again";
}

TEST_F(LoginGateTest, nobody_waits_beyond_his_deadline) {
  std::optional<Entered>& first = come(1);
  std::optional<Entered>& second = come(1, 20ms);
  turn_until([&] { return second.has_value(); });
  EXPECT_FALSE(second->has_value());
  EXPECT_EQ(second->error().error.reason, Reason::login_timeout);
  first.reset();
  EXPECT_TRUE(is_in(come(1))) << "it has left no trace";
}

TEST_F(LoginGateTest, whoever_is_destroyed_leaves_his_place_to_others) {
  std::optional<Entered>& first = come(1);
  come(1);
  turn();
  first.reset();  // the second is called, and never hears it
  loop_.destroy_spawned();
  EXPECT_TRUE(is_in(come(1)));
}

}  // namespace
}  // namespace trunkline::upstream
