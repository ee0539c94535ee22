#include "route/name.h"

#include <concepts>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "route/test_config.h"

namespace trunkline::route {
namespace {

using testing::ElementsAre;
using testing::MatchesRegex;

std::string name_of(config::Match match) {
  return table_of(to_main(std::move(match)))->entries()[0].route->name;
}

std::vector<std::string> names_of(std::same_as<config::Route> auto... routes) {
  config::Config config = config_with_main();
  (config.routes.push_back(std::move(routes)), ...);
  std::vector<std::string> names;
  auto table = compile(config);
  names.reserve(table->entries().size());
  for (const Entry& entry : table->entries()) names.push_back(entry.route->name);
  return names;
}

config::Route of_user(const std::string& user) {
  return to_main({.user = {exact(user)}});
}

config::Route short_form(std::string name, config::Match match) {
  config::Route route = to_main(std::move(match));
  route.short_form = std::move(name);
  return route;
}

std::vector<config::Pattern> many_users(size_t count, const std::string& last) {
  std::vector<config::Pattern> users;
  users.reserve(count + 1);
  for (size_t i = 0; i < count; ++i) users.push_back(exact("user_" + std::to_string(i)));
  users.push_back(exact(last));
  return users;
}

TEST(RouteName, IsWhatTheRouteMatches) {
  EXPECT_EQ(name_of({}), "all");
  EXPECT_EQ(
      name_of({.user = {exact("alice"), wildcard("svc_*")}, .database = {regex("app_(\\d+)")}}),
      "user=alice,svc_* database=/app_(\\d+)/");
  EXPECT_EQ(name_of({.sni = {wildcard("*.EU.example.com")}, .application_name = {exact("etl")}}),
            "sni=*.eu.example.com application_name=etl");
  EXPECT_EQ(name_of({.source = {*IpNetwork::parse("10.0.0.0/8"), *IpNetwork::parse("::1/128")},
                     .tls = false}),
            "source=10.0.0.0/8,::1/128 tls=false");
}

TEST(RouteName, StaysWhenOtherRoutesAreInserted) {
  EXPECT_THAT(names_of(of_user("alice")), ElementsAre("user=alice"));
  EXPECT_THAT(names_of(of_user("bob"), of_user("alice")), ElementsAre("user=bob", "user=alice"));
}

TEST(RouteName, DuplicatesAreNumberedInTheOrderOfTheFile) {
  EXPECT_THAT(names_of(of_user("alice"), to_main({}),
                       to_host({.user = {exact("alice")}}, "10.0.0.2"), of_user("alice")),
              ElementsAre("user=alice", "all", "user=alice #2", "user=alice #3"));
}

TEST(RouteName, NoNameIsGivenTwiceEvenIfItLooksNumbered) {
  UniqueNames names;
  EXPECT_EQ(names.give("a #2"), "a #2");
  EXPECT_EQ(names.give("a"), "a");
  EXPECT_EQ(names.give("a"), "a #3");
  EXPECT_EQ(names.give("a"), "a #4");
  EXPECT_EQ(names.give("a #2"), "a #2 #2");
}

TEST(RouteName, OfAShortFormIsItsHostOrUser) {
  EXPECT_THAT(names_of(short_form("host1.example.com", {.sni = {exact("host1.example.com")}}),
                       short_form("app_user", {.user = {exact("app_user")}}),
                       short_form("all", {.user = {exact("all")}}), to_main({})),
              ElementsAre("host1.example.com", "app_user", "all", "all #2"));
}

TEST(RouteName, DifferentMatchesNeverLookAlike) {
  EXPECT_EQ(name_of({.user = {exact("a,b")}}), "user=\"a,b\"");
  EXPECT_EQ(name_of({.user = {exact("a"), exact("b")}}), "user=a,b");
  EXPECT_EQ(name_of({.user = {exact("a database=b")}}), "user=\"a database=b\"");
  EXPECT_EQ(name_of({.user = {exact("say \"hi\"")}}), "user=\"say \\\"hi\\\"\"");
  EXPECT_EQ(name_of({.user = {exact("")}}), "user=\"\"");
}

TEST(RouteName, IsOneLineOfUtf8) {
  EXPECT_EQ(name_of({.user = {exact("a\nb")}}), "user=\"a\\x0ab\"");
  EXPECT_EQ(name_of({.user = {exact("a\xff")}}), "user=\"a\\xff\"");
  EXPECT_EQ(name_of({.user = {exact("жук")}}), "user=жук");
}

TEST(RouteName, ALongListIsCutAndStaysItsOwn) {
  std::string name = name_of({.user = many_users(20, "x"), .tls = true});
  EXPECT_THAT(name, MatchesRegex("user=user_0,user_1,user_2,user_3,user_4,user_5,\\.\\.\\.~"
                                 "[0-9a-f]{8} tls=true"));
  EXPECT_EQ(name_of({.user = many_users(20, "x"), .tls = true}), name);
  EXPECT_NE(name_of({.user = many_users(20, "y"), .tls = true}), name);
}

TEST(RouteName, IsCutOnBothSidesOfTheBound) {
  EXPECT_EQ(name_of({.user = {exact(std::string(kListBytesMax, 'u'))}}),
            "user=" + std::string(kListBytesMax, 'u'));
  EXPECT_THAT(name_of({.user = {exact(std::string(kListBytesMax + 1, 'u'))}}),
              MatchesRegex("user=u{48}\\.\\.\\.~[0-9a-f]{8}"));
  // Never within a character.
  EXPECT_THAT(name_of({.user = {exact(std::string(kListBytesMax - 1, 'u') + "ж")}}),
              MatchesRegex("user=u{47}\\.\\.\\.~[0-9a-f]{8}"));
}

TEST(RouteName, IsBounded) {
  std::string longest(1000, 'x');
  std::vector<IpNetwork> networks(100, *IpNetwork::parse("2001:db8:1111:2222::/64"));
  EXPECT_LE(name_of({.sni = {exact(longest)},
                     .user = {wildcard(longest + "*")},
                     .database = {regex(longest)},
                     .application_name = {exact(longest)},
                     .source = networks,
                     .tls = true})
                .size(),
            kRouteNameBytesMax);
}

TEST(MatchText, IsWhole) {
  auto table = table_of(to_main({.user = many_users(20, "last")}));
  EXPECT_TRUE(match_text(table->entries()[0].matcher).ends_with(",user_19,last"));
}

}  // namespace
}  // namespace trunkline::route
