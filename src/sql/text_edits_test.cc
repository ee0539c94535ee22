#include "sql/text_edits.h"

#include <gtest/gtest.h>

namespace trunkline::sql {
namespace {

TEST(TextEdits, none_leave_the_text_as_it_is) {
  TextEdits edits;
  EXPECT_TRUE(edits.empty());
  EXPECT_EQ(edits.apply("select 1"), "select 1");
  EXPECT_EQ(edits.place_before(8, "select 1", Characters::utf8), 8u);
}

TEST(TextEdits, replace_and_insert_in_order) {
  TextEdits edits;
  edits.insert(0, "begin;");
  edits.replace({.offset = 8, .length = 1}, "longer");
  edits.insert(10, "!");
  edits.replace({.offset = 10, .length = 1}, "");
  EXPECT_EQ(edits.apply("execute s(x)"), "begin;execute longer(!)");
}

TEST(TextEdits, tell_where_a_place_was_before) {
  const std::string text = "execute s(x)";
  TextEdits edits;
  edits.insert(0, "ab;");
  edits.replace({.offset = 8, .length = 1}, "longer");
  ASSERT_EQ(edits.apply(text), "ab;execute longer(x)");
  EXPECT_EQ(edits.place_before(1, text, Characters::bytes), std::nullopt);
  EXPECT_EQ(edits.place_before(3, text, Characters::bytes), std::nullopt);
  EXPECT_EQ(edits.place_before(4, text, Characters::bytes), 1u);
  EXPECT_EQ(edits.place_before(12, text, Characters::bytes), 9u) << "the name";
  EXPECT_EQ(edits.place_before(17, text, Characters::bytes), 9u) << "its last letter";
  EXPECT_EQ(edits.place_before(18, text, Characters::bytes), 10u);
  EXPECT_EQ(edits.place_before(19, text, Characters::bytes), 11u);
  EXPECT_EQ(edits.place_before(21, text, Characters::bytes), 13u) << "behind the end";
}

TEST(TextEdits, count_characters) {
  const std::string text = "/*\xc3\xa9*/ execute s, x";
  TextEdits edits;
  edits.replace({.offset = 15, .length = 1}, "name");
  ASSERT_EQ(edits.apply(text), "/*\xc3\xa9*/ execute name, x");
  // "x": the 22nd byte of what was changed, the 21st character.
  EXPECT_EQ(edits.place_before(21, text, Characters::utf8), 18u);
  EXPECT_EQ(edits.place_before(22, text, Characters::bytes), 19u);
}

}  // namespace
}  // namespace trunkline::sql
