#include <gtest/gtest.h>
#include <string>

#include "session/pooled_for_tests.h"

// What becomes of a server connection whose client is gone.
namespace trunkline::session {
namespace {

using Cleaning = PooledMachine::Cleaning;

class PooledCleanUp : public testing::Test {
 protected:
  void SetUp() override { play.use(*connection); }

  TestMetrics metrics;
  std::unique_ptr<pool::Connection> connection = PooledPlay::connection(metrics);
  PooledPlay play{1};
};

TEST_F(PooledCleanUp, without_a_connection_there_is_nothing_to_do) {
  play.machine.detach();
  EXPECT_EQ(play.clean_up(), Cleaning::done);
}

TEST_F(PooledCleanUp, of_a_connection_that_rests_is_done_at_once) {
  play.client(query("select 1"));
  play.server(done("SELECT 1") + ready());
  play.heard();
  EXPECT_EQ(play.clean_up(), Cleaning::done);
  EXPECT_EQ(play.heard(), "");
}

TEST_F(PooledCleanUp, a_transaction_is_rolled_back) {
  play.client(query("begin"));
  play.server(done("BEGIN") + ready('T'));
  play.heard();
  EXPECT_EQ(play.clean_up(), Cleaning::under_way);
  EXPECT_EQ(play.heard(), query("ROLLBACK"));
  EXPECT_EQ(play.clean_up(), Cleaning::under_way);
  EXPECT_EQ(play.heard(), "") << "asked once";
  EXPECT_EQ(play.server(done("ROLLBACK") + ready()), "");
  EXPECT_EQ(play.clean_up(), Cleaning::done);
}

TEST_F(PooledCleanUp, what_runs_is_waited_for) {
  play.client(query("select 1"));
  play.heard();
  EXPECT_TRUE(play.machine.runs_only_reads());
  EXPECT_EQ(play.clean_up(), Cleaning::under_way);
  EXPECT_EQ(play.heard(), "");
  play.server(done("SELECT 1") + ready());
  EXPECT_EQ(play.clean_up(), Cleaning::done);
}

TEST_F(PooledCleanUp, only_reads_may_be_cancelled) {
  play.client(query("insert into t values (1)"));
  EXPECT_FALSE(play.machine.runs_only_reads());
  play.server(done("INSERT 0 1") + ready());
  play.client(query("select 1"));
  EXPECT_TRUE(play.machine.runs_only_reads());
}

TEST_F(PooledCleanUp, a_pipeline_without_its_sync_is_undone) {
  play.client(parse("", "select 1") + binding("", "") + execute());
  play.heard();
  EXPECT_EQ(play.clean_up(), Cleaning::under_way);
  std::string heard = play.heard();
  EXPECT_EQ(heard, binding("", "trunkline_0") + kSync) << "it fails, and then it may end";
  play.server(kParsed + kBound + done("SELECT 1") + failed("26000", "no such statement") + ready());
  EXPECT_EQ(play.clean_up(), Cleaning::done);
}

TEST_F(PooledCleanUp, a_copy_is_made_to_fail) {
  play.client(query("copy t from stdin"));
  play.server(msg('G', "ab"));
  play.client(msg('d', "row"));
  play.heard();
  EXPECT_EQ(play.clean_up(), Cleaning::under_way);
  EXPECT_EQ(play.heard(), msg('f', c("client is gone")));
  play.server(failed("57014", "COPY from stdin failed") + ready());
  EXPECT_EQ(play.clean_up(), Cleaning::done);
}

TEST_F(PooledCleanUp, half_a_message_can_not_be_ended) {
  play.client(query("copy t from stdin"));
  play.server(msg('G', "ab"));
  play.client(msg('d', "0123456789").substr(0, 9));
  EXPECT_EQ(play.clean_up(), Cleaning::useless);
}

TEST_F(PooledCleanUp, what_pins_is_discarded) {
  play.client(query("create temp table t (x int)"));
  play.server(done("CREATE TABLE") + ready());
  play.client(parse("s", "select 1") + kSync);
  play.server(kParsed + ready());
  play.heard();
  EXPECT_EQ(play.clean_up(), Cleaning::under_way);
  EXPECT_EQ(play.heard(), query("DISCARD ALL"));
  EXPECT_EQ(play.server(done("DISCARD ALL") + ready()), "");
  EXPECT_EQ(play.clean_up(), Cleaning::done);
  EXPECT_EQ(connection->statements.size(), 0u) << "they went with all else";
  play.machine.detach();
  EXPECT_TRUE(pool::same(connection->settings, nullptr));
  EXPECT_FALSE(connection->unproven);
}

TEST_F(PooledCleanUp, what_nothing_takes_away_makes_it_useless) {
  play.client(query("select setseed(0.5)"));
  play.server(done("SELECT 1") + ready());
  EXPECT_EQ(play.clean_up(), Cleaning::useless);
}

TEST_F(PooledCleanUp, prepared_statements_stay_for_the_next) {
  play.client(parse("s", "select 1") + kSync);
  play.server(kParsed + ready());
  EXPECT_EQ(play.clean_up(), Cleaning::done);
  EXPECT_EQ(connection->statements.size(), 1u);
}

}  // namespace
}  // namespace trunkline::session
