#include <gtest/gtest.h>

#include "config/test_support.h"

namespace trunkline::config {
namespace {

const std::string kRoute = "routes: [{upstream: main}]\n";

TEST(AuthQueries, without_the_key_nobody_is_looked_up) {
  Config config = config_of(kMinimal + "users: [{name: joe}]\n");
  EXPECT_FALSE(config.auth_query);
  ASSERT_EQ(config.routes.size(), 1u);
  EXPECT_FALSE(config.routes[0].auth_query);
}

TEST(AuthQueries, every_key_arrives) {
  World world{.files = {{"/etc/t/pw", "hush\n"}}};
  Config config = config_of(
      kMinimal +
          "auth_query: {user: asker, password_file: pw, database: auth, query: 'select f($1)', "
          "max_connections: 7, timeout: 6s, cache_ttl: 0s, negative_cache_ttl: 9s, "
          "idle_timeout: 8s}\n" +
          kRoute,
      world);
  ASSERT_TRUE(config.auth_query);
  ASSERT_TRUE(config.routes[0].auth_query);
  for (const AuthQuery* query : {&*config.auth_query, &*config.routes[0].auth_query}) {
    EXPECT_EQ(query->user, "asker");
    EXPECT_EQ(query->password->reveal(), "hush");
    EXPECT_EQ(query->database, "auth");
    EXPECT_EQ(query->query, "select f($1)");
    EXPECT_EQ(query->max_connections, 7u);
    EXPECT_EQ(query->timeout, 6s);
    EXPECT_EQ(query->cache_ttl, 0s);
    EXPECT_EQ(query->negative_cache_ttl, 9s);
    EXPECT_EQ(query->idle_timeout, 8s);
  }
}

TEST(AuthQueries, the_only_upstream_without_routes_is_asked_too) {
  Config config = config_of(kMinimal + "auth_query: {user: asker}\n");
  ASSERT_EQ(config.routes.size(), 1u);
  ASSERT_TRUE(config.routes[0].auth_query);
  EXPECT_EQ(config.routes[0].auth_query->database, "postgres");
  EXPECT_EQ(warnings_of(kMinimal + "auth_query: {user: asker}\n"), "");
}

TEST(AuthQueries, a_route_overrides_what_it_says_and_keeps_the_rest) {
  Config config = config_of(kMinimal +
                            "auth_query: {user: asker, password: hush, cache_ttl: 4s}\n"
                            "routes:\n"
                            "- {match: {database: a}, upstream: main,\n"
                            "   auth_query: {database: '*'}}\n"
                            "- {match: {database: b}, upstream: main,\n"
                            "   auth_query: {user: other}}\n"
                            "- {upstream: main}\n");
  const AuthQuery& first = *config.routes[0].auth_query;
  EXPECT_EQ(first.user, "asker");
  EXPECT_EQ(first.password->reveal(), "hush");
  EXPECT_EQ(first.database, AuthQuery::kOfClient);
  EXPECT_EQ(first.cache_ttl, 4s);
  const AuthQuery& second = *config.routes[1].auth_query;
  EXPECT_EQ(second.user, "other");
  EXPECT_FALSE(second.password) << "it is the other user's";
  EXPECT_EQ(config.routes[2].auth_query->database, "postgres");
}

TEST(AuthQueries, what_cannot_work_is_refused) {
  EXPECT_EQ(errors_of(kMinimal + "auth_query: {database: x}\n"),
            "3:13: error: auth_query: the key `user` is missing here\n");
  EXPECT_EQ(errors_of(kMinimal + "auth_query: {user: a, query: select 1}\n"),
            "3:13: error: auth_query: `query` does not use $1, which stands for the name of the "
            "user\n");
  EXPECT_EQ(errors_of(kMinimal + "auth_query: {user: a, max_connections: 0}\n"),
            "3:40: error: auth_query.max_connections: found `0`; allowed: a number from 1 to "
            "100\n");
}

TEST(AuthQueries, who_relays_or_lets_the_client_choose_the_server_asks_nobody) {
  const std::string relay = "routes: [{upstream: main, auth: relay}]\n";
  EXPECT_EQ(errors_of(kMinimal + "routes:\n"
                                 "- upstream: main\n"
                                 "  auth: relay\n"
                                 "  auth_query: {user: a}\n"),
            "4:3: error: routes[0]: `auth_query` cannot be used here: `auth: relay` leaves "
            "passwords to the server\n");
  Config relaying = config_of(kMinimal + "auth_query: {user: a}\n" + relay);
  EXPECT_FALSE(relaying.routes[0].auth_query);

  const std::string chosen =
      "routes:\n"
      "- match: {database: '/(.*)/'}\n"
      "  upstream: {host: '$1.internal'}\n";
  EXPECT_EQ(errors_of(kListen + chosen + "  auth_query: {user: a}\n"),
            "3:3: error: routes[0]: `auth_query` cannot be used here: a client chooses the server "
            "of this route before it has proven who it is\n");
  std::string warned =
      warnings_of(kListen + "auth_query: {user: a}\nusers: [{name: b}]\n" + chosen);
  EXPECT_NE(warned.find("no users are looked up for this route"), std::string::npos) << warned;
}

TEST(AuthQueries, the_summary_shows_no_password) {
  std::string summary =
      print_summary(config_of(kMinimal + "auth_query: {user: asker, password: hush}\n" + kRoute));
  EXPECT_NE(summary.find("other users are looked up as asker in postgres\n"), std::string::npos)
      << summary;
  EXPECT_EQ(summary.find("hush"), std::string::npos);
}

}  // namespace
}  // namespace trunkline::config
