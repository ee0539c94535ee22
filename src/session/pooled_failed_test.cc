#include <gtest/gtest.h>
#include <string>

#include "session/pooled_for_tests.h"

// Prepared statements in a failed transaction, where nothing can be prepared again: what PostgreSQL
// would say, which knows them.
namespace trunkline::session {
namespace {

const std::string kAborted = failed(
    "25P02", "current transaction is aborted, commands ignored until end of transaction block");
const std::string kNoSuch = failed("26000", "prepared statement \"trunkline_0\" does not exist");
const std::string kLet = binding("", "trunkline_0");  // fails

class PooledFailed : public testing::Test {
 protected:
  // The client has these, of which its connection knows none.
  PooledFailed() {
    a.use(*before);
    for (const auto& [name, text] : {std::pair{"one", "select $1::int"},
                                     {"prepare", "prepare x as select $1"},
                                     {"insert", "insert into t values ($2, $1)"},
                                     {"do", "do $$ begin end $$"},
                                     {"delete", "delete from t"},
                                     {"back", "delete from t returning x"},
                                     {"copy", "copy t to stdout"},
                                     {"call", "call p()"}}) {
      a.client(parse(name, text) + kSync);
      a.server(kParsed + ready());
    }
    a.leave();
    a.use(*connection);
    a.client(query("begin"));
    a.server(done("BEGIN") + ready('T'));
    a.client(query("error"));
    a.server(failed("42601", "x") + ready('E'));
    a.heard();
  }

  // What the client is told of a request that is made to fail.
  std::string told_of(const std::string& request) {
    a.client(request + kSync);
    EXPECT_EQ(a.heard(), kLet + kSync);
    return a.server(kNoSuch + ready('E'));
  }

  TestMetrics metrics;
  std::unique_ptr<pool::Connection> before = PooledPlay::connection(metrics);
  std::unique_ptr<pool::Connection> connection = PooledPlay::connection(metrics);
  PooledPlay a{1};
};

std::string bind_with(std::string_view statement, std::string_view formats,
                      std::string_view parameters) {
  return msg('B', c("") + c(statement) + std::string(formats) + std::string(parameters) +
                      std::string(2, '\0'));
}

const std::string kNone = std::string(2, '\0');
const std::string kOne("\0\1\0\0\0\1x", 7);
const std::string kTwoFormats("\0\2\0\0\0\0", 6);

TEST_F(PooledFailed, only_its_end_is_prepared) {
  a.client(parse("s", "select 1") + kSync);
  EXPECT_EQ(a.heard(), parse("trunkline_0", "select 1") + kSync) << "forwarded, to be refused";
  a.server(failed("25P02", "aborted") + ready('E'));
  a.heard();
  a.client(parse("end", "rollback") + kSync);
  EXPECT_EQ(a.heard(), parse("trunkline_1", "rollback") + kSync);
}

TEST_F(PooledFailed, a_text_without_a_statement_is_prepared_and_described_too) {
  for (const char* text : {"", " -- nothing\n;"}) {
    std::string requests = parse(text, text) + describe(text) + kSync;
    a.client(requests);
    EXPECT_FALSE(a.heard().contains("trunkline_0")) << text;
    std::string answers = kParsed + msg('t', std::string(2, '\0')) + msg('n', "") + ready('E');
    EXPECT_EQ(a.server(answers), answers) << text;
  }
}

TEST_F(PooledFailed, an_unknown_one_is_told_of_and_a_known_one_is_refused) {
  EXPECT_EQ(told_of(binding("", "none")),
            failed("26000", "prepared statement \"none\" does not exist") + ready('E'));
  EXPECT_EQ(told_of(bind_with("one", kNone, kOne)), kAborted + ready('E'));
  EXPECT_EQ(told_of(describe("one")), kAborted + ready('E'));
}

TEST_F(PooledFailed, one_without_columns_is_described) {
  for (const char* name : {"do", "delete", "copy"}) {
    a.client(describe(name) + kSync);
    EXPECT_TRUE(a.heard().contains(describe("trunkline_1"))) << name << ", in another's place";
    std::string answers = msg('t', std::string(2, '\0')) + msg('n', "") + ready('E');
    EXPECT_EQ(a.server((name == std::string("do") ? kParsed : "") + answers), answers) << name;
  }
  for (const char* name : {"back", "call", "insert", "prepare"}) {
    EXPECT_EQ(told_of(describe(name)), kAborted + ready('E')) << name;
  }
}

TEST_F(PooledFailed, numbers_that_do_not_fit_come_before_the_transaction) {
  EXPECT_EQ(
      told_of(binding("", "one")),
      failed("08P01",
             "bind message supplies 0 parameters, but prepared statement \"one\" requires 1") +
          ready('E'));
  EXPECT_EQ(told_of(bind_with("insert", kNone, kOne)),
            failed("08P01",
                   "bind message supplies 1 parameters, but prepared statement \"insert\" "
                   "requires 2") +
                ready('E'));
  EXPECT_EQ(told_of(bind_with("one", kTwoFormats, kOne)),
            failed("08P01", "bind message has 2 parameter formats but 1 parameters") + ready('E'));
  EXPECT_EQ(told_of(binding("", "prepare")), kAborted + ready('E')) << "its $1 is not its own";
}

TEST_F(PooledFailed, a_name_that_is_taken_is_told_of) {
  EXPECT_EQ(told_of(parse("one", "rollback")),
            failed("42P05", "prepared statement \"one\" already exists") + ready('E'));
}

TEST_F(PooledFailed, what_comes_behind_its_end_is_prepared_again) {
  a.client(parse("", "rollback") + binding("", "") + execute() + bind_with("one", kNone, kOne) +
           execute() + kSync);
  std::string heard = a.heard();
  EXPECT_FALSE(heard.contains("trunkline_0"));
  EXPECT_TRUE(heard.contains("select $1::int")) << "in a Parse";
  EXPECT_EQ(
      a.server(kParsed + kBound + done("ROLLBACK") + kParsed + kBound + done("SELECT 1") + ready()),
      kParsed + kBound + done("ROLLBACK") + kBound + done("SELECT 1") + ready());
}

}  // namespace
}  // namespace trunkline::session
