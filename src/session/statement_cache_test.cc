#include "session/statement_cache.h"

#include <gtest/gtest.h>
#include <memory>
#include <string>

namespace trunkline::session {
namespace {

pool::SettingsPtr search_path(const std::string& value) {
  auto settings = std::make_shared<pool::Settings>();
  settings->set("search_path", value);
  return settings;
}

TEST(StatementCache, looks_at_each_text_once) {
  StatementCache cache;
  const std::string body("select 1\0\0\0", 11);
  pool::StatementPtr first = cache.get(body, nullptr, {});
  EXPECT_EQ(cache.get(std::string(body), nullptr, {}), first);
  EXPECT_EQ(first->text(), "select 1");
  EXPECT_EQ(first->parse, body);
  ASSERT_EQ(first->facts->statement_count(), 1u);
}

TEST(StatementCache, tells_types_settings_and_syntax_apart) {
  StatementCache cache;
  const std::string body("select '\\'\0\0\0", 13);
  pool::StatementPtr plain = cache.get(body, nullptr, {});
  const std::string typed("select '\\'\0\0\1\0\0\0\x17", 17);
  EXPECT_NE(cache.get(typed, nullptr, {}), plain);
  pool::StatementPtr in_a = cache.get(body, search_path("a"), {});
  EXPECT_NE(in_a, plain);
  EXPECT_NE(cache.get(body, search_path("b"), {}), in_a);
  EXPECT_EQ(cache.get(body, search_path("a"), {}), in_a) << "settings are compared by content";
  // A backslash escapes the quote: the string does not end.
  pool::StatementPtr old = cache.get(body, nullptr, {.standard_conforming_strings = false});
  EXPECT_NE(old, plain);
  EXPECT_NE(old->facts->outcome(), plain->facts->outcome());
}

TEST(StatementCache, is_bounded_by_memory_and_leaves_what_is_in_use_alone) {
  StatementCache cache;
  pool::StatementPtr first = cache.get("select 1", nullptr, {});
  std::weak_ptr<const pool::Statement> unused = cache.get("select 2", nullptr, {});
  EXPECT_FALSE(unused.expired());
  constexpr size_t kBytes = 1 << 20;
  for (size_t i = 0; i < StatementCache::kBytesMax / kBytes; ++i) {
    cache.get(std::string(kBytes, 'x') + std::to_string(i), nullptr, {});
  }
  EXPECT_TRUE(unused.expired());
  EXPECT_EQ(first->text(), "select 1");
  EXPECT_NE(cache.get("select 1", nullptr, {}), first);
}

}  // namespace
}  // namespace trunkline::session
