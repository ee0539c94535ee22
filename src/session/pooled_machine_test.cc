#include "session/pooled_machine.h"

#include <gtest/gtest.h>
#include <string>

#include "session/pooled_for_tests.h"

namespace trunkline::session {
namespace {

using Verdict = PooledMachine::Verdict;
using Cleaning = PooledMachine::Cleaning;

class PooledMachineTest : public PooledTest {};

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

TEST_F(PooledMachineTest, what_a_server_that_ends_has_not_begun_is_asked_of_another) {
  const std::string unit = parse("s", "insert into t values (1)") + binding("", "s") + execute();
  a.use(*connection);
  a.client(unit + kSync);
  a.heard();
  EXPECT_EQ(a.server(ended("57P01")), "");
  ASSERT_TRUE(a.machine.wants_restart());
  EXPECT_TRUE(a.machine.may_restart()) << "what was sent is still needed";
  a.machine.restart();
  a.machine.detach();
  auto other = PooledPlay::connection(metrics);
  a.use(*other);
  a.client(unit + kSync);
  EXPECT_EQ(a.heard(), parse("trunkline_1", "insert into t values (1)") +
                           binding("", "trunkline_1") + execute() + kSync);
  EXPECT_EQ(a.server(kParsed + kBound + done("INSERT 0 1") + ready()),
            kParsed + kBound + done("INSERT 0 1") + ready());
}

TEST_F(PooledMachineTest, nothing_is_asked_again_that_may_have_been_done) {
  struct Case {
    std::string asked;
    std::string answered;
    bool again;
  };
  for (const Case& each : {
           Case{query("select 1"), ended("57P01"), true},
           Case{query("select 1"), ended("57P05"), true},
           Case{query("begin; insert into t values (1)"), ended("57P01"), true},
           Case{query("select 1"), ended("57P02"), false},
           Case{query("select 1"), failed("57P01", "not fatal"), false},
           Case{query("insert into t values (1)"), done("INSERT 0 1") + ended("57P01"), false},
           Case{query("call p()"), ended("57P01"), false},
           Case{query("do 'begin commit; end'"), ended("57P01"), false},
           Case{query("vacuum"), ended("57P01"), false},
           Case{query("copy t from stdin"), ended("57P01"), false},
           Case{query("select dblink_exec('x')"), ended("57P01"), false},
           Case{query("commit"), ended("57P01"), false},
           Case{query("insert into t values (1); commit"), ended("57P01"), false},
       }) {
    PooledPlay play{1};
    auto fresh = PooledPlay::connection(metrics);
    play.use(*fresh);
    play.client(each.asked);
    std::string said = play.server(each.answered);
    EXPECT_EQ(play.machine.wants_restart(), each.again) << each.asked;
    EXPECT_EQ(said.empty(), each.again) << each.asked;
  }
  a.use(*connection);
  run(a, "begin", "BEGIN", 'T');
  a.client(query("select 1"));
  EXPECT_EQ(a.server(ended("57P01")), ended("57P01")) << "its transaction is lost";
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

TEST_F(PooledMachineTest, a_pipeline_too_long_for_the_queue_asks_for_answers_once) {
  a.use(*connection);
  std::string batch = parse("s", "select 1");
  for (size_t i = 0; i < wire::ResponseQueue::kRunsMax; ++i) {
    batch += binding("", "s") + execute();
  }
  EXPECT_EQ(a.client(batch + kSync), Verdict::hold);
  EXPECT_TRUE(a.heard().ends_with(msg('H', "")));
  EXPECT_EQ(a.go_on(), Verdict::hold);
  EXPECT_EQ(a.heard(), "") << "or the relay would write for ever";
  EXPECT_EQ(a.server(kParsed + kBound), kParsed + kBound);
  EXPECT_NE(a.heard(), "") << "there is room again";
}

}  // namespace
}  // namespace trunkline::session
