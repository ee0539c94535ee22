#include "sql/text_search.h"

#include <gtest/gtest.h>

namespace trunkline::sql {
namespace {

TEST(TextSearch, the_highest_counts_wherever_it_stands) {
  EXPECT_EQ(highest_parameter("select 1", {}), 0U);
  EXPECT_EQ(highest_parameter("select $2, $10, $1", {}), 10U);
  EXPECT_EQ(highest_parameter("select '$9', $tag$ $8 $tag$, \"$7\", a$6 /* $5 */, $1 -- $4", {}),
            1U);
  EXPECT_EQ(highest_parameter("select $99999999999999999999", {}), 0U) << "no number";
}

TEST(TextSearch, a_word_counts_where_it_is_one) {
  EXPECT_TRUE(has_word("delete from t ReTurning x", {}, "returning"));
  EXPECT_FALSE(has_word("delete from t", {}, "returning"));
  EXPECT_FALSE(
      has_word("delete from \"returning\" where x = 'returning' /* returning */", {}, "returning"));
  EXPECT_FALSE(has_word("delete from returning_x", {}, "returning"));
}

}  // namespace
}  // namespace trunkline::sql
