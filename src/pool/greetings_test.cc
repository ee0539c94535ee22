#include "pool/greetings.h"

#include <gtest/gtest.h>
#include <string>

namespace trunkline::pool {
namespace {

Settings setting(const std::string& name, const std::string& value) {
  Settings settings;
  settings.set(name, value);
  return settings;
}

Reported reported(const std::string& name, const std::string& value) {
  Reported what;
  what.set(name, value);
  return what;
}

TEST(Greetings, are_known_by_the_settings_once_they_were_tried) {
  Greetings greetings;
  EXPECT_FALSE(greetings.find({}));
  greetings.add({}, reported("TimeZone", "UTC"), greetings.version());
  greetings.add(setting("TimeZone", "pst8pdt"), reported("TimeZone", "PST8PDT"),
                greetings.version());
  auto found = greetings.find(setting("timezone", "pst8pdt"));
  ASSERT_TRUE(found);
  EXPECT_EQ(*found->reported->find("TimeZone"), "PST8PDT");
  EXPECT_EQ(*found->settings, setting("timezone", "PST8PDT")) << "as the server spells it";
  EXPECT_EQ(*greetings.find({})->reported->find("TimeZone"), "UTC");
  EXPECT_FALSE(greetings.find(setting("timezone", "PST8PDT")));
}

TEST(Greetings, are_the_messages_that_tell_what_was_reported) {
  Greetings greetings;
  Reported two = reported("TimeZone", "UTC");
  two.set("is_superuser", "off");
  auto added = greetings.add({}, std::move(two), greetings.version());
  std::string expected;
  wire::append_parameter_status(expected, "TimeZone", "UTC");
  wire::append_parameter_status(expected, "is_superuser", "off");
  EXPECT_EQ(*added.messages, expected);
  EXPECT_EQ(*greetings.find({})->messages, expected);
}

TEST(Greetings, begin_with_what_the_server_has_noticed) {
  Greetings greetings;
  auto added = greetings.add({}, reported("TimeZone", "UTC"), greetings.version(), "a notice");
  std::string expected = "a notice";
  wire::append_parameter_status(expected, "TimeZone", "UTC");
  EXPECT_EQ(*added.messages, expected);
}

TEST(Greetings, of_the_same_settings_share_them) {
  Greetings greetings;
  auto first = greetings.add(setting("a.x", "1"), {}, greetings.version());
  auto second = greetings.add(setting("a.x", "1"), {}, greetings.version());
  EXPECT_EQ(first.settings, second.settings) << "sessions compare pointers";
  EXPECT_EQ(greetings.find(setting("a.x", "1"))->settings, first.settings);
}

TEST(Greetings, that_were_tried_before_something_changed_are_not_kept) {
  Greetings greetings;
  greetings.add({}, {}, greetings.version());
  uint64_t before = greetings.version();
  greetings.forget();
  EXPECT_FALSE(greetings.find({}));
  auto late = greetings.add({}, reported("a", "old"), before);
  EXPECT_EQ(*late.reported->find("a"), "old") << "who has tried it goes on with it";
  EXPECT_FALSE(greetings.find({}));
  greetings.add({}, reported("a", "new"), greetings.version());
  EXPECT_EQ(*greetings.find({})->reported->find("a"), "new");
}

TEST(Greetings, are_bounded) {
  Greetings greetings;
  for (size_t i = 0; i < Greetings::kKept; ++i) {
    greetings.add(setting("a.x", std::to_string(i)), {}, greetings.version());
  }
  EXPECT_TRUE(greetings.find(setting("a.x", "0")));
  EXPECT_TRUE(greetings.find(setting("a.x", std::to_string(Greetings::kKept - 1))));
  greetings.add(setting("a.x", "more"), {}, greetings.version());
  EXPECT_TRUE(greetings.find(setting("a.x", "more")));
  EXPECT_FALSE(greetings.find(setting("a.x", "0")));
}

}  // namespace
}  // namespace trunkline::pool
