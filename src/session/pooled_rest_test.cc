#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "session/listening_for_tests.h"
#include "session/pooled_for_tests.h"
#include "session/pooled_relays.h"

// A session that has nothing to do keeps its client's own and nothing else.
namespace trunkline::session {
namespace {

class PooledRest : public PooledTest {};

TEST_F(PooledRest, is_when_nothing_is_under_way) {
  EXPECT_TRUE(a.machine.rests());
  a.use(*connection);
  EXPECT_FALSE(a.machine.rests());
  run(a, "select 1", "SELECT 1");
  a.machine.detach();
  EXPECT_TRUE(a.machine.rests());
}

TEST_F(PooledRest, is_not_within_a_message) {
  std::string whole = query("select 1");
  for (size_t bytes = 1; bytes < whole.size(); ++bytes) {
    PooledPlay play(7);
    play.client(std::string_view(whole).substr(0, bytes));
    EXPECT_FALSE(play.machine.rests() && play.waiting.empty()) << bytes;
  }
}

TEST_F(PooledRest, is_not_before_a_refused_request_is_answered) {
  a.machine.refuse_next({.reason = Reason::pool_timeout, .message = "no"});
  EXPECT_FALSE(a.machine.rests());
  a.own_answers();
  EXPECT_FALSE(a.machine.rests()) << "what comes up to the next Sync is refused as well";
  a.client(parse("s", "select 1") + kSync);
  EXPECT_FALSE(a.machine.rests()) << "the Sync is not answered";
  EXPECT_EQ(a.own_answers(), ready());
  EXPECT_TRUE(a.machine.rests());
}

TEST_F(PooledRest, keeps_prepared_statements_and_what_was_told) {
  a.use(*connection);
  a.client(parse("s1", "select 1") + parse("", "select 2") + kSync);
  a.server(kParsed + kParsed + ready());
  a.client(query("set TimeZone = 'UTC'"));
  a.server(told("TimeZone", "UTC") + done("SET") + ready());
  a.leave();
  a.heard();
  EXPECT_EQ(a.own.statements.size(), 1U);
  ASSERT_NE(a.own.told, nullptr);
  EXPECT_EQ(*a.own.told->find("TimeZone"), "UTC");
  a.use(*connection);
  a.client(binding("", "s1") + execute() + kSync);
  EXPECT_TRUE(a.heard().ends_with(binding("", "trunkline_1") + execute() + kSync));
}

TEST_F(PooledRest, keeps_what_has_ever_been_temporary) {
  a.use(*connection);
  run(a, "create temp table t ()", "CREATE TABLE");
  EXPECT_TRUE(a.own.has_had_temporary);
}

TEST_F(PooledRest, is_not_before_a_query_that_was_admitted_has_run) {
  auto rate = std::make_shared<pool::QueryRate>(1);
  observe::Group cells{pool::kPoolMetrics, nullptr, 1};
  QueryLimit limit({.route = rate, .user = nullptr}, config::OverQueryLimit::delay, 1s,
                   cells.cells(0));
  a.limit_queries(limit);
  EXPECT_EQ(a.client(query("select 1")), PooledPlay::Verdict::need_server);
  EXPECT_FALSE(a.machine.rests());
  a.use(*connection);
  a.go_on();
  a.server(done("SELECT 1") + ready());
  a.leave();
  EXPECT_TRUE(a.machine.rests());
}

TEST_F(PooledRest, is_not_while_a_place_among_the_pinned_is_held) {
  pool::PinPlaces places;
  places.set_max(1);
  PooledPlay play(
      PooledClient::Identity{.session = 3, .keeps_connection = false, .pin_places = &places});
  play.use(*connection);
  play.client(query("create temp table t ()"));
  EXPECT_FALSE(places.try_take()) << "taken by the one that asks";
  // The connection is lost, and the session would begin anew elsewhere.
  play.machine.detach();
  EXPECT_FALSE(play.machine.rests());
  play.rest();
  EXPECT_TRUE(places.try_take()) << "the end of a machine leaves nothing counted";
}

TEST_F(PooledRest, listens_and_is_told_when_it_wakes_up) {
  FakeListening listening;
  PooledPlay play(3, nullptr, false, &listening);
  play.use(*connection);
  play.client(query("listen a"));
  play.own.on_listening_answer(listening.last, true);
  play.go_on();
  play.server(done("LISTEN") + ready());
  play.own_request();
  play.server(done("UNLISTEN") + ready());
  play.leave();
  EXPECT_TRUE(play.machine.rests());
  play.own.on_notification(notification("a", "x"), false);
  EXPECT_FALSE(play.machine.rests());
  EXPECT_EQ(play.own_answers(), notification("a", "x")->message);
  EXPECT_TRUE(play.machine.rests());
}

class Relays : public testing::Test {
 protected:
  void take(size_t count) {
    for (size_t i = 0; i < count; ++i) taken.push_back(relays.take());
  }
  void give_all_back() {
    for (PooledRelays::Place* each : taken) relays.give_back(each);
    taken.clear();
  }

  PooledRelays relays;
  std::vector<PooledRelays::Place*> taken;
};

TEST_F(Relays, those_that_are_spare_are_taken_first) {
  take(3);
  PooledRelays::Place* last = taken.back();
  relays.give_back(last);
  EXPECT_EQ(relays.spare(), 1u);
  EXPECT_EQ(relays.take(), last);
  EXPECT_EQ(relays.spare(), 0u);
  give_all_back();
}

TEST_F(Relays, what_many_have_needed_at_once_goes_back_to_the_system) {
  take(1000);
  EXPECT_GE(relays.bytes(), 1000 * sizeof(PooledRelays::Place));
  give_all_back();
  EXPECT_GE(relays.spare(), PooledRelays::kSpareMax);
  EXPECT_LT(relays.spare(), PooledRelays::kSpareMax + PooledRelays::places_of_block());
}

TEST_F(Relays, a_block_that_is_in_use_stays_and_is_filled_again) {
  take(10 * PooledRelays::places_of_block());
  std::vector<PooledRelays::Place*> all = std::exchange(taken, {});
  for (size_t i = 0; i < all.size(); ++i) {
    if (i % PooledRelays::places_of_block() != 0) relays.give_back(all[i]);
  }
  size_t bytes = relays.bytes();
  EXPECT_EQ(bytes, 10 * PooledRelays::kBlockBytes);
  take(all.size() - 10);
  EXPECT_EQ(relays.bytes(), bytes);
  EXPECT_EQ(relays.spare(), 0u);
  for (size_t i = 0; i < all.size(); i += PooledRelays::places_of_block()) taken.push_back(all[i]);
  give_all_back();
}

}  // namespace
}  // namespace trunkline::session
