#include <gtest/gtest.h>
#include <string>

#include "session/pooled_for_tests.h"

// A client that would notice that others have used its connection.
namespace trunkline::session {
namespace {

using Verdict = PooledMachine::Verdict;

const std::string kRow = msg('D', std::string("\0\1\0\0\0\1"
                                              "1",
                                              7));
const std::string kAsks = "select current_setting('my.tenant', true)";

class PooledMadeUp : public PooledTest {
 protected:
  void SetUp() override {
    a.use(*connection);
    run(a, "set my.tenant = 42", "SET");
    a.leave();
    b.use(*connection);
  }
  // What b asks waits for a question of ours.
  void expect_question(std::string_view bytes) {
    EXPECT_EQ(b.client(bytes), Verdict::hold);
    EXPECT_EQ(b.heard(), "");
    EXPECT_FALSE(b.machine.may_leave());
    ASSERT_TRUE(b.machine.has_own_request());
    b.own_request();
    std::string heard = b.heard();
    EXPECT_TRUE(heard.contains("'{my.tenant}'")) << heard;
    EXPECT_TRUE(connection->unproven) << "it resets them";
  }
};

TEST_F(PooledMadeUp, AConnectionThatKnowsItIsGivenUp) {
  for (const std::string& asks :
       {query(kAsks), query("show my.tenant"), parse("", kAsks) + binding("", "") + kSync}) {
    PooledPlay other(7);
    other.use(*connection);
    EXPECT_EQ(other.client(asks), Verdict::hold);
    other.own_request();
    EXPECT_EQ(other.server(kRow + done("SELECT 1") + ready()), "");
    EXPECT_TRUE(connection->spoilt);
    connection->spoilt = false;
    EXPECT_TRUE(other.heard().contains("my.tenant")) << "and nothing of the client's";
    other.machine.detach();
    auto fresh = PooledPlay::connection(metrics);
    other.use(*fresh);
    other.go_on();
    EXPECT_EQ(other.heard(), asks);
    other.machine.detach();
  }
}

TEST_F(PooledMadeUp, OneThatDoesNotIsUsed) {
  expect_question(query(kAsks));
  EXPECT_EQ(b.server(done("SELECT 0") + ready()), "");
  EXPECT_FALSE(connection->spoilt);
  EXPECT_FALSE(b.machine.has_own_request());
  std::string heard = b.heard();
  EXPECT_TRUE(heard.contains("RESET ALL"));
  EXPECT_TRUE(heard.ends_with(query(kAsks)));
}

TEST_F(PooledMadeUp, WhatTheClientHasSetElsewhereMeanwhileIsLaidOn) {
  b.leave();
  connection->settings = settings_of({{"work_mem", "5MB"}});
  connection->last_session = 2;
  connection->unproven = false;
  auto other = PooledPlay::connection(metrics);
  b.use(*other);
  run(b, "set work_mem = '6MB'", "SET");
  b.leave();
  b.use(*connection);
  expect_question(query(kAsks));
  b.server(done("SELECT 0") + ready());
  EXPECT_TRUE(b.heard().contains("+6MB")) << "it was the last here, and had another one then";
}

TEST_F(PooledMadeUp, WhatOthersHaveSetIsTakenAwayAllTheSame) {
  connection->settings = settings_of({{"work_mem", "5MB"}});
  connection->unproven = false;
  expect_question(query(kAsks));
  b.server(done("SELECT 0") + ready());
  EXPECT_TRUE(b.heard().contains("RESET ALL"));
}

TEST_F(PooledMadeUp, AStatementOfBeforeAsksToo) {
  auto fresh = PooledPlay::connection(metrics);
  b.machine.detach();
  b.use(*fresh);
  b.client(parse("s", kAsks) + kSync);
  b.server(kParsed + ready());
  b.heard();
  b.leave();
  b.use(*connection);
  expect_question(binding("", "s") + execute() + kSync);
}

TEST_F(PooledMadeUp, WhoHasMadeUpAnyIsNotAskedFor) {
  b.machine.detach();
  for (std::string_view own :
       {"set b.c = 1", "set local b.c = 1", "select f()", "do ''",
        "select set_config('b.c', '', true)", "select set_config($1, '', x)"}) {
    PooledPlay other(7);
    auto fresh = PooledPlay::connection(metrics);
    other.use(*fresh);
    other.client(query(own));
    other.server(done("SELECT 1") + ready());
    other.heard();
    other.machine.detach();
    auto known = PooledPlay::connection(metrics);
    known->may_have_made_up = true;
    other.use(*known);
    EXPECT_EQ(other.client(query(kAsks)), Verdict::go_on) << own;
    other.machine.detach();
  }
}

TEST_F(PooledMadeUp, OthersAndOtherConnectionsAreNotAsked) {
  EXPECT_EQ(b.client(query("select current_setting('work_mem')")), Verdict::go_on);
  b.machine.detach();
  auto fresh = PooledPlay::connection(metrics);
  b.use(*fresh);
  EXPECT_EQ(b.client(query(kAsks)), Verdict::go_on);
}

TEST_F(PooledMadeUp, StartupSettingsAreMadeUpWithTheGuard) {
  auto fresh = PooledPlay::connection(metrics);
  PooledPlay other(7, settings_of({{"my.tenant", "1"}}));
  other.use(*fresh);
  EXPECT_FALSE(fresh->may_have_made_up);
  other.client(query(kAsks));
  EXPECT_TRUE(fresh->may_have_made_up);
}

TEST_F(PooledMadeUp, AnErrorOfTheQuestionIsNotTheClients) {
  expect_question(query(kAsks));
  EXPECT_EQ(b.server(failed("57014", "canceling statement") + ready()), "");
  EXPECT_TRUE(b.heard().ends_with(query(kAsks)));
}

}  // namespace
}  // namespace trunkline::session
