#include "route/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "route/test_config.h"

namespace trunkline::route {
namespace {

std::shared_ptr<const RouteTable> example() {
  config::Config config = config_with_main();
  config.routes.push_back(to_main({.sni = {wildcard("*.eu.example.com")}}));
  config.routes.push_back(to_main({.source = {*IpNetwork::parse("10.0.0.0/8")}, .tls = true}));
  config.routes.push_back(
      to_host({.user = {exact("alice"), wildcard("svc_*")}, .database = {regex("app_(\\d+)")}},
              "db$1.internal"));
  config.routes[2].database = "shard_$1";
  config.routes[2].login.emplace("app", Secret("hidden"));
  config.routes[2].max_clients = 5;
  config.routes.push_back(rejecting({}, "no such database"));
  for (size_t i = 0; i < config.routes.size(); ++i)
    config.routes[i].at.line = static_cast<int>(i) + 11;
  return compile(config);
}

TEST(Describe, OneLineARouteAndNoPassword) {
  EXPECT_EQ(describe(*example()),
            "line 11: sni=*.eu.example.com -> main (10.0.0.1:5432)\n"
            "line 12: source=10.0.0.0/8 tls=true -> main (10.0.0.1:5432)\n"
            "line 13: user=alice,svc_* database=/app_(\\d+)/ -> db$1.internal:5432; "
            "database shard_$1; login app; max_clients 5\n"
            "line 14: all -> reject \"no such database\"\n");
}

TEST(Describe, SaysThatThereAreNoRoutes) {
  EXPECT_THAT(describe(*compile(config::Config{})), testing::HasSubstr("every client is refused"));
}

TEST(Explain, SaysWhyEarlierRoutesDoNotMatchAndWhatIsRewritten) {
  EXPECT_EQ(explain(*example(), {.user = "svc_x",
                                 .database = "app_7",
                                 .application_name = "",
                                 .source = IpAddress::parse("10.1.1.1")}),
            "Looked at sni none, user \"svc_x\", database \"app_7\", application_name \"\", "
            "source 10.1.1.1, tls false.\n"
            "line 11: sni=*.eu.example.com does not match: sni is none, not *.eu.example.com\n"
            "line 12: source=10.0.0.0/8 tls=true does not match: tls is false, not true\n"
            "line 13: user=alice,svc_* database=/app_(\\d+)/ wins\n"
            "  upstream: db7.internal:5432\n"
            "    server: db7.internal:5432\n"
            "  database: \"app_7\" becomes \"shard_7\"\n"
            "  user: \"svc_x\" becomes \"app\"\n"
            "  auth: terminate\n");
}

TEST(Explain, SaysHowARejectionLooks) {
  EXPECT_THAT(explain(*example(), {.user = "bob", .database = "x"}),
              testing::HasSubstr(" does not match: user is \"bob\", not alice, svc_*\n"
                                 "line 14: all wins\n"
                                 "  rejected with 3D000: no such database\n"));
}

TEST(Explain, SaysThatNothingMatches) {
  auto table = table_of(to_main({.user = {exact("alice")}}));
  EXPECT_THAT(explain(*table, {.user = "bob", .database = "db"}),
              testing::EndsWith("No route matches: rejected with 3D000: database \"db\" does not "
                                "exist\n"));
}

TEST(Explain, SaysWhichUnknownNameARewriteNeeds) {
  config::Route route = to_main({});
  route.database = "x";
  EXPECT_THAT(explain(*table_of(std::move(route)), {.sni = "a", .tls = true}),
              testing::HasSubstr("it rewrites the database, which is unknown"));
}

TEST(LookedAt, IsOnePrintableLine) {
  std::string text = looked_at({.sni = "h", .user = "a\nb", .listener = "0.0.0.0:6432"});
  EXPECT_EQ(text,
            "sni \"h\", user \"a\\x0ab\", database unknown, application_name unknown, source a "
            "unix socket, tls false, listener 0.0.0.0:6432");
}

}  // namespace
}  // namespace trunkline::route
