#include "session/pooled_machine.h"

#include <gtest/gtest.h>
#include <string>

#include "session/pooled_for_tests.h"

namespace trunkline::session {
namespace {

using Verdict = PooledMachine::Verdict;
using Cleaning = PooledMachine::Cleaning;

class PooledMachineTest : public testing::Test {
 protected:
  // What goes ahead of a session's bytes on a connection like this one.
  std::string guard(const pool::SettingsPtr& wanted, bool cleanse = false,
                    const pool::SettingsPtr& before = nullptr) {
    pool::Connection twin;
    twin.settings = before;
    std::string bytes;
    pool::append_guard(bytes, twin, wanted, cleanse);
    return bytes;
  }
  // A query that is answered at once.
  void run(PooledPlay& play, std::string_view sql, std::string_view tag, char status = 'I') {
    play.client(query(sql));
    play.server(done(tag) + ready(status));
    play.heard();
    play.to_client.clear();
  }

  TestMetrics metrics;
  std::unique_ptr<pool::Connection> connection = PooledPlay::connection(metrics);
  PooledPlay a{1};
  PooledPlay b{2};
};

TEST_F(PooledMachineTest, asks_for_a_server_only_when_one_is_needed) {
  EXPECT_EQ(a.client(kSync + kSync), Verdict::go_on);
  EXPECT_EQ(a.own_answers(), ready() + ready());
  EXPECT_EQ(a.client(msg('H', "")), Verdict::go_on);
  EXPECT_EQ(a.own_answers(), "");
  EXPECT_EQ(a.client(query("select 1")), Verdict::need_server);
  EXPECT_EQ(a.waiting, query("select 1"));
  a.use(*connection);
  EXPECT_EQ(a.go_on(), Verdict::go_on);
  EXPECT_EQ(a.heard(), query("select 1"));
  EXPECT_FALSE(a.machine.may_leave());
  EXPECT_TRUE(a.machine.exchange_open());
  EXPECT_EQ(a.server(done("SELECT 1") + ready()), done("SELECT 1") + ready());
  EXPECT_TRUE(a.machine.may_leave());
}

TEST_F(PooledMachineTest, the_client_may_say_good_bye_without_a_server) {
  EXPECT_EQ(a.client(msg('X', "")), Verdict::terminate);
}

TEST_F(PooledMachineTest, keeps_the_connection_while_a_transaction_is_open) {
  a.use(*connection);
  run(a, "begin", "BEGIN", 'T');
  EXPECT_FALSE(a.machine.may_leave());
  EXPECT_TRUE(a.machine.in_transaction());
  a.client(query("select 1/0"));
  a.server(failed("22012", "division by zero") + ready('E'));
  EXPECT_FALSE(a.machine.may_leave());
  run(a, "rollback", "ROLLBACK");
  EXPECT_TRUE(a.machine.may_leave());
  EXPECT_FALSE(a.machine.in_transaction());
}

TEST_F(PooledMachineTest, extended_messages_keep_it_up_to_the_answer_to_sync) {
  a.use(*connection);
  a.client(parse("", "select 1") + msg('H', ""));
  EXPECT_EQ(a.heard(), parse("", "select 1") + msg('H', ""));
  EXPECT_EQ(a.server(kParsed), kParsed);
  EXPECT_FALSE(a.machine.may_leave());
  a.client(kSync);
  EXPECT_FALSE(a.machine.may_leave());
  a.server(ready());
  EXPECT_TRUE(a.machine.may_leave());
}

TEST_F(PooledMachineTest, what_follows_a_sync_waits_for_its_answer) {
  a.use(*connection);
  EXPECT_EQ(a.client(query("select 1") + query("select 2") + kSync), Verdict::hold);
  EXPECT_EQ(a.heard(), query("select 1"));
  EXPECT_EQ(a.go_on(), Verdict::hold);
  EXPECT_EQ(a.server(done("SELECT 1") + ready()), done("SELECT 1") + ready());
  EXPECT_EQ(a.heard(), query("select 2"));
  a.server(done("SELECT 1") + ready());
  EXPECT_EQ(a.heard(), kSync);
  EXPECT_EQ(a.server(ready()), ready());
  EXPECT_TRUE(a.machine.may_leave());
}

TEST_F(PooledMachineTest, the_same_comes_out_however_the_answers_are_cut) {
  std::string answers = msg('T', std::string(100, 'x')) + msg('D', std::string(300, 'v')) +
                        done("SELECT 1") + ready();
  for (size_t every = 1; every < answers.size(); ++every) {
    PooledPlay play{1};
    auto fresh = PooledPlay::connection(metrics);
    play.use(*fresh);
    play.every = every;
    play.client(query("select 1"));
    EXPECT_EQ(play.server(answers), answers) << every;
    EXPECT_TRUE(play.machine.may_leave()) << every;
  }
}

TEST_F(PooledMachineTest, the_same_goes_on_however_the_requests_are_cut) {
  const std::string requests = parse("s", "select 1") + binding("", "s") + describe("s") +
                               execute() + close_statement("s") + kSync;
  PooledPlay whole{1};
  auto fresh = PooledPlay::connection(metrics);
  whole.use(*fresh);
  whole.client(requests);
  for (size_t at = 1; at < requests.size(); ++at) {
    PooledPlay play{1};
    auto other = PooledPlay::connection(metrics);
    play.use(*other);
    play.client(std::string_view(requests).substr(0, at));
    play.client(std::string_view(requests).substr(at));
    EXPECT_EQ(play.to_server, whole.to_server) << at;
  }
}

TEST_F(PooledMachineTest, settings_go_ahead_of_the_query_in_the_same_write) {
  a.use(*connection);
  run(a, "set a.x = 1", "SET");
  a.leave();
  EXPECT_EQ(*connection->settings, *settings_of({{"a.x", "1"}}));
  b.use(*connection);
  b.client(query("select 2"));
  EXPECT_EQ(b.heard(), guard(nullptr, false, settings_of({{"a.x", "1"}})) + query("select 2"));
  EXPECT_EQ(b.server(guard_answers(true) + done("SELECT 1") + ready()), done("SELECT 1") + ready());
  b.leave();
  a.use(*connection);
  a.client(query("select 1"));
  std::string bytes = a.heard();
  EXPECT_TRUE(bytes.ends_with(query("select 1")));
  EXPECT_TRUE(bytes.contains("{\"a.x\"}"));
  EXPECT_TRUE(bytes.contains("{\"+1\"}"));
}

TEST_F(PooledMachineTest, equal_settings_need_no_guard) {
  a.use(*connection);
  run(a, "set a.x = 1", "SET");
  a.leave();
  PooledPlay other(3, settings_of({{"a.x", "1"}}));
  other.use(*connection);
  other.client(query("select 1"));
  EXPECT_EQ(other.heard(), query("select 1"));
}

TEST_F(PooledMachineTest, within_a_transaction_there_is_no_guard) {
  a.use(*connection);
  run(a, "begin", "BEGIN", 'T');
  run(a, "set a.x = 1", "SET", 'T');
  a.client(query("select 1"));
  EXPECT_EQ(a.heard(), query("select 1"));
}

TEST_F(PooledMachineTest, after_somebody_of_whom_not_all_is_known_the_connection_is_wiped) {
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
  EXPECT_EQ(b.heard(), guard(nullptr, true) + query("select 2"));
}

TEST_F(PooledMachineTest, a_refused_guard_is_the_error_of_the_query_that_did_not_run) {
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

TEST_F(PooledMachineTest, a_refused_guard_ahead_of_a_batch_needs_no_sync_of_ours) {
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

TEST_F(PooledMachineTest, what_the_server_reports_is_told_only_when_it_is_news) {
  a.use(*connection);
  a.client(query("set timezone = 'UTC'"));
  EXPECT_EQ(a.server(told("TimeZone", "UTC") + done("SET") + ready()),
            done("SET") + told("TimeZone", "UTC") + ready());
  a.leave();
  a.use(*connection);
  a.client(query("set timezone = 'UTC'"));
  EXPECT_EQ(a.server(told("TimeZone", "UTC") + done("SET") + ready()), done("SET") + ready());
  EXPECT_EQ(*connection->reported.find("TimeZone"), "UTC");
}

TEST_F(PooledMachineTest, a_report_that_comes_in_pieces_is_told_whole) {
  for (size_t every = 1; every < 12; ++every) {
    PooledPlay play{1};
    auto fresh = PooledPlay::connection(metrics);
    play.use(*fresh);
    play.every = every;
    play.client(query("set search_path = x"));
    std::string report = told("search_path", std::string(500, 'x'));
    std::string answers = report + done("SET") + ready();
    EXPECT_EQ(play.server(answers), done("SET") + report + ready()) << every;
    play.leave();
    play.use(*fresh);
    play.client(query("set search_path = x"));
    EXPECT_EQ(play.server(answers), done("SET") + ready()) << every;
  }
}

TEST_F(PooledMachineTest, copy_in_goes_on_and_keeps_the_connection) {
  a.use(*connection);
  a.client(query("copy t from stdin"));
  EXPECT_EQ(a.server(msg('G', "ab")), msg('G', "ab"));
  EXPECT_FALSE(a.machine.may_leave());
  a.heard();
  EXPECT_EQ(a.client(msg('d', "row") + kSync + msg('H', "") + msg('c', "")), Verdict::go_on);
  EXPECT_EQ(a.heard(), msg('d', "row") + kSync + msg('H', "") + msg('c', ""));
  a.server(done("COPY 1") + ready());
  EXPECT_TRUE(a.machine.may_leave());
}

TEST_F(PooledMachineTest, copy_data_that_comes_with_the_query_waits_for_the_servers_word) {
  a.use(*connection);
  EXPECT_EQ(a.client(query("copy t from stdin") + msg('d', "row") + msg('c', "")), Verdict::hold);
  EXPECT_EQ(a.heard(), query("copy t from stdin"));
  a.server(msg('G', "ab"));
  EXPECT_EQ(a.heard(), msg('d', "row") + msg('c', ""));
  EXPECT_EQ(a.server(done("COPY 1") + ready()), done("COPY 1") + ready());
}

TEST_F(PooledMachineTest, copy_data_for_nothing_is_ignored_as_the_server_does) {
  EXPECT_EQ(a.client(msg('d', "row") + msg('c', "") + msg('f', c("no"))), Verdict::go_on);
  EXPECT_EQ(a.own_answers(), "");
  a.use(*connection);
  a.client(query("copy t from stdin") + msg('d', "row") + msg('c', ""));
  a.server(failed("42P01", "no t") + ready());
  EXPECT_EQ(a.heard(), query("copy t from stdin"));
  EXPECT_EQ(a.waiting, "");
  EXPECT_TRUE(a.machine.may_leave());
}

TEST_F(PooledMachineTest, a_message_that_goes_on_keeps_the_connection) {
  a.use(*connection);
  a.client(query("copy t from stdin"));
  a.server(msg('G', "ab"));
  a.heard();
  a.client(msg('d', "0123456789").substr(0, 9));
  EXPECT_EQ(a.heard(), msg('d', "0123456789").substr(0, 9));
  a.server(failed("57014", "cancelled") + ready());
  EXPECT_FALSE(a.machine.may_leave()) << "the server waits for the rest";
  EXPECT_TRUE(a.machine.client_message_open());
  a.client(msg('d', "0123456789").substr(9));
  EXPECT_TRUE(a.machine.may_leave());
}

TEST_F(PooledMachineTest, function_calls_are_answered_and_never_trusted) {
  a.use(*connection);
  a.client(msg('F', "call"));
  EXPECT_EQ(a.heard(), msg('F', "call"));
  EXPECT_EQ(a.server(msg('V', "1234") + ready()), msg('V', "1234") + ready());
  EXPECT_TRUE(connection->unproven);
  EXPECT_TRUE(a.machine.has_own_request());
}

TEST_F(PooledMachineTest, instead_of_a_server_there_may_be_an_error_up_to_the_next_sync) {
  EXPECT_EQ(a.client(parse("", "select 1") + binding("", "") + kSync + kSync),
            Verdict::need_server);
  Error error{.reason = Reason::pool_timeout,
              .side = Side::internal,
              .sqlstate = sqlstate::kTooManyConnections,
              .message = "no server connection came free in time"};
  a.machine.refuse_next(error);
  EXPECT_EQ(a.go_on(), Verdict::go_on);
  std::string expected;
  wire::append_error(expected, error);
  EXPECT_EQ(a.own_answers(), expected + ready() + ready());
  EXPECT_EQ(a.client(query("select 1")), Verdict::need_server) << "the session goes on";
}

TEST_F(PooledMachineTest, what_cannot_be_moved_is_asked_for_and_pins) {
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

TEST_F(PooledMachineTest, the_probe_is_read_however_it_is_cut) {
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

TEST_F(PooledMachineTest, some_things_pin_without_a_question) {
  struct Case {
    const char* sql;
    Pin pin;
  };
  for (const Case& each :
       {Case{"select setseed(0.5)", Pin::random_seed}, Case{"select nextval('s')", Pin::sequence},
        Case{"select set_config('a.x', '1', false)", Pin::unknown_setting},
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

TEST_F(PooledMachineTest, a_text_too_long_to_be_looked_at_pins_and_spoils) {
  a.use(*connection);
  std::string text(FrontReader::kTextBytesMax, ' ');
  a.client(std::string_view(query(text)).substr(0, 1000));
  a.client(std::string_view(query(text)).substr(1000));
  EXPECT_EQ(a.heard(), query(text));
  EXPECT_TRUE(a.machine.pins().has(Pin::long_statement));
  EXPECT_TRUE(a.machine.has_spoilt());
}

TEST_F(PooledMachineTest, in_session_mode_it_keeps_the_connection) {
  PooledPlay play(1, nullptr, true);
  play.use(*connection);
  run(play, "select 1", "SELECT 1");
  EXPECT_FALSE(play.machine.may_leave());
  EXPECT_FALSE(play.machine.has_spoilt());
}

TEST_F(PooledMachineTest, breaks_of_the_protocol_are_noticed_on_both_sides) {
  EXPECT_EQ(a.client(header('?', 4)), Verdict::violation);
  b.use(*connection);
  b.client(query("select 1"));
  std::string bytes = header('?', 4);
  std::string_view input = bytes;
  PooledMachine::Pieces out;
  EXPECT_FALSE(b.machine.from_server(input, b.now, out));
  EXPECT_EQ(b.machine.violation().side, Side::server);
}

TEST_F(PooledMachineTest, a_fatal_error_is_passed_on_and_remembered) {
  a.use(*connection);
  a.client(query("select 1"));
  EXPECT_EQ(a.server(error("FATAL")), error("FATAL"));
  EXPECT_TRUE(a.machine.server_said_fatal());
}

TEST_F(PooledMachineTest, counts_only_what_is_the_clients) {
  PooledPlay play(1, settings_of({{"a.x", "1"}}));
  play.use(*connection);
  play.client(query("select 1"));
  play.server(guard_answers(true) + msg('T', "x") + msg('D', "row") + done("SELECT 1") + ready());
  EXPECT_EQ(play.metrics.postgres->total(policy::kMessagesFrontend), 1u);
  EXPECT_EQ(play.metrics.postgres->total(policy::kStatements), 1u);
  EXPECT_EQ(play.metrics.postgres->total(policy::kTransactionsCommit), 1u);
  EXPECT_EQ(play.metrics.requests.get(), 1u);
}

TEST_F(PooledMachineTest, counts_every_message_that_the_client_is_told) {
  PooledPlay play(1, settings_of({{"a.x", "1"}}));
  play.use(*connection);
  play.client(query("select 1"));
  play.server(guard_answers(true) + done("SELECT 1") + ready());
  EXPECT_EQ(play.metrics.postgres->total(policy::kMessagesBackend), 2u);
}

}  // namespace
}  // namespace trunkline::session
