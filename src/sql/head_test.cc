#include "sql/head.h"

#include <gtest/gtest.h>
#include <string>

namespace trunkline::sql {
namespace {

// As the scanner fills it, but for the semicolons.
struct Filled final : TokenSink {
  explicit Filled(std::string_view text) {
    Lexer lexer({}, *this);
    lexer.feed(text);
    EXPECT_EQ(lexer.finish(), Lexer::Outcome::complete);
  }
  void on_token(const Token& token) override {
    if (token.is_symbol(')')) --depth;
    head.add(token, depth, Encoding::ascii_safe);
    if (token.is_symbol('(')) ++depth;
  }
  Head head;
  uint64_t depth = 0;
};

std::string words(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += "A ";
  return text;
}

TEST(Head, KeepsABoundedNumberOfTokens) {
  EXPECT_FALSE(Filled(words(Head::kOuterTokensMax)).head.is_cut());
  Filled more(words(Head::kOuterTokensMax + 1));
  EXPECT_TRUE(more.head.is_cut());
  EXPECT_EQ(more.head.tokens().size(), Head::kOuterTokensMax);
  EXPECT_EQ(more.head.text(more.head.tokens().back()), "a");
}

TEST(Head, KeepsFewerWithinParentheses) {
  // The first and the last stand outside.
  EXPECT_FALSE(Filled("(" + words(Head::kTokensMax - 1) + ")").head.is_cut());
  Filled more("(" + words(Head::kTokensMax) + ") b");
  EXPECT_TRUE(more.head.is_cut());
  EXPECT_EQ(more.head.text(more.head.tokens().back()), "b");
}

TEST(Head, KeepsABoundedLengthOfText) {
  std::string quarter = "'" + std::string(Head::kTextBytesMax / 4 - 2, 'x') + "' + ";
  std::string most = quarter + quarter + quarter;
  EXPECT_FALSE(Filled(most).head.is_cut());
  std::string rest(Head::kTextBytesMax / 4 - 3, 'y');
  EXPECT_FALSE(Filled(most + rest).head.is_cut());
  EXPECT_TRUE(Filled(most + rest + "y").head.is_cut());
}

TEST(HeadReader, TakesParenthesesWhole) {
  Filled filled("(a (b) ')') c");
  HeadReader in(filled.head, {});
  auto inner = in.parenthesis();
  ASSERT_TRUE(inner.has_value());
  EXPECT_EQ(*inner, (Span{.offset = 1, .length = 9}));
  EXPECT_TRUE(in.word("c"));
  EXPECT_TRUE(in.at_true_end());
  Filled open("(a (b)");
  HeadReader in_open(open.head, {});
  EXPECT_FALSE(in_open.parenthesis().has_value());
}

TEST(HeadReader, KnowsNamesByWhatTheyAre) {
  Filled filled("Abc \"D\"\"e\" U&\"!0066\" uescape '!' U&\"\\0067\" 'h'");
  HeadReader in(filled.head, {});
  for (const char* name : {"abc", "D\"e", "f", "g"}) {
    auto found = in.name();
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(*found, (Name{.text = name}));
  }
  EXPECT_FALSE(in.name().has_value());
  auto string = in.string();
  ASSERT_TRUE(string.has_value());
  EXPECT_EQ(string->text, "h");
  EXPECT_TRUE(in.at_true_end());
}

}  // namespace
}  // namespace trunkline::sql
