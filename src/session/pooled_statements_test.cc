#include <gtest/gtest.h>
#include <string>

#include "session/pooled_for_tests.h"

// Whose prepared statement is which.
namespace trunkline::session {
namespace {

using Verdict = PooledMachine::Verdict;

const std::string kSelectDone = done("SELECT 1");

class PooledStatements : public testing::Test {
 protected:
  // Two sessions of one worker, and the connection they share.
  TestMetrics metrics;
  std::unique_ptr<pool::Connection> connection = PooledPlay::connection(metrics);
  PooledPlay a{1};
  PooledPlay b{2};
};

TEST_F(PooledStatements, a_statement_gets_a_name_of_ours) {
  a.use(*connection);
  EXPECT_EQ(a.client(parse("s", "select 1") + describe("s") + binding("", "s") + execute() + kSync),
            Verdict::go_on);
  EXPECT_EQ(a.heard(), parse("trunkline_1", "select 1") + describe("trunkline_1") +
                           binding("", "trunkline_1") + execute() + kSync);
  std::string answers = kParsed + msg('t', "xx") + msg('n', "") + kBound + kSelectDone + ready();
  EXPECT_EQ(a.server(answers), answers);
  EXPECT_TRUE(a.machine.may_leave());
}

TEST_F(PooledStatements, what_the_server_knows_is_answered_by_the_proxy_in_its_turn) {
  a.use(*connection);
  a.client(parse("s", "select 1") + kSync);
  a.server(kParsed + ready());
  a.heard();
  a.leave();
  b.use(*connection);
  // Its own name, the same text; between two that the server answers.
  b.client(parse("x", "select 2") + parse("other", "select 1") + binding("", "other") + execute() +
           kSync);
  EXPECT_EQ(b.heard(),
            parse("trunkline_2", "select 2") + binding("", "trunkline_1") + execute() + kSync);
  EXPECT_EQ(b.own_answers(), "") << "the first is not answered yet";
  EXPECT_EQ(b.server(kParsed + kBound + kSelectDone + ready()),
            kParsed + kParsed + kBound + kSelectDone + ready());
}

TEST_F(PooledStatements, in_a_block_without_a_snapshot_one_is_taken_in_its_place) {
  a.use(*connection);
  a.client(parse("s", "select 1") + parse("t", "show x") + kSync);
  a.server(kParsed + kParsed + ready());
  a.client(query("begin"));
  a.server(done("BEGIN") + ready('T'));
  a.heard();
  a.client(parse("of no query", "show x") + kSync);
  EXPECT_EQ(a.heard(), kSync);
  EXPECT_EQ(a.own_answers() + a.server(ready('T')), kParsed + ready('T'));
  const std::string close = close_statement("trunkline_snapshot");
  const std::string snapshot = close + parse("trunkline_snapshot", "SELECT") + close;
  a.client(parse("u", "select 1") + kSync);
  EXPECT_EQ(a.heard(), snapshot + kSync);
  EXPECT_EQ(a.server(kClosed + kParsed + kClosed + ready('T')), kParsed + ready('T'));
  a.client(parse("v", "select 1") + kSync);
  EXPECT_EQ(a.heard(), kSync) << "it has one";
  EXPECT_EQ(a.own_answers() + a.server(ready('T')), kParsed + ready('T'));
  a.client(query("commit and chain"));
  a.server(done("COMMIT") + ready('T'));
  a.heard();
  a.client(parse("w", "select 1") + kSync);
  EXPECT_EQ(a.heard(), snapshot + kSync) << "in the next transaction";
}

TEST_F(PooledStatements, a_snapshot_ends_with_its_transaction_however_that_ends) {
  a.use(*connection);
  a.client(parse("s", "select 1") + kSync);
  a.server(kParsed + ready());
  auto begin = [&](std::string_view sql, std::string_view tags) {
    a.client(query(sql));
    std::string done_all;
    for (char tag : tags)
      done_all += done(tag == 'b' ? "BEGIN" : tag == 's' ? "SELECT 1" : "COMMIT");
    a.server(done_all + ready('T'));
    a.heard();
  };
  auto takes_one = [&](const std::string& name) {
    a.client(parse(name, "select 1") + kSync);
    bool takes = a.heard().contains("trunkline_snapshot");
    if (takes) a.server(kClosed + kParsed + kClosed);
    a.own_answers();
    a.server(ready('T'));
    return takes;
  };
  begin("begin", "b");
  begin("select 1", "s");
  EXPECT_FALSE(takes_one("t"));
  a.client(query("prepare p as select 1"));
  a.server(done("PREPARE") + ready('T'));
  begin("execute p; commit and chain", "sc");
  EXPECT_TRUE(takes_one("u"));
  begin("savepoint a", "b");
  a.client(query("select 1 / 0"));
  a.server(failed("22012", "division by zero") + ready('E'));
  begin("rollback to a", "b");
  EXPECT_TRUE(takes_one("v")) << "what has failed may have taken none";
}

TEST_F(PooledStatements, what_comes_behind_an_error_that_is_known_has_no_effect) {
  a.use(*connection);
  a.client(parse("bad", "selec") + msg('H', ""));
  EXPECT_EQ(a.server(failed("42601", "syntax error")), failed("42601", "syntax error"));
  a.heard();
  a.client(parse("s", "select 2") + binding("", "s") + execute() + query("set x to 1") + kSync);
  EXPECT_EQ(a.server(ready()), ready());
  EXPECT_TRUE(a.machine.may_leave());
  a.heard();
  a.leave();
  b.use(*connection);
  b.client(parse("t", "select 2") + kSync);
  EXPECT_TRUE(b.heard().contains("select 2")) << "the server has never seen it";
  b.server(kParsed + ready());
  b.leave();
  a.use(*connection);
  a.client(parse("s", "select 2") + kSync);
  a.heard();
  EXPECT_EQ(a.own_answers() + a.server(ready()), kParsed + ready()) << "the name is free";
}

TEST_F(PooledStatements, answers_of_the_proxy_come_without_the_server) {
  a.use(*connection);
  a.client(parse("s", "select 1") + kSync);
  a.server(kParsed + ready());
  a.heard();
  a.client(close_statement("s") + parse("t", "select 1") + kSync);
  EXPECT_EQ(a.heard(), kSync);
  EXPECT_EQ(a.own_answers(), kClosed + kParsed);
  EXPECT_EQ(a.server(ready()), ready());
}

TEST_F(PooledStatements, each_session_has_its_own_names) {
  a.use(*connection);
  a.client(parse("s", "select 1") + kSync);
  a.server(kParsed + ready());
  a.heard();
  a.leave();
  b.use(*connection);
  b.client(parse("s", "select 2") + binding("", "s") + execute() + kSync);
  EXPECT_EQ(b.heard(),
            parse("trunkline_2", "select 2") + binding("", "trunkline_2") + execute() + kSync);
  b.server(kParsed + kBound + kSelectDone + ready());
  b.leave();
  a.use(*connection);
  a.client(binding("", "s") + execute() + kSync);
  EXPECT_EQ(a.heard(), binding("", "trunkline_1") + execute() + kSync);
}

TEST_F(PooledStatements, on_another_connection_they_are_prepared_again_unseen) {
  a.use(*connection);
  a.client(parse("s", "select 1") + kSync);
  a.server(kParsed + ready());
  a.heard();
  a.leave();
  auto other = PooledPlay::connection(metrics);
  a.use(*other);
  a.client(binding("", "s") + execute() + kSync);
  EXPECT_EQ(a.heard(),
            parse("trunkline_1", "select 1") + binding("", "trunkline_1") + execute() + kSync);
  EXPECT_EQ(a.server(kParsed + kBound + kSelectDone + ready()), kBound + kSelectDone + ready());
  a.client(describe("s") + kSync);
  EXPECT_EQ(a.heard(), describe("trunkline_1") + kSync);
}

TEST_F(PooledStatements, the_unnamed_one_is_each_sessions_own) {
  a.use(*connection);
  a.client(parse("", "select 1") + kSync);
  EXPECT_EQ(a.heard(), parse("", "select 1") + kSync);
  a.server(kParsed + ready());
  a.client(binding("", "") + execute() + kSync);
  EXPECT_EQ(a.heard(), binding("", "") + execute() + kSync) << "still there";
  a.server(kBound + kSelectDone + ready());
  a.leave();
  b.use(*connection);
  b.client(parse("", "select 2") + kSync);
  b.server(kParsed + ready());
  b.heard();
  b.leave();
  a.use(*connection);
  a.client(binding("", "") + execute() + kSync);
  EXPECT_EQ(a.heard(), parse("", "select 1") + binding("", "") + execute() + kSync);
  EXPECT_EQ(a.server(kParsed + kBound + kSelectDone + ready()), kBound + kSelectDone + ready());
}

TEST_F(PooledStatements, a_query_drops_the_unnamed_one) {
  a.use(*connection);
  a.client(parse("", "select 1") + kSync);
  a.server(kParsed + ready());
  a.client(query("select 2"));
  a.server(kSelectDone + ready());
  a.heard();
  a.client(binding("", "") + kSync);
  EXPECT_EQ(a.heard(), binding("", "trunkline_0") + kSync) << "something that fails likewise";
  EXPECT_EQ(
      a.server(failed("26000", "prepared statement \"trunkline_0\" does not exist") + ready()),
      failed("26000", "unnamed prepared statement does not exist") + ready());
}

TEST_F(PooledStatements, names_of_ours_never_show) {
  a.use(*connection);
  a.client(binding("", "none") + execute() + kSync);
  EXPECT_EQ(a.heard(), binding("", "trunkline_0") + execute() + kSync);
  EXPECT_EQ(
      a.server(failed("26000", "prepared statement \"trunkline_0\" does not exist") + ready()),
      failed("26000", "prepared statement \"none\" does not exist") + ready());
  a.client(parse("s", "select 1") + kSync);
  a.server(kParsed + ready());
  a.heard();
  a.client(parse("s", "select 2") + kSync);
  EXPECT_EQ(a.heard(), parse("trunkline_1", "select 2") + kSync)
      << "the text is the server's to judge, and then the name";
  EXPECT_EQ(
      a.server(failed("42P05", "prepared statement \"trunkline_1\" already exists") + ready()),
      failed("42P05", "prepared statement \"s\" already exists") + ready());
  a.heard();
  a.client(binding("", "s") + kSync);
  EXPECT_EQ(a.heard(), binding("", "trunkline_1") + kSync) << "it is still the first";
}

TEST_F(PooledStatements, of_two_mistakes_in_a_pipeline_the_first_is_told) {
  a.use(*connection);
  a.client(binding("", "one") + binding("", "two") + kSync);
  EXPECT_EQ(a.server(failed("26000", "whatever") + ready()),
            failed("26000", "prepared statement \"one\" does not exist") + ready());
}

TEST_F(PooledStatements, a_parse_that_fails_did_not_happen) {
  a.use(*connection);
  a.client(parse("s", "select") + binding("", "s") + execute() + kSync);
  a.heard();
  EXPECT_EQ(a.server(failed("42601", "syntax error") + ready()),
            failed("42601", "syntax error") + ready());
  a.client(parse("s", "select 1") + kSync);
  EXPECT_EQ(a.heard(), parse("trunkline_2", "select 1") + kSync) << "the name is free";
  EXPECT_EQ(a.server(kParsed + ready()), kParsed + ready());
}

TEST_F(PooledStatements, what_is_skipped_after_an_error_did_not_happen) {
  a.use(*connection);
  a.client(parse("known", "select 1") + parse("old", "select 3") + kSync);
  a.server(kParsed + kParsed + ready());
  a.client(parse("", "error") + parse("new", "select 2") + parse("short", "select 1") +
           close_statement("old") + kSync);
  EXPECT_EQ(a.server(failed("42601", "syntax error") + ready()),
            failed("42601", "syntax error") + ready())
      << "the proxy's own answers are skipped with the server's";
  a.heard();
  a.client(binding("", "old") + kSync);
  EXPECT_EQ(a.heard(), binding("", "trunkline_2") + kSync) << "it was not closed";
  a.server(kBound + ready());
  a.client(binding("", "short") + kSync);
  EXPECT_EQ(a.server(failed("26000", "x") + ready()),
            failed("26000", "prepared statement \"short\" does not exist") + ready());
  a.heard();
  a.client(parse("new", "select 2") + kSync);
  EXPECT_EQ(a.heard(), parse("trunkline_4", "select 2") + kSync)
      << "the server does not know it: it was skipped";
}

TEST_F(PooledStatements, what_was_confirmed_before_an_error_stays) {
  a.use(*connection);
  a.client(parse("s", "select 1") + parse("t", "error") + kSync);
  a.server(kParsed + failed("42601", "syntax error") + ready());
  a.heard();
  a.client(binding("", "s") + kSync);
  EXPECT_EQ(a.heard(), binding("", "trunkline_1") + kSync);
}

TEST_F(PooledStatements, closing_one_frees_the_name_and_leaves_it_to_others) {
  a.use(*connection);
  a.client(parse("s", "select 1") + kSync);
  a.server(kParsed + ready());
  a.client(close_statement("s") + close_statement("never was") + kSync);
  a.heard();
  EXPECT_EQ(a.server(ready()), kClosed + kClosed + ready());
  a.leave();
  b.use(*connection);
  b.client(parse("mine", "select 1") + binding("", "mine") + kSync);
  EXPECT_EQ(b.heard(), binding("", "trunkline_1") + kSync);
}

TEST_F(PooledStatements, deallocate_all_drops_the_clients_and_what_the_server_had) {
  for (const char* text : {"DEALLOCATE ALL", "DISCARD ALL"}) {
    PooledPlay play{7};
    auto fresh = PooledPlay::connection(metrics);
    play.use(*fresh);
    play.client(parse("s", "select 1") + kSync);
    play.server(kParsed + ready());
    play.client(query(text));
    play.server(done(text) + ready());
    play.heard();
    EXPECT_EQ(fresh->statements.size(), 0u);
    play.client(binding("", "s") + kSync);
    EXPECT_EQ(play.server(failed("26000", "x") + ready()),
              failed("26000", "prepared statement \"s\" does not exist") + ready())
        << text;
  }
}

TEST_F(PooledStatements, beyond_the_bound_of_a_connection_the_oldest_is_closed) {
  a.use(*connection);
  for (size_t i = 0; i < pool::ServerStatements::kMax; ++i) {
    a.client(parse("s" + std::to_string(i), "select " + std::to_string(i)) + kSync);
    a.server(kParsed + ready());
  }
  a.heard();
  a.client(parse("more", "select 'more'") + kSync);
  EXPECT_EQ(a.heard(),
            close_statement("trunkline_1") + parse("trunkline_1f5", "select 'more'") + kSync);
  EXPECT_EQ(a.server(kClosed + kParsed + ready()), kParsed + ready());
  a.client(binding("", "s0") + kSync);
  EXPECT_EQ(a.heard(), close_statement("trunkline_2") + parse("trunkline_1f6", "select 0") +
                           binding("", "trunkline_1f6") + kSync);
  EXPECT_EQ(a.server(kClosed + kParsed + kBound + ready()), kBound + ready());
}

TEST_F(PooledStatements, one_that_reads_tables_is_looked_at_before_it_passes_for_a_new_one) {
  const std::string known = parse("s", "select * from t") + kSync;
  a.use(*connection);
  a.client(known);
  a.server(kParsed + ready());
  a.leave();
  pool::Destination destination(nullptr, "db", config::Pool{}, auth::Credentials{});
  connection->destination = &destination;
  connection->unproven = false;
  b.use(*connection);
  b.client(known);
  EXPECT_EQ(b.heard(), describe("trunkline_1") + kSync);
  std::string described = msg('t', std::string(2, '\0')) + msg('T', std::string(2, '\0'));
  EXPECT_EQ(b.server(described + ready()), kParsed + ready());
  EXPECT_FALSE(b.machine.wants_restart());
  b.leave();
  // Somebody else has altered the table.
  PooledPlay late{3};
  late.use(*connection);
  late.client(known);
  late.heard();
  EXPECT_EQ(late.server(failed("0A000", "cached plan must not change result type") + ready()), "");
  EXPECT_TRUE(late.machine.wants_restart());
  EXPECT_EQ(destination.ddl_epoch(), 1u);
  late.machine.restart();
  late.machine.detach();
  auto other = PooledPlay::connection(metrics);
  late.use(*other);
  late.client(known);
  EXPECT_EQ(late.heard(), parse("trunkline_1", "select * from t") + kSync);
}

TEST_F(PooledStatements, where_nothing_can_begin_anew_it_is_prepared_again) {
  a.use(*connection);
  a.client(parse("s", "select * from t") + kSync);
  a.server(kParsed + ready());
  a.client(query("begin"));
  a.server(done("BEGIN") + ready('T'));
  a.heard();
  a.client(parse("again", "select * from t") + kSync);
  EXPECT_EQ(a.heard(),
            close_statement("trunkline_1") + parse("trunkline_2", "select * from t") + kSync);
}

TEST_F(PooledStatements, a_refused_repreparation_is_told_as_the_servers_error) {
  a.use(*connection);
  a.client(parse("s", "select x from t") + kSync);
  a.server(kParsed + ready());
  a.leave();
  auto other = PooledPlay::connection(metrics);
  a.use(*other);
  a.client(binding("", "s") + execute() + kSync);
  EXPECT_EQ(a.server(failed("42P01", "no t") + ready()), failed("42P01", "no t") + ready());
  EXPECT_EQ(other->statements.size(), 0u);
  EXPECT_TRUE(a.machine.may_leave());
  a.heard();
  a.client(binding("", "s") + kSync);
  EXPECT_EQ(a.heard(), parse("trunkline_2", "select x from t") + binding("", "trunkline_2") + kSync)
      << "it is the client's still";
}

}  // namespace
}  // namespace trunkline::session
