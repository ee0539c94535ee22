#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "session/listening_for_tests.h"
#include "session/pooled_for_tests.h"

// What a pool does not let its clients do.
namespace trunkline::session {
namespace {

using Verdict = PooledMachine::Verdict;

// What the server is given in place of something that is not to run.
const std::string kFails = binding("", "trunkline_0");
const std::string kNoStatement = failed("26000", "no such statement");

std::string refusal_of_blocks() {
  std::string bytes;
  wire::append_error(bytes, {.reason = Reason::client_rejected,
                             .side = Side::client,
                             .sqlstate = "0A000",
                             .message = "transaction blocks are not allowed in statement pooling "
                                        "mode",
                             .hint = "With \"mode\" of the \"pool\" at \"transaction\" they are."});
  return bytes;
}

class PooledStatementMode : public PooledTest {
 protected:
  PooledPlay play{
      PooledClient::Identity{.session = 1, .keeps_connection = false, .refuses_blocks = true}};
};

TEST_F(PooledStatementMode, a_block_is_refused_before_it_is_sent) {
  play.use(*connection);
  for (std::string text : {"begin", "START TRANSACTION READ ONLY", "select 1; begin",
                           "begin; insert into t values (1); commit"}) {
    EXPECT_EQ(play.client(query(text)), Verdict::go_on);
    EXPECT_EQ(play.heard(), kFails + kSync) << text;
    EXPECT_EQ(play.server(kNoStatement + ready()), refusal_of_blocks() + ready()) << text;
  }
  play.leave();
}

TEST_F(PooledStatementMode, the_session_goes_on_and_may_leave_after_each_statement) {
  play.use(*connection);
  play.client(query("select 1"));
  EXPECT_EQ(play.heard(), query("select 1"));
  EXPECT_EQ(play.server(done("SELECT 1") + ready()), done("SELECT 1") + ready());
  play.leave();
  play.use(*connection);
  play.client(parse("", "insert into t values (1)") + binding("", "") + execute() + kSync);
  play.server(kParsed + kBound + done("INSERT 0 1") + ready());
  play.leave();
}

TEST_F(PooledStatementMode, a_block_cannot_be_prepared) {
  play.use(*connection);
  play.client(parse("s", "begin") + binding("", "s") + execute() + kSync);
  EXPECT_TRUE(play.heard().starts_with(kFails));
  EXPECT_EQ(play.server(kNoStatement + ready()), refusal_of_blocks() + ready());
  play.client(binding("", "s") + kSync);
  play.heard();
  std::string said = play.server(kNoStatement + ready());
  EXPECT_TRUE(said.contains("prepared statement \"s\" does not exist")) << said;
}

TEST_F(PooledStatementMode, the_unnamed_statement_is_gone_as_after_any_parse_that_fails) {
  play.use(*connection);
  play.client(parse("", "select 1") + kSync);
  play.server(kParsed + ready());
  play.client(parse("", "begin") + kSync);
  play.server(kNoStatement + ready());
  play.heard();
  play.client(binding("", "") + kSync);
  EXPECT_TRUE(play.server(kNoStatement + ready()).contains("unnamed prepared statement"));
}

TEST_F(PooledStatementMode, a_block_that_was_not_seen_is_taken_back) {
  play.use(*connection);
  std::string text = "select '" + std::string(300'000, 'x') + "'; begin";
  play.client_in_parts(query(text));
  EXPECT_EQ(play.heard(), query(text));
  EXPECT_EQ(play.server(done("SELECT 1") + done("BEGIN") + ready('T')),
            done("SELECT 1") + done("BEGIN") + refusal_of_blocks() + ready());
  EXPECT_FALSE(play.machine.may_leave());
  ASSERT_TRUE(play.machine.has_own_request());
  play.own_request();
  EXPECT_EQ(play.heard(), query("ROLLBACK"));
  EXPECT_EQ(play.client(query("select 1")), Verdict::hold);
  EXPECT_EQ(play.server(done("ROLLBACK") + ready()), "");
  EXPECT_EQ(play.heard(), query("select 1")) << "the next query has gone on its way";
}

TEST_F(PooledStatementMode, other_modes_have_blocks) {
  a.use(*connection);
  a.client(query("begin"));
  EXPECT_EQ(a.heard(), query("begin"));
}

class PooledTimedOut : public PooledTest {};

TEST_F(PooledTimedOut, a_query_that_took_too_long_is_told_so) {
  a.use(*connection);
  a.client(query("select 1"));
  a.machine.note_timed_out();
  std::string said = a.server(failed("57014", "canceling statement due to user request") + ready());
  std::string expected;
  wire::ErrorField fields[] = {{'S', "ERROR"},
                               {'V', "ERROR"},
                               {'C', "57014"},
                               {'M', "canceling statement due to statement timeout"},
                               {'H', R"(The limit is "query_timeout" of the "pool".)"}};
  wire::append_error_response(expected, fields);
  EXPECT_EQ(said, expected + ready());
}

TEST_F(PooledTimedOut, other_errors_and_other_queries_keep_their_words) {
  a.use(*connection);
  const std::string cancelled = failed("57014", "canceling statement due to user request");
  a.client(query("select 1"));
  a.machine.note_timed_out();
  EXPECT_EQ(a.server(failed("22012", "division by zero") + ready()),
            failed("22012", "division by zero") + ready());
  a.client(query("select 1"));
  EXPECT_EQ(a.server(cancelled + ready()), cancelled + ready());
}

class PooledQueryRate : public PooledListeningTest {
 protected:
  observe::Group cells{pool::kPoolMetrics, nullptr, 1};
  QueryLimit limit{{.route = std::make_shared<pool::QueryRate>(1), .user = nullptr},
                   config::OverQueryLimit::reject,
                   1s,
                   cells.cells(0)};

  void SetUp() override {
    PooledListeningTest::SetUp();
    play.limit_queries(limit);
  }
  bool is_refused() {
    play.client(query("select 1"));
    return !play.heard().ends_with(query("select 1"));
  }
};

TEST_F(PooledQueryRate, what_the_server_skips_costs_nothing) {
  play.client(parse("", "selec"));
  play.heard();
  play.server(failed("42601", "syntax error"));
  const std::string skipped = binding("", "") + execute() + execute();
  play.client(skipped);
  EXPECT_EQ(play.heard(), skipped);
  play.client(kSync);
  play.heard();
  play.server(ready());
  EXPECT_FALSE(is_refused());
  EXPECT_EQ(play.server(done("SELECT 1") + ready()), done("SELECT 1") + ready());
  EXPECT_TRUE(is_refused());
}

TEST_F(PooledQueryRate, a_listen_that_waits_is_one_query) {
  play.client(query("LISTEN a"));
  EXPECT_EQ(play.heard(), "");
  play.own.on_listening_answer(listening.last, true);
  play.go_on();
  EXPECT_EQ(play.heard(), query("LISTEN a"));
}

}  // namespace
}  // namespace trunkline::session
