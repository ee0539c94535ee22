#include "base/text.h"

#include <gtest/gtest.h>

namespace trunkline {
namespace {

TEST(Wildcard, StandsForAnyRun) {
  EXPECT_TRUE(matches_wildcard("*", ""));
  EXPECT_TRUE(matches_wildcard("svc_*", "svc_"));
  EXPECT_TRUE(matches_wildcard("svc_*", "svc_billing"));
  EXPECT_FALSE(matches_wildcard("svc_*", "svc"));
  EXPECT_TRUE(matches_wildcard("*.eu.*.com", "db.eu.example.com"));
  EXPECT_TRUE(matches_wildcard("a*ab", "aaab"));
  EXPECT_FALSE(matches_wildcard("a*ab", "aaaba"));
  EXPECT_FALSE(matches_wildcard("", "x"));
}

TEST(NearestWord, FindsSlipsOfThePenOnly) {
  constexpr std::string_view kWords[] = {"listen", "upstreams", "routes"};
  EXPECT_EQ(nearest_word("lsiten", kWords), "listen");
  EXPECT_EQ(nearest_word("upstream", kWords), "upstreams");
  EXPECT_EQ(nearest_word("banana", kWords), "");
}

TEST(Utf8Sequence, HasALengthOnlyWhenValid) {
  EXPECT_EQ(utf8_sequence("a"), 1U);
  EXPECT_EQ(utf8_sequence("\xc3\xbcx"), 2U);
  EXPECT_EQ(utf8_sequence("\xe2\x82\xac"), 3U);
  EXPECT_EQ(utf8_sequence("\xf4\x8f\xbf\xbf"), 4U);
  for (std::string_view bad :
       {"\x80", "\xc3", "\xc3x", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_EQ(utf8_sequence(bad), 0U) << printable(bad);
  }
}

TEST(Printable, EscapesControlsOfTheTerminalInEveryEncoding) {
  EXPECT_EQ(printable("\x1b[31m\x7f"), "\\x1b[31m\\x7f");
  EXPECT_EQ(printable("\xc2\x9b\xc2\xa0"), "\\xc2\\x9b\xc2\xa0");
}

TEST(Printable, KeepsOneLineAndValidUtf8) {
  EXPECT_EQ(printable("a\nb"), "a\\x0ab");
  EXPECT_EQ(printable("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(printable("\xff\\"), "\\xff\\\\");
  EXPECT_EQ(printable(std::string(10, 'x'), 4), "xxxx...");
}

}  // namespace
}  // namespace trunkline
