#include "sql/lexer.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace trunkline::sql {
namespace {

using Outcome = Lexer::Outcome;

// Tokens as "kind:text", and where they stood.
struct Collected final : TokenSink {
  void on_token(const Token& token) override {
    static constexpr const char* kKinds[] = {"w", "i", "s", "n", "p", ""};
    std::string kind = kKinds[static_cast<int>(token.kind)];
    words.push_back((kind.empty() ? "" : kind + ":") + std::string(token.text));
    spans.emplace_back(token.offset, token.length);
  }
  std::vector<std::string> words;
  std::vector<std::pair<uint64_t, uint64_t>> spans;
};

Outcome lex(std::string_view text, Syntax syntax, size_t every, Collected& into) {
  Lexer lexer(syntax, into);
  for (; !text.empty(); text.remove_prefix(std::min(every, text.size()))) {
    lexer.feed(text.substr(0, every));
  }
  return lexer.finish();
}

struct Case {
  std::string text;
  std::vector<std::string> words;
  Outcome outcome = Outcome::complete;
  Syntax syntax = {};
};

class Lexed : public testing::TestWithParam<Case> {};

TEST_P(Lexed, GivesTheSameTokensWholeAndInPieces) {
  const Case& c = GetParam();
  for (size_t every : {size_t{1} << 20, size_t{1}, size_t{2}, size_t{3}, size_t{7}}) {
    Collected collected;
    EXPECT_EQ(lex(c.text, c.syntax, every, collected), c.outcome) << every;
    EXPECT_EQ(collected.words, c.words) << every;
    uint64_t before = 0;
    for (auto [offset, length] : collected.spans) {
      EXPECT_GE(offset, before);
      EXPECT_GT(length, 0U);
      before = offset + length;
    }
    EXPECT_LE(before, c.text.size());
  }
}

constexpr Syntax kBackslashes{.standard_conforming_strings = false};
constexpr Syntax kSjis{.encoding = Encoding::sjis};

INSTANTIATE_TEST_SUITE_P(
    Words, Lexed,
    testing::Values(
        Case{"", {}}, Case{" \t\r\n\f\v", {}}, Case{"select 1;", {"w:select", "n:1", ";"}},
        Case{"a$b _x é1", {"w:a$b", "w:_x", "w:é1"}},
        Case{"a.b->>'c'", {"w:a", ".", "w:b", "-", ">", ">", "s:'c'"}},
        Case{"$1+$23", {"p:$1", "+", "p:$23"}},
        Case{"1.5 .5 1e5", {"n:1.5", ".", "n:5", "n:1", "w:e5"}}, Case{"1from", {"n:1", "w:from"}},
        Case{"x::int[]", {"w:x", ":", ":", "w:int", "[", "]"}}, Case{"$", {"$"}},
        Case{"$a", {"$", "w:a"}}, Case{"$ a", {"$", "w:a"}}, Case{"a$1", {"w:a$1"}},
        Case{"u&x", {"w:u", "&", "w:x"}}, Case{"u&", {"w:u", "&"}}, Case{"b", {"w:b"}}));

INSTANTIATE_TEST_SUITE_P(
    Comments, Lexed,
    testing::Values(Case{"a--b\nc", {"w:a", "w:c"}}, Case{"a -- b", {"w:a"}},
                    Case{"--\r--\n;", {";"}}, Case{"a - b", {"w:a", "-", "w:b"}},
                    Case{"1--1\n2", {"n:1", "n:2"}}, Case{"+--x\n1", {"+", "n:1"}},
                    Case{"a/b", {"w:a", "/", "w:b"}}, Case{"a/*b*/c", {"w:a", "w:c"}},
                    Case{"/* /* */ ' */ c", {"w:c"}}, Case{"/*/ */c", {"w:c"}},
                    Case{"/***/c", {"w:c"}}, Case{"/**/**/c", {"*", "*", "/", "w:c"}},
                    Case{"*/*x*/y", {"*", "w:y"}}, Case{"/* //* */*/c", {"w:c"}},
                    Case{"/* ", {}, Outcome::unterminated},
                    Case{"/* /* */", {}, Outcome::unterminated},
                    Case{"/* *", {}, Outcome::unterminated}, Case{"-", {"-"}}, Case{"/", {"/"}},
                    Case{"'--'/*'*/", {"s:'--'"}}));

INSTANTIATE_TEST_SUITE_P(
    Strings, Lexed,
    testing::Values(
        Case{"'it''s' x", {"s:'it''s'", "w:x"}}, Case{"'a\\' b", {"s:'a\\'", "w:b"}},
        Case{"'a\\' b", {}, Outcome::unterminated, kBackslashes},
        Case{"'a\\'b' c", {"s:'a\\'b'", "w:c"}, Outcome::complete, kBackslashes},
        Case{"'a\\\\' b", {"s:'a\\\\'", "w:b"}, Outcome::complete, kBackslashes},
        Case{"E'a\\'b' c", {"s:E'a\\'b'", "w:c"}}, Case{"e'\\\\' c", {"s:e'\\\\'", "w:c"}},
        Case{"ee'\\' c", {"w:ee", "s:'\\'", "w:c"}}, Case{"N'a' c", {"s:N'a'", "w:c"}},
        Case{"B'01''10'", {"s:B'01'", "s:'10'"}}, Case{"x'ff'y", {"s:x'ff'", "w:y"}},
        Case{"x'\\'y", {"s:x'\\'", "w:y"}, Outcome::complete, kBackslashes},
        Case{"U&'\\'y", {"s:U&'\\'", "w:y"}}, Case{"'a' 'b'", {"s:'a'", "s:'b'"}},
        Case{"'a'\n'b' c", {"s:'ab'", "w:c"}}, Case{"'a' -- x ' \n 'b' c", {"s:'ab'", "w:c"}},
        Case{"'a' -- x", {"s:'a'"}}, Case{"'a' -x", {"s:'a'", "-", "w:x"}},
        Case{"'a'\n-'b'", {"s:'a'", "-", "s:'b'"}}, Case{"'a'\n/**/'b'", {"s:'a'", "s:'b'"}},
        Case{"E'a'\n'\\'b' c", {"s:E'a\\'b'", "w:c"}}, Case{"'a'\n\"b\"", {"s:'a'", "i:\"b\""}},
        Case{"'a'-", {"s:'a'", "-"}}, Case{"'", {}, Outcome::unterminated}, Case{"''", {"s:''"}},
        Case{"'''", {}, Outcome::unterminated}, Case{"''''", {"s:''''"}},
        Case{"\"a\"\"b\".\"c\"", {"i:\"a\"\"b\"", ".", "i:\"c\""}},
        Case{"U&\"\\0061\" x", {"i:U&\"\\0061\"", "w:x"}}, Case{"\"a", {}, Outcome::unterminated}));

INSTANTIATE_TEST_SUITE_P(
    DollarQuotes, Lexed,
    testing::Values(Case{"$$a'b$$ c", {"s:$$a'b$$", "w:c"}},
                    Case{"$t$ $$ $t $t$;", {"s:$t$ $$ $t $t$", ";"}}, Case{"$t$$t$", {"s:$t$$t$"}},
                    Case{"$t$a$t$t$", {"s:$t$a$t$", "w:t$"}},
                    Case{"$t$$$t$x", {"s:$t$$$t$", "w:x"}}, Case{"$1$ $", {"p:$1", "$", "$"}},
                    Case{"$t x", {"$", "w:t", "w:x"}}, Case{"$e'\\''", {"$", "s:e'\\''"}},
                    Case{"a$b$c", {"w:a$b$c"}}, Case{"$$", {}, Outcome::unterminated},
                    Case{"$t$ $T$", {}, Outcome::unterminated},
                    Case{"$ä$'$ä$;", {"s:$ä$'$ä$", ";"}}));

// The second byte of the first character is a backslash.
INSTANTIATE_TEST_SUITE_P(
    ClientEncodings, Lexed,
    testing::Values(
        Case{"E'\x83\x5c', 'b'", {"s:E'\x83\x5c'", ",", "s:'b'"}, Outcome::complete, kSjis},
        Case{"E'\x83\x5c', 'b'", {"s:E'\x83\x5c', '"}, Outcome::unterminated},
        Case{"E'\xb1\\'' c", {"s:E'\xb1\\''", "w:c"}, Outcome::complete, kSjis},
        Case{"\x83\x7c|x", {"w:\x83\x7c", "|", "w:x"}, Outcome::complete, kSjis},
        Case{"'\x83", {}, Outcome::unterminated, kSjis},
        Case{"a\x83", {"w:a\x83"}, Outcome::unterminated, kSjis},
        Case{"E'\x81\x5c' x",
             {"s:E'\x81\x5c'", "w:x"},
             Outcome::complete,
             {.encoding = Encoding::gb18030}},
        Case{"E'\x81\x30\x81\x30\\'' x",
             {"s:E'\x81\x30\x81\x30\\''", "w:x"},
             Outcome::complete,
             {.encoding = Encoding::gb18030}},
        Case{"E'\x8f\x5c\x5c' x",
             {"s:E'\x8f\x5c\x5c'", "w:x"},
             Outcome::complete,
             {.encoding = Encoding::johab}},
        Case{"E'\xa4\x5c' x",
             {"s:E'\xa4\x5c'", "w:x"},
             Outcome::complete,
             {.encoding = Encoding::double_byte}}));

TEST(Lexer, TellsWhereTokensStand) {
  Collected collected;
  lex("  ab 'c'  -- d\n 'e' $x$f$x$", {}, 5, collected);
  using Span = std::pair<uint64_t, uint64_t>;
  EXPECT_EQ(collected.spans, (std::vector<Span>{{2, 2}, {5, 14}, {20, 7}}));
}

TEST(Lexer, KeepsTheBeginningOfALongToken) {
  struct Longest final : TokenSink {
    void on_token(const Token& token) override {
      length = token.length;
      kept = token.text.size();
      cut = token.is_cut;
    }
    uint64_t length = 0;
    size_t kept = 0;
    bool cut = false;
  } sink;
  for (const char* quote : {"'", "\"", "$$"}) {
    for (size_t extra : {size_t{0}, size_t{1}, size_t{100000}}) {
      size_t quotes = 2 * std::string_view(quote).size();
      std::string text = quote + std::string(Lexer::kTextBytesMax - quotes + extra, 'x') + quote;
      for (size_t every : {size_t{1}, size_t{1000}, text.size()}) {
        Lexer lexer({}, sink);
        for (size_t at = 0; at < text.size(); at += every) {
          lexer.feed(std::string_view(text).substr(at, every));
        }
        EXPECT_EQ(lexer.finish(), Outcome::complete);
        EXPECT_EQ(sink.length, text.size());
        EXPECT_EQ(sink.kept, Lexer::kTextBytesMax);
        EXPECT_EQ(sink.cut, extra > 0);
      }
    }
  }
}

TEST(Lexer, FollowsTagsOfBoundedLengthOnly) {
  Collected collected;
  std::string longest = "$" + std::string(Lexer::kTagBytesMax - 1, 't') + "$";
  EXPECT_EQ(lex(longest + "'" + longest, {}, 100, collected), Outcome::complete);
  std::string longer = "$t" + longest.substr(1);
  EXPECT_EQ(lex(longer + longer, {}, 100, collected), Outcome::unclear);
}

TEST(Encoding, IsKnownByItsNames) {
  EXPECT_EQ(encoding_of("UTF8"), Encoding::ascii_safe);
  EXPECT_EQ(encoding_of("EUC_JP"), Encoding::ascii_safe);
  EXPECT_EQ(encoding_of("SJIS"), Encoding::sjis);
  EXPECT_EQ(encoding_of("Shift_JIS_2004"), Encoding::sjis);
  EXPECT_EQ(encoding_of("windows-936"), Encoding::double_byte);
  EXPECT_EQ(encoding_of("Big5"), Encoding::double_byte);
  EXPECT_EQ(encoding_of("GB18030"), Encoding::gb18030);
  EXPECT_EQ(encoding_of("JOHAB"), Encoding::johab);
}

}  // namespace
}  // namespace trunkline::sql
