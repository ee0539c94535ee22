#include "pool/settings.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace trunkline::pool {
namespace {

std::vector<std::string> names_of(const Settings& settings) {
  std::vector<std::string> names;
  for (const auto& [name, value] : settings) names.push_back(name);
  return names;
}

TEST(Settings, are_sorted_and_found_without_regard_to_case) {
  Settings settings;
  settings.set("work_mem", "1MB");
  settings.set("TimeZone", "UTC");
  settings.set("a.b", "c");
  EXPECT_EQ(names_of(settings), (std::vector<std::string>{"a.b", "timezone", "work_mem"}));
  ASSERT_NE(settings.find("TIMEZONE"), nullptr);
  EXPECT_EQ(*settings.find("TIMEZONE"), "UTC");
  EXPECT_EQ(settings.find("time"), nullptr);
  EXPECT_EQ(settings.find("zzz"), nullptr);
  EXPECT_EQ(settings.bytes(), 8u + 3 + 8 + 3 + 3 + 1);
}

TEST(Settings, only_ascii_is_folded) {
  Settings settings;
  settings.set("a.\xc3\x84", "1");
  EXPECT_NE(settings.find("A.\xc3\x84"), nullptr);
  EXPECT_EQ(settings.find("a.\xc3\xa4"), nullptr);
}

TEST(Settings, a_second_value_takes_the_place_of_the_first) {
  Settings settings;
  settings.set("geqo", "on");
  settings.set("GEQO", "off");
  EXPECT_EQ(settings.size(), 1u);
  EXPECT_EQ(*settings.find("geqo"), "off");
  settings.reset("Geqo");
  settings.reset("geqo");
  EXPECT_TRUE(settings.empty());
}

TEST(Settings, equal_content_is_the_same_in_whatever_order_it_was_set) {
  auto one = std::make_shared<Settings>();
  one->set("a", "1");
  one->set("b", "2");
  auto other = std::make_shared<Settings>();
  other->set("B", "2");
  other->set("A", "1");
  EXPECT_TRUE(same(one, other));
  other->set("a", "3");
  EXPECT_FALSE(same(one, other));
  other->reset("a");
  EXPECT_FALSE(same(one, other));
}

TEST(Settings, none_is_the_same_as_empty) {
  EXPECT_TRUE(same(nullptr, nullptr));
  EXPECT_TRUE(same(nullptr, std::make_shared<Settings>()));
  EXPECT_TRUE(same(std::make_shared<Settings>(), nullptr));
  auto some = std::make_shared<Settings>();
  some->set("a", "1");
  EXPECT_FALSE(same(nullptr, some));
  EXPECT_FALSE(same(some, nullptr));
}

}  // namespace
}  // namespace trunkline::pool
