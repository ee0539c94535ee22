#include "pool/statements.h"

#include <gtest/gtest.h>
#include <set>
#include <string>
#include <vector>

namespace trunkline::pool {
namespace {

StatementPtr statement(const std::string& text, SettingsPtr settings = nullptr,
                       const std::string& types = std::string(2, '\0')) {
  auto made = std::make_shared<Statement>();
  made->parse = text + '\0' + types;
  made->settings = std::move(settings);
  made->hash = std::hash<std::string>{}(made->parse);
  return made;
}

SettingsPtr setting(const std::string& name, const std::string& value) {
  auto settings = std::make_shared<Settings>();
  settings->set(name, value);
  return settings;
}

TEST(ServerStatements, are_known_by_content) {
  ServerStatements known;
  auto number = known.add(statement("select 1"));
  EXPECT_NE(number, ServerStatements::kNone);
  EXPECT_EQ(known.find(*statement("select 1")), number);
  EXPECT_EQ(known.find(*statement("select 2")), ServerStatements::kNone);
  EXPECT_EQ(statement("select 1")->text(), "select 1");
}

TEST(ServerStatements, of_one_text_differ_by_types_and_settings) {
  ServerStatements known;
  known.add(statement("select 1"));
  known.add(statement("select 1", setting("search_path", "a")));
  EXPECT_EQ(known.find(*statement("select 1", nullptr, std::string("\0\1\0\0\0\x17", 6))),
            ServerStatements::kNone);
  EXPECT_EQ(known.find(*statement("select 1", setting("search_path", "b"))),
            ServerStatements::kNone);
  EXPECT_EQ(known.find(*statement("select 1")), 1u);
  EXPECT_EQ(known.find(*statement("select 1", setting("search_path", "a"))), 2u);
}

TEST(ServerStatements, with_the_same_hash_are_told_apart) {
  auto one = std::make_shared<Statement>(*statement("select 1"));
  auto other = std::make_shared<Statement>(*statement("select 2"));
  one->hash = other->hash = 7;
  ServerStatements known;
  known.add(one);
  EXPECT_EQ(known.find(*other), ServerStatements::kNone);
  known.add(other);
  EXPECT_EQ(known.find(*one), 1u);
  EXPECT_EQ(known.find(*other), 2u);
}

TEST(ServerStatements, get_numbers_that_never_come_again) {
  ServerStatements known;
  EXPECT_EQ(known.add(statement("a")), 1u);
  known.erase(*statement("a"));
  EXPECT_EQ(known.find(*statement("a")), ServerStatements::kNone);
  known.erase(*statement("a"));
  EXPECT_EQ(known.add(statement("a")), 2u) << "the Close of the first may still be on its way";
  known.clear();
  EXPECT_EQ(known.size(), 0u);
  EXPECT_EQ(known.add(statement("a")), 3u);
  EXPECT_EQ(ServerStatements::name_of(31), "trunkline_1f");
}

TEST(ServerStatements, are_bounded_and_drop_the_one_used_least_lately) {
  ServerStatements known;
  for (size_t i = 0; i < ServerStatements::kMax; ++i) known.add(statement(std::to_string(i)));
  EXPECT_EQ(known.evict(), ServerStatements::kNone) << "as many as may be";
  EXPECT_EQ(known.find(*statement("0")), 1u);  // used now
  known.add(statement("one more"));
  EXPECT_EQ(known.evict(), 2u) << "the second, not the first";
  EXPECT_EQ(known.evict(), ServerStatements::kNone);
  EXPECT_EQ(known.size(), ServerStatements::kMax);
  EXPECT_EQ(known.find(*statement("1")), ServerStatements::kNone);
  EXPECT_EQ(known.find(*statement("0")), 1u);
}

// The map's keys point into the entries: they must live as long.
TEST(ServerStatements, keep_what_they_know) {
  ServerStatements known;
  StatementPtr gone = statement("select 1");
  known.add(gone);
  std::weak_ptr<const Statement> watch = gone;
  gone.reset();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(known.find(*statement("select 1")), 1u);
  known.erase(*statement("select 1"));
  EXPECT_TRUE(watch.expired());
}

TEST(ServerStatements, that_are_too_old_are_replaced_and_the_server_is_told) {
  ServerStatements known;
  auto old = known.add(statement("select 1"), 1);
  EXPECT_EQ(known.find(*statement("select 1"), 1), old);
  EXPECT_EQ(known.find(*statement("select 1"), 2), ServerStatements::kNone);
  EXPECT_EQ(known.find(*statement("select 1")), old) << "for those who have prepared it before";
  auto fresh = known.add(statement("select 1"), 2);
  EXPECT_EQ(known.find(*statement("select 1"), 2), fresh);
  EXPECT_EQ(known.evict(), old);
  EXPECT_EQ(known.evict(), ServerStatements::kNone);
  EXPECT_EQ(known.size(), 1U);
}

TEST(ServerStatements, that_expire_are_forgotten_and_the_server_is_told) {
  ServerStatements known;
  auto first = known.add(statement("select 1"));
  auto second = known.add(statement("select 2"));
  known.expire();
  EXPECT_EQ(known.find(*statement("select 1")), ServerStatements::kNone);
  std::set<ServerStatements::Number> closed = {known.evict(), known.evict()};
  EXPECT_EQ(closed, (std::set{first, second}));
  EXPECT_EQ(known.evict(), ServerStatements::kNone);
}

}  // namespace
}  // namespace trunkline::pool
