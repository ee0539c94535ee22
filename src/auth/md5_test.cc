#include "auth/md5.h"

#include <gtest/gtest.h>
#include <string>

namespace trunkline::auth {
namespace {

// Made by PostgreSQL 15 for the role alice with the password "secret".
constexpr std::string_view kAlice = "md54a0a68b43b6cd5cf266fa02f196e2371";

TEST(Md5, TheStoredFormIsPostgres) {
  EXPECT_EQ(md5_secret("secret", "alice").reveal(), kAlice);
  EXPECT_TRUE(is_md5_secret(kAlice));
}

TEST(Md5, OnlyTheStoredFormIsTakenForIt) {
  const std::string alice(kAlice);
  for (std::string text :
       {std::string(), std::string("md5"), alice.substr(0, 34), alice + "0",
        "MD5" + alice.substr(3), alice.substr(0, 34) + "g", alice.substr(0, 34) + "A"})
    EXPECT_FALSE(is_md5_secret(text)) << text;
}

TEST(Md5, TheAnswerDependsOnSaltPasswordAndUser) {
  const std::string one(md5_answer(kAlice, "abcd").reveal());
  EXPECT_EQ(one.size(), 35U);
  EXPECT_EQ(one, md5_secret(kAlice.substr(3), "abcd").reveal());  // the same hash, by definition
  EXPECT_NE(one, md5_answer(kAlice, "abce").reveal());
  EXPECT_NE(md5_secret("secret", "alice").reveal(), md5_secret("secret", "bob").reveal());
}

TEST(Md5, AStoredFormThatIsCutDoesNoHarm) {
  EXPECT_EQ(md5_answer("", "abcd").reveal().size(), 35U);
  EXPECT_EQ(md5_answer("md", "abcd").reveal().size(), 35U);
}

}  // namespace
}  // namespace trunkline::auth
