#include "pool/plain_names.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <string>

namespace trunkline::pool {
namespace {

using sql::TextFacts;

class PlainNamesTest : public testing::Test {
 protected:
  bool cover(const std::shared_ptr<const TextFacts>& facts) { return names->cover(*facts, now); }
  static std::shared_ptr<const TextFacts> facts(std::string_view text) {
    return TextFacts::of(text, {});
  }
  bool asks_for(const PlainNames::Question& question, std::string_view name) {
    std::string sql = question.sql();
    std::string list = sql.substr(sql.find("ANY ('{", sql.find("relname")) + 7);
    list = "," + list.substr(0, list.find('}')) + ",";
    return list.contains("," + std::string(name) + ",");
  }
  void answer(std::string_view not_plain = "", bool none_is = false) {
    auto question = names->ask(now);
    ASSERT_NE(question, nullptr);
    question->on_row(not_plain, none_is);
    question.reset();
    now += PlainNames::kPause;
  }

  std::shared_ptr<PlainNames> names = std::make_shared<PlainNames>();
  std::shared_ptr<const TextFacts> read = facts("select a from t");
  Instant now{1000s};
};

TEST_F(PlainNamesTest, CoverATextAllOfWhoseNamesArePlain) {
  EXPECT_EQ(names->ask(now), nullptr) << "for nothing";
  EXPECT_FALSE(cover(read));
  answer();
  EXPECT_TRUE(cover(read));
  EXPECT_TRUE(cover(read));
  EXPECT_TRUE(cover(facts("select t.a from t where a = 1"))) << "another text of the same names";
  EXPECT_FALSE(cover(facts("select a, b from t")));
  EXPECT_TRUE(cover(read));
}

TEST_F(PlainNamesTest, DoNotCoverWhatIsAViewOrCallsAFunction) {
  auto view = facts("select a from v");
  EXPECT_FALSE(cover(read));
  EXPECT_FALSE(cover(view));
  answer("v");
  EXPECT_TRUE(cover(read));
  EXPECT_FALSE(cover(view));
  EXPECT_FALSE(cover(view));
  EXPECT_EQ(names->ask(now), nullptr) << "it is known";
}

TEST_F(PlainNamesTest, CoverNothingWhereOperatorsAreNotPostgresqls) {
  cover(read);
  answer("", true);
  EXPECT_FALSE(cover(read));
}

TEST_F(PlainNamesTest, DoNotCoverWhatTheNamesOfSayNothing) {
  EXPECT_FALSE(cover(facts("select f(a) from t")));
  EXPECT_FALSE(cover(facts("insert into t values (1)")));
  EXPECT_EQ(names->ask(now), nullptr);
}

TEST_F(PlainNamesTest, AskForNewNamesAloneAndForAllAgainAfterASecond) {
  cover(read);
  answer();
  auto other = facts("select b from t");
  cover(other);
  {
    auto question = names->ask(now);
    ASSERT_NE(question, nullptr);
    EXPECT_TRUE(asks_for(*question, "b"));
    EXPECT_FALSE(asks_for(*question, "t"));
    EXPECT_FALSE(asks_for(*question, "a"));
    EXPECT_EQ(names->ask(now), nullptr) << "one at a time";
    question->on_row("", false);
  }
  EXPECT_TRUE(cover(other));
  now += PlainNames::kHolds;
  EXPECT_FALSE(cover(other)) << "may have become a view";
  {
    auto question = names->ask(now);
    ASSERT_NE(question, nullptr);
    EXPECT_TRUE(asks_for(*question, "b"));
    EXPECT_TRUE(asks_for(*question, "t"));
    EXPECT_FALSE(asks_for(*question, "a")) << "nobody has used it";
    question->on_row("t", false);
  }
  EXPECT_FALSE(cover(other));
}

TEST_F(PlainNamesTest, HoldFromWhenTheyWereAskedFor) {
  cover(read);
  {
    auto question = names->ask(now);
    now += PlainNames::kHolds - 1ms;
    question->on_row("", false);
  }
  EXPECT_TRUE(cover(read));
  now += 1ms;
  EXPECT_FALSE(cover(read));
}

TEST_F(PlainNamesTest, RestABitAfterAQuestionAndLongerAfterOneThatFailed) {
  cover(read);
  answer();
  now -= PlainNames::kPause;
  cover(facts("select b from t"));
  now += PlainNames::kPause - 1ms;
  EXPECT_EQ(names->ask(now), nullptr);
  now += 1ms;
  EXPECT_NE(names->ask(now), nullptr) << "which is not answered";
  cover(facts("select b from t"));
  now += PlainNames::kHolds - 1ms;
  EXPECT_EQ(names->ask(now), nullptr);
  now += 1ms;
  EXPECT_NE(names->ask(now), nullptr);
}

TEST_F(PlainNamesTest, KnowNothingWhileSomebodyChangesWhatNamesMeanAndAfterwards) {
  cover(read);
  answer();
  EXPECT_TRUE(cover(read));
  auto change = names->change();
  EXPECT_FALSE(cover(read));
  EXPECT_EQ(names->ask(now), nullptr);
  names->change();
  EXPECT_FALSE(cover(read));
  EXPECT_EQ(names->ask(now), nullptr) << "one of them has not ended";
  change = nullptr;
  EXPECT_FALSE(cover(read));
  answer("t");
  EXPECT_FALSE(cover(read));
}

TEST_F(PlainNamesTest, DoNotBelieveAnAnswerOfBeforeAChange) {
  cover(read);
  auto question = names->ask(now);
  auto change = names->change();
  question->on_row("", false);
  question.reset();
  EXPECT_FALSE(cover(read));
  change = nullptr;
  EXPECT_FALSE(cover(read));
}

TEST_F(PlainNamesTest, ANoteOfOneDatabaseIsNoneOfAnother) {
  auto others = std::make_shared<PlainNames>();
  cover(read);
  answer();
  EXPECT_TRUE(cover(read));
  EXPECT_FALSE(others->cover(*read, now));
  EXPECT_TRUE(cover(read));
}

TEST_F(PlainNamesTest, AreNotMoreThanSoMany) {
  for (size_t i = 0; i < PlainNames::kNamesMax; ++i) {
    cover(facts("select c" + std::to_string(i) + " from t"));
  }
  auto question = names->ask(now);
  std::string sql = question->sql();
  EXPECT_LT(std::ranges::count(sql, ','), 3 * PlainNames::kNamesMax + 100);
}

}  // namespace
}  // namespace trunkline::pool
