#include <gtest/gtest.h>
#include <string>

#include "session/pooled_for_tests.h"

// Texts that see the names of prepared statements: they see the client's.
namespace trunkline::session {
namespace {

const std::string kLook = "select name from pg_prepared_statements";
const std::string kDone = done("SELECT 1");
const std::string kOwnRun = kClosed + kParsed + kBound + done("PREPARE") + kClosed + kClosed;

class PooledClientNames : public PooledTest {
 protected:
  static constexpr int kGuards = 10;

  void SetUp() override {
    a.use(*connection);
    run(a, "PREPARE sp(int) AS SELECT $1", "PREPARE");
    a.client(parse("s", "select 2") + kSync);
    a.server(kParsed + ready());
    a.heard();
    a.leave();
    b.use(*connection);
    b.client(parse("of_b", "select 3") + kSync);
    b.server(kParsed + ready());
    b.leave();
    a.use(*connection);
    a.heard();
  }
  static std::string closed(int count) {
    std::string all;
    for (int i = 0; i < count; ++i) all += kClosed;
    return all;
  }
  // What the server says when a's two are laid on in the place of three of ours.
  static std::string laid_on(std::string_view heard) {
    bool first = heard.find(parse("s", "select 2")) < heard.find(c("trunkline_own"));
    return closed(kGuards + 3) + (first ? kParsed + kOwnRun : kOwnRun + kParsed);
  }
  // In whatever order a's two come.
  static bool lays_on(std::string_view heard) {
    return heard.contains(close_statement("trunkline_1")) &&
           heard.contains(close_statement("trunkline_begin")) &&
           heard.contains(parse("s", "select 2")) &&
           heard.contains(parse("trunkline_own", "PREPARE sp(int) AS SELECT $1")) &&
           !heard.contains("select 3");
  }
  void expect_wiped() {
    ASSERT_TRUE(a.machine.has_own_request());
    EXPECT_FALSE(a.machine.may_leave());
    a.own_request();
    EXPECT_EQ(a.heard(), query("DEALLOCATE ALL"));
    EXPECT_EQ(a.server(done("DEALLOCATE ALL") + ready()), "");
    EXPECT_EQ(connection->statements.size(), 0U);
    a.leave();
  }
};

TEST_F(PooledClientNames, AQueryThatLooksFindsThem) {
  a.client(query(kLook));
  std::string heard = a.heard();
  EXPECT_TRUE(lays_on(heard)) << heard;
  EXPECT_TRUE(heard.ends_with(query(kLook)));
  EXPECT_EQ(a.server(laid_on(heard) + kDone + ready()), kDone + ready());
  expect_wiped();
  // They are the client's on the next one, too.
  auto other = PooledPlay::connection(metrics);
  a.use(*other);
  a.client(query("EXECUTE sp(1)"));
  EXPECT_EQ(a.heard(), query("PREPARE trunkline_1(int) AS SELECT $1; EXECUTE trunkline_1(1)"));
}

TEST_F(PooledClientNames, SoDoesAStatementOfTheProtocol) {
  std::string pipeline = parse("look", kLook) + binding("", "look") + describe("look") + execute() +
                         binding("", "s") + execute() + kSync;
  a.client(parse("x", "select 4") + pipeline);
  std::string heard = a.heard();
  EXPECT_TRUE(heard.starts_with(parse("trunkline_4", "select 4")));
  EXPECT_TRUE(lays_on(heard)) << heard;
  EXPECT_TRUE(heard.contains(parse("x", "select 4"))) << "it was of before";
  EXPECT_TRUE(heard.ends_with(pipeline)) << "under their own names from there on";
}

TEST_F(PooledClientNames, WhatIsPreparedAndDroppedMeanwhileIsKept) {
  a.client(query("BEGIN"));
  a.server(done("BEGIN") + ready('T'));
  a.heard();
  a.client(query(kLook));
  a.server(laid_on(a.heard()) + kDone + ready('T'));
  for (std::string_view sql : {"PREPARE t AS SELECT 5", "DEALLOCATE sp", "EXECUTE t"}) {
    a.client(query(sql));
    EXPECT_EQ(a.heard(), query(sql));
    a.server(done(sql.substr(0, sql.find(' '))) + ready('T'));
  }
  a.client(parse("u", "select 6") + close_statement("s") + kSync);
  EXPECT_EQ(a.heard(), parse("u", "select 6") + close_statement("s") + kSync);
  a.server(kParsed + kClosed + ready('T'));
  EXPECT_FALSE(a.machine.has_own_request());
  run(a, "COMMIT", "COMMIT");
  expect_wiped();
  EXPECT_EQ(a.own.statements.size(), 2U);
  EXPECT_NE(a.own.statements.find("t"), nullptr);
  EXPECT_NE(a.own.statements.find("u"), nullptr);
}

TEST_F(PooledClientNames, AnErrorLeavesItOpenWhatIsThere) {
  a.client(query("BEGIN"));
  a.server(done("BEGIN") + ready('T'));
  a.client(parse("bad", "selec") + parse("look", kLook) + kSync);
  a.heard();
  a.server(failed("42601", "syntax error") + ready('E'));
  a.client(query("ROLLBACK TO x"));
  a.server(done("ROLLBACK") + ready('T'));
  a.heard();
  a.client(query("select 1"));
  std::string heard = a.heard();
  EXPECT_TRUE(heard.contains(close_statement("trunkline_begin")));
  EXPECT_TRUE(heard.contains(close_statement("s"))) << "it may be there already";
  EXPECT_TRUE(heard.contains(parse("s", "select 2")));
  EXPECT_TRUE(heard.ends_with(query("select 1")));
  EXPECT_FALSE(heard.contains("look"));
}

TEST_F(PooledClientNames, CodeThatIsNotSeenExecutesThem) {
  std::string code = "do 'begin execute ''execute sp(1)''; end'";
  a.client(query(code));
  std::string heard = a.heard();
  EXPECT_TRUE(lays_on(heard)) << heard;
  EXPECT_TRUE(heard.ends_with(query(code)));
  a.server(laid_on(heard) + done("DO") + ready());
  ASSERT_TRUE(a.machine.has_own_request());
  a.own_request();
  std::string probe = a.heard();
  EXPECT_TRUE(probe.contains("AND name <> ALL (ARRAY['s', 'sp']") ||
              probe.contains("AND name <> ALL (ARRAY['sp', 's']"))
      << probe;
  // It was dropped there.
  std::string none = msg('D', std::string("\0\1\0\0\0\1", 6) + "0");
  std::string gone = msg('D', std::string("\0\3\0\0\0\2", 6) + "sp" + std::string(8, '\0'));
  a.server(none + done("SELECT 1") + done("SELECT 0") + gone + done("SELECT 1") + ready());
  EXPECT_EQ(a.own.statements.find("sp"), nullptr);
  EXPECT_NE(a.own.statements.find("s"), nullptr);
  expect_wiped();
}

TEST_F(PooledClientNames, WithoutStatementsOfSqlCodeNeedsNone) {
  run(a, "DEALLOCATE sp", "DEALLOCATE");
  a.client(query("do 'begin end'"));
  EXPECT_EQ(a.heard(), query("do 'begin end'"));
}

TEST_F(PooledClientNames, TheTextIsAsItWasWritten) {
  run(a, "  prepare  Odd as select 7 ; ", "PREPARE");
  run(a, "select 1; prepare two as select 8; select 2", "SELECT 1");
  a.client(query(kLook));
  std::string heard = a.heard();
  EXPECT_TRUE(heard.contains(parse("trunkline_own", "  prepare  Odd as select 7 ; ")));
}

TEST_F(PooledClientNames, AClientThatIsGoneLeavesNone) {
  a.client(query(kLook));
  a.server(laid_on(a.heard()) + kDone + ready());
  EXPECT_EQ(a.clean_up(), PooledMachine::Cleaning::under_way);
  EXPECT_EQ(a.heard(), query("DISCARD ALL"));
  a.server(done("DISCARD ALL") + ready());
  EXPECT_EQ(a.clean_up(), PooledMachine::Cleaning::done);
}

}  // namespace
}  // namespace trunkline::session
