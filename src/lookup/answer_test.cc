#include "lookup/answer.h"

#include <gtest/gtest.h>
#include <vector>

#include "base/bytes.h"
#include "lookup/answers_for_tests.h"
#include "wire/message_buffer.h"

namespace trunkline::lookup {
namespace {

using Step = Answer::Step;

// Feeds whole messages; the last step.
Step feed(Answer& answer, const std::string& bytes) {
  wire::MessageBuffer buffer(wire::kServerRules, 1 << 20);
  buffer.append(bytes);
  Step step = Step::more;
  for (;;) {
    wire::MessageBuffer::Next next = buffer.next();
    if (next.kind != wire::MessageBuffer::Next::Kind::message) return step;
    EXPECT_EQ(step, Step::more) << "after the end";
    step = answer.on_message(next.type, next.body);
    buffer.pop();
  }
}

TEST(Answer, ARowIsAUserAndHowLongItsPasswordHolds) {
  Answer answer("bob");
  EXPECT_EQ(feed(answer, answer_of({{"bob", "secret", "1.5"}})), Step::complete);
  EXPECT_EQ(answer.kind(), Answer::Kind::found);
  EXPECT_EQ(answer.holds_for(), 1500ms);
  EXPECT_EQ(std::get<auth::PlainPassword>(answer.take_secret()).text.reveal(), "secret");
}

TEST(Answer, TwoColumnsDoAsPgBouncersQueryHasThem) {
  Answer answer("bob");
  EXPECT_EQ(feed(answer, answer_of({{"bob", "secret"}})), Step::complete);
  EXPECT_EQ(answer.kind(), Answer::Kind::found);
  EXPECT_FALSE(answer.holds_for());
}

TEST(Answer, NoRowIsNobodyAndNullIsAUserWithoutAPassword) {
  Answer nobody("bob");
  EXPECT_EQ(feed(nobody, answer_of({})), Step::complete);
  EXPECT_EQ(nobody.kind(), Answer::Kind::nobody);
  Answer none("bob");
  EXPECT_EQ(feed(none, answer_of({{"bob", nullptr, nullptr}})), Step::complete);
  EXPECT_EQ(none.kind(), Answer::Kind::found);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(none.take_secret()));
  EXPECT_FALSE(none.holds_for());
}

TEST(Answer, AnExpiredPasswordIsNone) {
  for (const char* seconds : {"0", "-0.001", "-86400", "-inf"}) {
    Answer answer("bob");
    feed(answer, answer_of({{"bob", "secret", seconds}}));
    EXPECT_EQ(answer.kind(), Answer::Kind::found);
    EXPECT_FALSE(answer.holds_for()) << "it is kept like any other";
    EXPECT_TRUE(std::holds_alternative<std::monostate>(answer.take_secret())) << seconds;
  }
}

TEST(Answer, AMalformedVerifierIsNoPasswordAndSaidToTheLog) {
  Answer answer("bob");
  feed(answer, answer_of({{"bob", "SCRAM-SHA-256$hush"}}));
  EXPECT_EQ(answer.kind(), Answer::Kind::found);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(answer.take_secret()));
  EXPECT_NE(answer.problem(), "");
  EXPECT_EQ(answer.problem().find("hush"), std::string::npos);
}

TEST(Answer, WhatIsNotOneUserIsAFailure) {
  struct Case {
    std::vector<std::vector<const char*>> rows;
    std::string problem;
  };
  const Case cases[] = {
      {{{"bob", "hush"}, {"bob", "hush"}}, "the query has more than one row for this user"},
      {{{"alice", "hush"}}, "the first column of the query is not the name asked for"},
      {{{"Bob", "hush"}}, "the first column of the query is not the name asked for"},
      {{{nullptr, "hush"}}, "the first column of the query is not the name asked for"},
      {{{"bob"}}, "the query has 1 columns, not 2 or 3"},
      {{{"bob", "hush", "1", "x"}}, "the query has 4 columns, not 2 or 3"},
      {{{"bob", "hush", "soon"}}, "the third column of the query is not a number of seconds"},
      {{{"bob", "hush", "nan"}}, "the third column of the query is not a number of seconds"},
      {{{"bob", "hush", "1 day"}}, "the third column of the query is not a number of seconds"},
  };
  for (const Case& c : cases) {
    Answer answer("bob");
    EXPECT_EQ(feed(answer, answer_of(c.rows)), Step::complete);
    EXPECT_EQ(answer.kind(), Answer::Kind::failed);
    EXPECT_EQ(answer.problem(), c.problem);
  }
}

TEST(Answer, AnErrorIsAFailureThatNamesItAndTheConnectionGoesOn) {
  Answer answer("bob");
  EXPECT_EQ(feed(answer, error_of("ERROR", "42501", "permission denied") + ready()),
            Step::complete);
  EXPECT_EQ(answer.kind(), Answer::Kind::failed);
  EXPECT_EQ(answer.problem(), "42501 permission denied");
}

TEST(Answer, ANameThatIsNoTextThereIsNobodys) {
  Answer answer("b\xff");
  EXPECT_EQ(feed(answer, error_of("ERROR", "22021", "invalid byte sequence") + ready()),
            Step::complete);
  EXPECT_EQ(answer.kind(), Answer::Kind::nobody);
}

TEST(Answer, TheEndOfTheConnectionBreaksIt) {
  Answer fatal("bob");
  EXPECT_EQ(feed(fatal, error_of("FATAL", "57P01", "terminating")), Step::broken);
  EXPECT_EQ(fatal.kind(), Answer::Kind::failed);
  Answer copy("bob");
  EXPECT_EQ(copy.on_message('G', ""), Step::broken);
  EXPECT_EQ(copy.kind(), Answer::Kind::failed);
  Answer open("bob");
  EXPECT_EQ(open.on_message('Z', "T"), Step::broken);
  EXPECT_EQ(open.kind(), Answer::Kind::failed);
}

TEST(Answer, RowsThatAreCutShortAreFailures) {
  std::string row = row_of({"bob", "secret"}).substr(wire::kHeaderBytes);
  for (size_t size = 0; size < row.size(); ++size) {
    Answer answer("bob");
    answer.on_message('D', row.substr(0, size));
    answer.on_message('Z', "I");
    EXPECT_EQ(answer.kind(), Answer::Kind::failed) << size;
  }
}

TEST(Answer, SecondsAreBounded) {
  EXPECT_EQ(parse_seconds("86401"), std::chrono::hours(24));
  EXPECT_EQ(parse_seconds("1e300"), std::chrono::hours(24));
  EXPECT_EQ(parse_seconds("inf"), std::chrono::hours(24));
  EXPECT_EQ(parse_seconds("0.25"), 250ms);
  EXPECT_EQ(parse_seconds(""), std::nullopt);
  EXPECT_EQ(parse_seconds(" 1"), std::nullopt);
}

}  // namespace
}  // namespace trunkline::lookup
