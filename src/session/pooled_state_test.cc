#include <gtest/gtest.h>
#include <string>

#include "session/pooled_for_tests.h"

// What a session has set goes with it; what cannot go keeps it where it is.
namespace trunkline::session {
namespace {

using Verdict = PooledMachine::Verdict;

class PooledSettings : public PooledTest {};
class PooledPins : public PooledTest {};

TEST_F(PooledSettings, settings_go_ahead_of_the_query_in_the_same_write) {
  a.use(*connection);
  run(a, "set a.x = 1", "SET");
  a.leave();
  connection->unproven = false;  // what has been set is all there is
  EXPECT_EQ(*connection->settings, *settings_of({{"a.x", "1"}}));
  b.use(*connection);
  b.client(query("select 2"));
  EXPECT_EQ(b.heard(), guard(nullptr, pool::Cleanse::nothing, settings_of({{"a.x", "1"}})) +
                           query("select 2"));
  EXPECT_EQ(b.server(guard_answers(true) + done("SELECT 1") + ready()), done("SELECT 1") + ready());
  b.leave();
  a.use(*connection);
  a.client(query("select 1"));
  std::string bytes = a.heard();
  EXPECT_TRUE(bytes.ends_with(query("select 1")));
  EXPECT_TRUE(bytes.contains("{\"a.x\"}"));
  EXPECT_TRUE(bytes.contains("{\"+1\"}"));
}

TEST_F(PooledSettings, discard_all_goes_back_to_the_startup_settings_without_a_word) {
  connection->reported.set("DateStyle", "ISO, MDY");
  PooledPlay other(3, settings_of({{"DateStyle", "German, DMY"}}));
  other.use(*connection);
  other.client(query("select 1"));
  std::string german = told("DateStyle", "German, DMY");
  EXPECT_EQ(other.server(guard_answers(true) + done("SELECT 1") + german + ready()),
            done("SELECT 1") + german + ready());
  other.client(query("discard all"));
  EXPECT_EQ(other.server(done("DISCARD ALL") + told("DateStyle", "ISO, MDY") + ready()),
            done("DISCARD ALL") + ready());
  EXPECT_TRUE(other.machine.has_own_request());
}

TEST_F(PooledSettings, what_nobody_can_set_is_not_laid_on) {
  a.use(*connection);
  a.client(query("select f()"));
  a.server(told("is_superuser", "on") + told("in_hot_standby", "on") + done("SELECT 1") + ready());
  a.client(query("select f()"));
  a.server(told("is_superuser", "off") + told("in_hot_standby", "off") + done("SELECT 1") +
           ready());
  EXPECT_TRUE(a.own.settings.current() == nullptr || a.own.settings.current()->empty());
}

TEST_F(PooledSettings, equal_settings_need_no_guard) {
  a.use(*connection);
  run(a, "set a.x = 1", "SET");
  a.leave();
  connection->unproven = false;  // what has been set is all there is
  PooledPlay other(3, settings_of({{"a.x", "1"}}));
  other.use(*connection);
  other.client(query("select 1"));
  EXPECT_EQ(other.heard(), query("select 1"));
}

TEST_F(PooledSettings, within_a_transaction_there_is_no_guard) {
  a.use(*connection);
  run(a, "begin", "BEGIN", 'T');
  run(a, "set a.x = 1", "SET", 'T');
  a.client(query("select 1"));
  EXPECT_EQ(a.heard(), query("select 1"));
}

TEST_F(PooledSettings, after_somebody_of_whom_not_all_is_known_the_connection_is_wiped) {
  a.use(*connection);
  run(a, "select f()", "SELECT 1");
  EXPECT_TRUE(connection->unproven);
  while (a.machine.has_own_request()) {
    a.own_request();
    EXPECT_EQ(a.server(msg('T', "x") + msg('D', std::string("\0\1\0\0\0\1", 6) + "0") +
                       done("SELECT 1") + ready()),
              "");
    a.heard();
  }
  a.client(query("select 1"));
  EXPECT_EQ(a.heard(), query("select 1")) << "it was its own doing";
  a.server(done("SELECT 1") + ready());
  a.leave();
  b.use(*connection);
  b.client(query("select 2"));
  EXPECT_EQ(b.heard(), guard(nullptr, pool::Cleanse::everything) + query("select 2"));
}

TEST_F(PooledSettings, a_refused_guard_is_the_error_of_the_query_that_did_not_run) {
  PooledPlay play(1, settings_of({{"a.x", "bad"}}));
  play.use(*connection);
  play.client(query("insert"));
  EXPECT_EQ(play.heard(), guard(settings_of({{"a.x", "bad"}})) + query("insert"));
  const std::string step = kParsed + kBound;
  const std::string refusal = failed("22023", "invalid value for parameter");
  EXPECT_EQ(play.server(step + done("BEGIN") + step + refusal), refusal);
  // The server waits for a Sync, which a Query does not bring.
  ASSERT_TRUE(play.machine.has_own_request());
  play.own_request();
  EXPECT_EQ(play.heard(), kSync);
  EXPECT_EQ(play.server(ready('E')), ready()) << "the transaction that failed was not the client's";
  EXPECT_TRUE(connection->spoilt);
  EXPECT_TRUE(play.machine.may_leave());
}

TEST_F(PooledSettings, a_sync_of_ours_waits_for_the_end_of_the_query) {
  PooledPlay play(1, settings_of({{"a.x", "bad"}}));
  play.use(*connection);
  const std::string text = query(std::string(600'000, 'x'));
  play.client(text.substr(0, 400'000));
  play.server(failed("22023", "invalid value"));
  EXPECT_FALSE(play.machine.has_own_request()) << "it would stand in the query's text";
  play.client(text.substr(400'000));
  EXPECT_TRUE(play.machine.has_own_request());
}

TEST_F(PooledSettings, a_refused_guard_ahead_of_a_batch_needs_no_sync_of_ours) {
  PooledPlay play(1, settings_of({{"a.x", "bad"}}));
  play.use(*connection);
  play.client(parse("", "select 1") + binding("", "") + execute() + kSync);
  const std::string step = kParsed + kBound;
  const std::string refusal = failed("22023", "invalid value for parameter");
  EXPECT_EQ(play.server(step + done("BEGIN") + step + refusal), refusal);
  EXPECT_FALSE(play.machine.has_own_request());
  EXPECT_EQ(play.server(ready('E')), ready());
  EXPECT_TRUE(play.machine.may_leave());
}

TEST_F(PooledPins, what_cannot_be_moved_is_asked_for_and_pins) {
  a.use(*connection);
  run(a, "create temp table t (x int)", "CREATE TABLE");
  EXPECT_FALSE(a.machine.may_leave());
  ASSERT_TRUE(a.machine.has_own_request());
  a.own_request();
  EXPECT_EQ(a.heard(), query(kProbe));
  EXPECT_FALSE(a.machine.has_own_request());
  EXPECT_EQ(a.client(query("select 1")), Verdict::hold) << "its answer comes first";
  std::string row = std::string("\0\1\0\0\0\1", 6) + "2";
  EXPECT_EQ(a.server(msg('T', "x") + msg('D', row) + done("SELECT 1") + ready()), "");
  EXPECT_EQ(a.machine.pins(), Pins(Pin::temporary_object));
  EXPECT_EQ(a.heard(), query("select 1"));
  a.server(done("SELECT 1") + ready());
  EXPECT_FALSE(a.machine.may_leave());
  // When the last reason is gone, so is the pin.
  run(a, "drop table t", "DROP TABLE");
  ASSERT_TRUE(a.machine.has_own_request());
  a.own_request();
  row.back() = '0';
  a.server(msg('T', "x") + msg('D', row) + done("SELECT 1") + ready());
  EXPECT_TRUE(a.machine.pins().none());
  EXPECT_TRUE(a.machine.may_leave());
}

TEST_F(PooledSettings, what_set_config_has_set_is_asked_for) {
  a.use(*connection);
  run(a, "select set_config('My.Tenant', f(), false)", "SELECT 1");
  ASSERT_TRUE(a.machine.has_own_request());
  a.own_request();
  std::string asked = a.heard();
  EXPECT_TRUE(asked.contains("unnest('{my.tenant}'")) << asked;
  auto row = [](std::initializer_list<std::string> values) {
    std::string body{'\0', static_cast<char>(values.size())};
    for (const std::string& value : values) {
      body += std::string("\0\0\0", 3) + static_cast<char>(value.size()) + value;
    }
    return msg('D', body);
  };
  a.server(msg('T', "x") + row({"0"}) + done("SELECT 1") + msg('T', "x") +
           row({"my.tenant", "seven"}) + done("SELECT 1") + ready());
  EXPECT_TRUE(a.machine.pins().none());
  a.leave();
  a.use(*connection);
  EXPECT_FALSE(connection->settings == nullptr);
  EXPECT_EQ(*connection->settings->find("my.tenant"), "seven");
  // From then on it is asked for whenever something is.
  run(a, "do $$ begin perform f(); end $$", "DO");
  a.own_request();
  EXPECT_TRUE(a.heard().contains("unnest('{my.tenant}'"));
}

TEST_F(PooledSettings, a_parameter_of_set_config_names_what_it_sets) {
  auto sets = [](std::string_view name, std::string_view format = std::string_view("\0\0", 2)) {
    std::string values = std::string(format) + std::string("\0\2\0\0\0", 5) +
                         static_cast<char>(name.size()) + std::string(name) +
                         std::string("\0\0\0\1x\0\0", 7);
    return msg('B', c("") + c("s") + values) + execute() + kSync;
  };
  const std::string answers = kBound + done("SELECT 1") + ready();
  a.use(*connection);
  a.client(parse("s", "select set_config($1, $2, false)") + kSync);
  a.server(kParsed + ready());
  // In binary, for all.
  for (std::string_view format : {std::string_view("\0\0", 2), std::string_view("\0\1\0\1", 4)}) {
    a.client(sets("My.Tenant", format));
    a.server(answers);
    EXPECT_TRUE(a.machine.pins().none());
    ASSERT_TRUE(a.machine.has_own_request());
    a.heard();
    a.own_request();
    EXPECT_TRUE(a.heard().contains("unnest('{my.tenant"));
    a.server(ready());
  }
  a.client(sets("search_path"));
  a.server(answers);
  EXPECT_EQ(a.machine.pins(), Pins(Pin::unknown_setting)) << "statements depend on it";
  PooledPlay odd{3};
  auto fresh = PooledPlay::connection(metrics);
  odd.use(*fresh);
  odd.client(parse("s", "select set_config($1, $2, false)") + sets("what \"ever"));
  odd.server(kParsed + answers);
  EXPECT_EQ(odd.machine.pins(), Pins(Pin::unknown_setting));
}

TEST_F(PooledPins, the_probe_is_read_however_it_is_cut) {
  for (size_t every = 1; every < 40; ++every) {
    PooledPlay play{1};
    auto fresh = PooledPlay::connection(metrics);
    play.use(*fresh);
    run(play, "select pg_advisory_lock(7)", "SELECT 1");
    ASSERT_TRUE(play.machine.has_own_request());
    play.own_request();
    play.every = every;
    std::string row = std::string("\0\1\0\0\0\2", 6) + "24";
    EXPECT_EQ(play.server(msg('T', "x") + msg('D', row) + done("SELECT 1") + ready()), "");
    EXPECT_EQ(play.machine.pins(), Pin::advisory_lock | Pin::listen) << every;
  }
}

TEST_F(PooledSettings, a_session_keeps_the_defaults_it_began_with) {
  pool::Destination destination(nullptr, "db", config::Pool{}, auth::Credentials{});
  pool::Settings before;
  before.set("DateStyle", "ISO, MDY");
  before.set("work_mem", "4096");
  destination.defaults().on_answer({"old", "datestyle"});
  destination.defaults().on_changed({"new", "work_mem"}, 0, before);
  connection->destination = &destination;
  connection->generation = 1;
  PooledPlay began_before{1, settings_of({{"work_mem", "1MB"}})};
  began_before.use(*connection);
  began_before.client(query("select 1"));
  auto wanted = settings_of({{"work_mem", "1MB"}, {"datestyle", "ISO, MDY"}});
  EXPECT_EQ(began_before.heard(), guard(wanted) + query("select 1"));
  PooledPlay later{PooledClient::Identity{.session = 2}, nullptr, 1};
  auto other = PooledPlay::connection(metrics);
  other->destination = &destination;
  other->generation = 1;
  later.use(*other);
  later.client(query("select 1"));
  EXPECT_EQ(later.heard(), query("select 1"));
}

TEST_F(PooledPins, some_things_pin_without_a_question) {
  struct Case {
    const char* sql;
    Pin pin;
  };
  for (const Case& each :
       {Case{"select setseed(0.5)", Pin::random_seed}, Case{"select nextval('s')", Pin::sequence},
        Case{"select set_config('search_path', 'a', false)", Pin::unknown_setting},
        Case{"select set_config($1, 'a', false)", Pin::unknown_setting},
        Case{"set session authorization joe", Pin::session_authorization}}) {
    PooledPlay play{1};
    auto fresh = PooledPlay::connection(metrics);
    play.use(*fresh);
    run(play, each.sql, "X");
    EXPECT_TRUE(play.machine.pins().has(each.pin)) << each.sql;
    EXPECT_FALSE(play.machine.may_leave()) << each.sql;
  }
  a.use(*connection);
  run(a, "select 1", "SELECT 1");
  EXPECT_TRUE(a.machine.pins().none());
  EXPECT_FALSE(a.machine.has_own_request());
  EXPECT_FALSE(connection->unproven);
}

TEST_F(PooledPins, what_may_move_a_sequence_unseen_pins_where_somebody_has_asked_for_it) {
  pool::Destination destination(nullptr, "db", config::Pool{}, auth::Credentials{});
  connection->destination = &destination;
  const char* insert = "insert into numbered (note) values ('x')";
  a.use(*connection);
  run(a, insert, "INSERT 0 1");
  EXPECT_TRUE(a.machine.pins().none());
  run(a, "begin", "BEGIN", 'T');
  run(a, insert, "INSERT 0 1", 'T');
  run(a, "select lastval()", "SELECT 1", 'T');
  run(a, "commit", "COMMIT");
  EXPECT_FALSE(destination.asks_for_sequences()) << "of its own transaction";
  run(a, "select lastval()", "SELECT 1");
  EXPECT_TRUE(destination.asks_for_sequences());
  EXPECT_TRUE(a.machine.pins().none());
  run(a, insert, "INSERT 0 1");
  EXPECT_TRUE(a.machine.pins().has(Pin::sequence));
  run(a, "discard sequences; insert into numbered default values", "DISCARD SEQUENCES");
  EXPECT_TRUE(a.machine.pins().has(Pin::sequence));
  run(a, "discard sequences", "DISCARD SEQUENCES");
  EXPECT_FALSE(a.machine.pins().has(Pin::sequence));
}

class PooledLongTexts : public PooledTest {
 protected:
  // More than is looked at whole.
  const std::string comment = "/*" + std::string(FrontReader::kTextBytesMax, 'x') + "*/";
};

TEST_F(PooledLongTexts, what_they_do_is_seen_as_they_go_by) {
  a.use(*connection);
  const std::string sets = query(comment + "set a.x = 1; /*" + comment + "*/ select 'seen'");
  a.client(std::string_view(sets).substr(0, 1000));
  a.client(std::string_view(sets).substr(1000, FrontReader::kTextBytesMax));
  a.client(std::string_view(sets).substr(1000 + FrontReader::kTextBytesMax));
  EXPECT_EQ(a.heard(), sets);
  a.server(done("SET") + done("SELECT 1") + ready());
  EXPECT_TRUE(a.machine.pins().none());
  a.leave();
  EXPECT_EQ(*connection->settings, *settings_of({{"a.x", "1"}}));
  a.use(*connection);
  run(a, "begin; " + comment + "select setseed(0.5)", "BEGIN", 'T');
  EXPECT_TRUE(a.machine.pins().has(Pin::random_seed));
}

TEST_F(PooledLongTexts, what_would_have_to_be_sent_otherwise_pins_and_spoils) {
  for (const char* sql : {"prepare p as select 1", "execute p", "listen a", "deallocate all"}) {
    PooledPlay play{1};
    auto fresh = PooledPlay::connection(metrics);
    play.use(*fresh);
    const std::string text = query(sql + comment);
    play.client_in_parts(text);
    EXPECT_EQ(play.heard(), text);
    EXPECT_TRUE(play.machine.pins().has(Pin::long_statement)) << sql;
    EXPECT_TRUE(play.machine.has_spoilt());
  }
}

TEST_F(PooledLongTexts, the_unnamed_statement_keeps_its_connection_until_it_has_run) {
  a.use(*connection);
  const std::string parsed = parse("", "select 1" + comment) + kSync;
  a.client_in_parts(parsed);
  EXPECT_EQ(a.heard(), parsed);
  a.server(kParsed + ready());
  EXPECT_FALSE(a.machine.may_leave());
  a.client(binding("", "") + execute() + kSync);
  EXPECT_EQ(a.heard(), binding("", "") + execute() + kSync);
  a.server(kBound + done("SELECT 1") + ready());
  EXPECT_FALSE(a.machine.has_spoilt());
  a.leave();
  a.use(*connection);
  a.client(binding("", "") + kSync);
  EXPECT_EQ(a.heard(), binding("", "trunkline_0") + kSync) << "it is gone, as after a Query";
}

TEST_F(PooledLongTexts, one_with_a_name_pins) {
  a.use(*connection);
  a.client_in_parts(parse("s", "select 1" + comment) + kSync);
  EXPECT_TRUE(a.machine.pins().has(Pin::long_statement));
  EXPECT_TRUE(a.machine.has_spoilt());
}

TEST_F(PooledPins, in_session_mode_it_keeps_the_connection) {
  PooledPlay play(1, nullptr, true);
  play.use(*connection);
  run(play, "select 1", "SELECT 1");
  EXPECT_FALSE(play.machine.may_leave());
  EXPECT_FALSE(play.machine.has_spoilt());
}

TEST_F(PooledSettings, what_a_commit_that_fails_has_set_is_undone) {
  a.use(*connection);
  run(a, "BEGIN", "BEGIN", 'T');
  run(a, "SET work_mem TO '5MB'", "SET", 'T');
  a.client(query("COMMIT"));
  a.server(failed("23503", "a constraint that was deferred") + ready());
  a.heard();
  a.leave();
  a.use(*connection);
  a.client(query("SELECT 1"));
  EXPECT_FALSE(a.heard().contains("5MB"));
}

}  // namespace
}  // namespace trunkline::session
