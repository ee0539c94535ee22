#include "auth/ident.h"

#include <gtest/gtest.h>

namespace trunkline::auth {
namespace {

IdentMaps maps(std::vector<config::IdentMapping> mappings) {
  auto compiled = IdentMaps::compile(mappings);
  EXPECT_TRUE(compiled) << compiled.error()[0].text;
  return std::move(*compiled);
}

TEST(Ident, WithoutAMapTheNamesMustBeEqual) {
  IdentMaps none = maps({});
  EXPECT_TRUE(none.allows("", "bob", "bob"));
  EXPECT_FALSE(none.allows("", "bob", "Bob"));
  EXPECT_FALSE(none.allows("missing", "bob", "bob"));
}

TEST(Ident, ExactLinesAllowWhatTheySayAndOnlyInTheirMap) {
  IdentMaps two =
      maps({{{}, "m", "bryanh", "bryanh"}, {{}, "m", "bryanh", "guest1"}, {{}, "n", "ann", "bob"}});
  EXPECT_TRUE(two.has("m"));
  EXPECT_FALSE(two.has("x"));
  EXPECT_TRUE(two.allows("m", "bryanh", "bryanh"));
  EXPECT_TRUE(two.allows("m", "bryanh", "guest1"));
  EXPECT_FALSE(two.allows("m", "bryanh", "bob"));
  EXPECT_FALSE(two.allows("m", "ann", "bob"));
  EXPECT_FALSE(two.allows("m", "ann", "ann"));
}

TEST(Ident, ACaptureBecomesTheDatabaseUser) {
  IdentMaps regex = maps({{{}, "m", "/(.*)@mydomain\\.com", "\\1"},
                          {{}, "m", "/(.*)@other\\.com", "u_\\1_\\1"},
                          {{}, "m", "/.*@guests\\.com", "guest"}});
  EXPECT_TRUE(regex.allows("m", "bob@mydomain.com", "bob"));
  EXPECT_FALSE(regex.allows("m", "bob@mydomain.com", "ann"));
  EXPECT_FALSE(regex.allows("m", "bob@mydomain.com.evil", "bob"));
  EXPECT_TRUE(regex.allows("m", "x@other.com", "u_x_\\1"));  // the first only, as PostgreSQL
  EXPECT_TRUE(regex.allows("m", "x@guests.com", "guest"));
  EXPECT_FALSE(regex.allows("m", "x@guests.com", "x"));
}

TEST(Ident, TheDatabaseUserMayBeAllOrAnExpression) {
  IdentMaps regex = maps({{{}, "m", "root", "all"}, {{}, "m", "app", "/app_[0-9]+"}});
  EXPECT_TRUE(regex.allows("m", "root", "anybody"));
  EXPECT_TRUE(regex.allows("m", "app", "app_7"));
  EXPECT_FALSE(regex.allows("m", "app", "app_x"));
  EXPECT_FALSE(regex.allows("m", "app", "all"));
}

TEST(Ident, BytesThatAreNotUtf8Match) {
  EXPECT_TRUE(maps({{{}, "m", "/(.*)@d", "\\1"}}).allows("m", "a\xff@d", "a\xff"));
}

TEST(Ident, MistakesAreReported) {
  for (const config::IdentMapping& bad :
       std::vector<config::IdentMapping>{{{}, "m", "/(", "x"},
                                         {{}, "m", "/nocapture", "\\1"},
                                         {{}, "m", "x", "/["},
                                         {{}, "m", "x", "+role"},
                                         {{}, "m", "", "x"},
                                         {{}, "m", "x", ""},
                                         {{}, "", "x", "x"}})
    EXPECT_FALSE(IdentMaps::compile({bad})) << bad.system_user << " " << bad.database_user;
}

}  // namespace
}  // namespace trunkline::auth
