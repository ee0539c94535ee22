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

TEST(Printable, KeepsOneLineAndValidUtf8) {
  EXPECT_EQ(printable("a\nb"), "a\\x0ab");
  EXPECT_EQ(printable("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(printable("\xff\\"), "\\xff\\\\");
  EXPECT_EQ(printable(std::string(10, 'x'), 4), "xxxx...");
}

}  // namespace
}  // namespace trunkline
