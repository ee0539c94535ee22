#include "sql/literal.h"

#include <gtest/gtest.h>

namespace trunkline::sql {
namespace {

TEST(Literal, is_read_the_same_in_both_kinds_of_strings) {
  EXPECT_EQ(quote_literal(""), "''");
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
  EXPECT_EQ(quote_literal("a\\b"), "E'a\\\\b'");
}

TEST(Literal, of_a_name_keeps_its_letters) {
  EXPECT_EQ(quote_identifier("Mixed \"x\".y"), "\"Mixed \"\"x\"\".y\"");
}

TEST(Literal, of_a_setting_is_one_constant) {
  EXPECT_EQ(setting_assignment("datestyle", "ISO, DMY"), "\"datestyle\" TO 'ISO, DMY'");
  EXPECT_EQ(setting_assignment("my.tenant", "7"), "\"my\".\"tenant\" TO '7'");
}

TEST(Literal, of_a_list_of_names_is_one_for_each) {
  EXPECT_EQ(setting_assignment("search_path", "\"$user\", public"),
            "\"search_path\" TO '$user', 'public'");
  EXPECT_EQ(setting_assignment("search_path", "Mixed , \"Mixed\",\"a\"\"b, c\""),
            "\"search_path\" TO 'mixed', 'Mixed', 'a\"b, c'");
  EXPECT_EQ(setting_assignment("search_path", ""), "\"search_path\" TO ''");
  EXPECT_EQ(setting_assignment("search_path", "a b"), "\"search_path\" TO 'a', 'b'");
}

}  // namespace
}  // namespace trunkline::sql
