#include "base/short_string.h"

#include <gtest/gtest.h>
#include <string>
#include <unordered_map>
#include <utility>

namespace trunkline {
namespace {

using namespace std::string_view_literals;

static_assert(sizeof(ShortString) == 16);

TEST(ShortString, holds_texts_on_both_sides_of_what_fits_inline) {
  for (size_t size : {0U, 1U, 14U, 15U, 16U, 63U, 10'000U}) {
    std::string text(size, 'x');
    if (size > 1) text[1] = '\0';
    ShortString held(text);
    EXPECT_EQ(held.view(), text) << size;
    EXPECT_EQ(held.empty(), text.empty());
    ShortString copy = held;
    EXPECT_EQ(copy.view(), text);
    ShortString moved = std::move(held);
    EXPECT_EQ(moved.view(), text);
    EXPECT_TRUE(held.empty());
    held = copy;
    EXPECT_EQ(held.view(), text);
    copy = ShortString("another, which is longer than what fits inline"sv);
    EXPECT_EQ(held.view(), text);
  }
}

TEST(ShortString, assigned_to_itself_stays) {
  ShortString text("a text that has memory of its own"sv);
  const ShortString& same = text;
  text = same;
  EXPECT_EQ(text.view(), "a text that has memory of its own");
}

TEST(ShortString, is_found_in_a_table_by_a_view) {
  std::unordered_map<ShortString, int, ShortString::Hash, ShortString::Equal> table;
  table[std::string("s1")] = 1;
  table[std::string(40, 'n')] = 2;
  EXPECT_EQ(table.find(std::string_view("s1"))->second, 1);
  EXPECT_EQ(table.find(std::string_view(std::string(40, 'n')))->second, 2);
  EXPECT_EQ(table.find(std::string_view("s2")), table.end());
}

}  // namespace
}  // namespace trunkline
