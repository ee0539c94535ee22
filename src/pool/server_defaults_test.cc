#include "pool/server_defaults.h"

#include <gtest/gtest.h>
#include <initializer_list>
#include <utility>

namespace trunkline::pool {
namespace {

Settings settings(std::initializer_list<std::pair<std::string_view, std::string_view>> entries) {
  Settings made;
  for (const auto& [name, value] : entries) made.set(name, std::string(value));
  return made;
}

TEST(ServerDefaults, AreAskedForByOneOfTheLoginsThatComeTogether) {
  ServerDefaults defaults;
  Instant now(1000s);
  EXPECT_TRUE(defaults.is_due(now));
  EXPECT_FALSE(defaults.is_due(now));
  EXPECT_FALSE(defaults.is_due(now + ServerDefaults::kFreshFor - 1ns));
  EXPECT_TRUE(defaults.is_due(now + ServerDefaults::kFreshFor));
}

TEST(ServerDefaults, AreNotAskedOfAServerThatDoesNotKnow) {
  ServerDefaults defaults;
  defaults.give_up();
  EXPECT_FALSE(defaults.is_due(Instant(1000000s)));
  EXPECT_FALSE(defaults.wants_first());
}

TEST(ServerDefaults, AreWhatTheFirstAnswerSaysUntilAnotherDiffers) {
  ServerDefaults defaults;
  EXPECT_TRUE(defaults.wants_first());
  EXPECT_FALSE(defaults.on_answer({"a", "DateStyle"}).has_value());
  EXPECT_FALSE(defaults.wants_first());
  EXPECT_FALSE(defaults.on_answer({"a", "DateStyle"}).has_value());
  auto query = defaults.on_answer({"b", "work_mem,my tenant,geqo"});
  ASSERT_TRUE(query.has_value());
  EXPECT_TRUE(query->contains("'{DateStyle,work_mem,geqo}'")) << *query;
}

TEST(ServerDefaults, AreKeptByThoseWhoBeganWithOthers) {
  ServerDefaults defaults;
  defaults.on_answer({"a", ""});
  EXPECT_TRUE(defaults.on_changed({"b", ""}, 0, settings({{"work_mem", "1"}, {"geqo", "on"}})));
  EXPECT_FALSE(defaults.on_changed({"b", ""}, 0, settings({{"work_mem", "9"}})));
  EXPECT_TRUE(defaults.on_changed({"c", ""}, 1, settings({{"work_mem", "2"}, {"DateStyle", "x"}})));
  EXPECT_EQ(defaults.changed_between(0, 2),
            settings({{"work_mem", "1"}, {"geqo", "on"}, {"DateStyle", "x"}}));
  EXPECT_EQ(defaults.changed_between(0, 1), settings({{"work_mem", "1"}, {"geqo", "on"}}));
  EXPECT_EQ(defaults.changed_between(1, 2), settings({{"work_mem", "2"}, {"DateStyle", "x"}}));
  EXPECT_EQ(defaults.changed_between(2, 2), Settings());
}

TEST(ServerDefaults, OfTooManyChangesTheFirstAreForgotten) {
  ServerDefaults defaults;
  for (size_t i = 0; i <= ServerDefaults::kChangesMax; ++i) {
    defaults.on_changed({std::to_string(i), ""}, i, settings({{"n" + std::to_string(i), "x"}}));
  }
  EXPECT_EQ(defaults.changed_between(0, 1), Settings());
  EXPECT_EQ(defaults.changed_between(0, 1000).size(), ServerDefaults::kChangesMax);
}

}  // namespace
}  // namespace trunkline::pool
