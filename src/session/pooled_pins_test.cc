#include <gtest/gtest.h>
#include <string>

#include "pool/metrics.h"
#include "session/pooled_for_tests.h"

// What keeps a session on its connection: policies, the limit, and who sees it.
namespace trunkline::session {
namespace {

using pool::PoolCells;

const std::string kFails = binding("", "trunkline_0");

// The answer to the probe.
std::string probed(uint32_t bits) {
  std::string number = std::to_string(bits);
  std::string row("\0\1\0\0\0", 5);
  row.push_back(static_cast<char>(number.size()));
  return msg('T', "x") + msg('D', row + number) + done("SELECT 1") + ready();
}

class PooledPinPolicy : public PooledTest {
 protected:
  PooledClient::Identity identity(Pins rejects = {}) {
    return {.session = 1,
            .keeps_connection = false,
            .rejects = rejects,
            .pin_places = &places,
            .pool_cells = cells.cells(0)};
  }
  static size_t index_of(Pin pin) {
    for (size_t i = 0; i < pool::kPinReasons; ++i) {
      if (pin_at(i) == pin) return i;
    }
    return pool::kPinReasons;
  }
  uint64_t pins(Pin pin) const { return cells.total(PoolCells::kPins + index_of(pin)); }
  uint64_t pinned(Pin pin) const { return cells.total(PoolCells::kPinned + index_of(pin)); }
  // Runs something that the server is asked about afterwards.
  void run_probed(PooledPlay& play, std::string_view sql, std::string_view tag, uint32_t bits) {
    play.client(query(sql));
    play.server(done(tag) + ready());
    ASSERT_TRUE(play.machine.has_own_request());
    play.own_request();
    play.server(probed(bits));
    play.heard();
  }

  pool::PinPlaces places;
  observe::Group cells{pool::kPoolMetrics, nullptr, 1};
};

TEST_F(PooledPinPolicy, what_is_rejected_is_not_sent_and_the_setting_named) {
  struct {
    Pin pin;
    std::string text;
    std::string setting;
  } cases[] = {
      {Pin::temporary_object, "create temp table t (x int)", "temporary_objects"},
      {Pin::held_cursor, "declare c cursor with hold for select 1", "held_cursors"},
      {Pin::advisory_lock, "select pg_advisory_lock(1)", "advisory_locks"},
      {Pin::random_seed, "select setseed(0.1)", "random_seed"},
      {Pin::sequence, "select nextval('s')", "sequences"},
      {Pin::unknown_setting, "select set_config('search_path', 'c', false)", "unknown_settings"},
      {Pin::session_authorization, "set session authorization bob", "session_authorization"},
      {Pin::long_statement, "select '" + std::string(300'000, 'x') + "'", "long_statements"},
      {Pin::process_state, "load 'auto_explain'", "process_state"},
  };
  for (const auto& each : cases) {
    PooledPlay play(identity(each.pin));
    play.use(*connection);
    play.client_in_parts(query(each.text));
    EXPECT_EQ(play.heard(), kFails + kSync) << each.setting;
    std::string said = play.server(failed("26000", "no such statement") + ready());
    EXPECT_TRUE(said.contains("0A000")) << each.setting;
    EXPECT_TRUE(said.contains("\"" + each.setting + "\" of \"unmovable_state\"")) << said;
    play.client_in_parts(parse("p", each.text) + kSync);
    EXPECT_TRUE(play.heard().starts_with(kFails)) << each.setting;
    play.server(failed("26000", "no such statement") + ready());
    play.leave();
    PooledPlay other(identity());
    other.use(*connection);
    other.client(query(each.text));
    EXPECT_TRUE(other.heard().contains(each.text)) << "by default it is allowed";
    other.server(failed("XX000", "enough") + ready());
    other.machine.forget_pins();
    other.machine.detach();
    connection = PooledPlay::connection(metrics);
  }
}

TEST_F(PooledPinPolicy, giving_up_what_one_does_not_have_is_allowed) {
  PooledPlay play(identity(Pins(Pin::advisory_lock) | Pin::listen));
  play.use(*connection);
  for (std::string text : {"select pg_advisory_unlock_all()", "unlisten *", "select 1"}) {
    play.client(query(text));
    EXPECT_EQ(play.heard(), query(text));
    play.server(done("SELECT 1") + ready());
    while (play.machine.has_own_request()) {
      play.own_request();
      play.server(probed(0));
      play.heard();
    }
  }
}

TEST_F(PooledPinPolicy, pins_are_counted_while_they_last) {
  PooledPlay play(identity());
  play.use(*connection);
  run_probed(play, "listen a", "LISTEN", 16);
  EXPECT_EQ(pins(Pin::listen), 1u);
  EXPECT_EQ(pinned(Pin::listen), 1u);
  EXPECT_EQ(places.taken(), 1u);
  EXPECT_FALSE(play.machine.may_leave());
  run_probed(play, "unlisten a", "UNLISTEN", 0);
  EXPECT_EQ(pins(Pin::listen), 1u);
  EXPECT_EQ(pinned(Pin::listen), 0u);
  EXPECT_EQ(places.taken(), 0u);
  play.leave();
}

TEST_F(PooledPinPolicy, they_end_with_the_session) {
  PooledPlay play(identity());
  play.use(*connection);
  run(play, "select nextval('s')", "SELECT 1");
  EXPECT_EQ(pinned(Pin::sequence), 1u);
  play.machine.forget_pins();
  EXPECT_EQ(pinned(Pin::sequence), 0u);
  EXPECT_EQ(places.taken(), 0u);
}

TEST_F(PooledPinPolicy, one_more_than_may_be_pinned_is_refused_and_told_why) {
  places.set_max(1);
  PooledPlay first(identity());
  first.use(*connection);
  run(first, "select nextval('s')", "SELECT 1");
  auto second_connection = PooledPlay::connection(metrics);
  PooledPlay second(identity());
  second.use(*second_connection);
  second.client(query("select pg_advisory_lock(1)"));
  EXPECT_EQ(second.heard(), kFails + kSync);
  std::string said = second.server(failed("26000", "no such statement") + ready());
  EXPECT_TRUE(said.contains("53400")) << said;
  EXPECT_TRUE(said.contains("an advisory lock of the session would make this one do so")) << said;
  EXPECT_TRUE(said.contains("\"max_pinned\"")) << said;
  EXPECT_EQ(cells.total(PoolCells::kPinsRefused), 1u);
  second.leave();
  second.use(*second_connection);
  run(second, "select 1", "SELECT 1");
  // Whoever is pinned already may go on.
  first.client(query("select pg_advisory_lock(1)"));
  EXPECT_EQ(first.heard(), query("select pg_advisory_lock(1)"));
  first.machine.forget_pins();
  second.client(query("select setseed(0.5)"));
  EXPECT_EQ(second.heard(), query("select setseed(0.5)")) << "there is room again";
  second.machine.forget_pins();
}

TEST_F(PooledPinPolicy, a_place_is_given_back_when_nothing_came_of_it) {
  places.set_max(1);
  PooledPlay play(identity());
  play.use(*connection);
  play.client(query("listen"));
  play.server(failed("42601", "syntax error") + ready());
  while (play.machine.has_own_request()) {
    play.own_request();
    play.server(probed(0));
  }
  EXPECT_EQ(places.taken(), 0u);
  play.leave();
}

TEST_F(PooledPinPolicy, what_no_text_shows_pins_beyond_the_limit) {
  places.set_max(1);
  ASSERT_TRUE(places.try_take());
  PooledPlay play(identity());
  play.use(*connection);
  run_probed(play, "do 'begin perform pg_advisory_lock(1); end'", "DO", 8);
  EXPECT_FALSE(play.machine.may_leave());
  EXPECT_EQ(places.taken(), 2u);
  play.machine.forget_pins();
  EXPECT_EQ(places.taken(), 1u);
}

TEST_F(PooledPinPolicy, in_session_mode_nobody_minds) {
  PooledClient::Identity own = identity(Pin::listen);
  own.keeps_connection = true;
  places.set_max(0);
  PooledPlay play(own);
  play.use(*connection);
  play.client(query("listen a"));
  EXPECT_EQ(play.heard(), query("listen a"));
}

TEST_F(PooledPinPolicy, a_probe_that_fails_pins_and_the_client_hears_nothing_of_it) {
  a.use(*connection);
  run(a, "select f()", "SELECT 1");
  ASSERT_TRUE(a.machine.has_own_request());
  a.own_request();
  EXPECT_EQ(a.server(failed("57014", "canceling statement due to statement timeout") + ready()),
            "");
  EXPECT_TRUE(a.machine.pins().has(Pin::unknown_setting));
  EXPECT_FALSE(a.machine.may_leave());
  EXPECT_FALSE(a.machine.has_own_request());
  EXPECT_EQ(a.client(query("select 1")), PooledPlay::Verdict::go_on);
  EXPECT_EQ(a.server(done("SELECT 1") + ready()), done("SELECT 1") + ready());
}

}  // namespace
}  // namespace trunkline::session
