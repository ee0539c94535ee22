#include "base/split.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace trunkline {
namespace {

std::vector<std::string> items(std::string_view list) {
  std::vector<std::string> found;
  for_each_item(list, [&](std::string_view item) { found.emplace_back(item); });
  return found;
}

TEST(Split, gives_the_items_between_commas) {
  EXPECT_EQ(items(""), std::vector<std::string>());
  EXPECT_EQ(items("a"), (std::vector<std::string>{"a"}));
  EXPECT_EQ(items("a,,bc"), (std::vector<std::string>{"a", "", "bc"}));
}

}  // namespace
}  // namespace trunkline
