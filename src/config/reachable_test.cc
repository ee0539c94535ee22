#include "config/reachable.h"

#include <chrono>
#include <gtest/gtest.h>

#include "config/test_support.h"

namespace trunkline::config {
namespace {

// Two routes with these matches ("" is none); what is said of the second.
std::string said_of(const std::string& first, const std::string& second) {
  auto route = [](const std::string& match) {
    std::string given = match.empty() ? "" : "match: {" + match + "}, ";
    return "  - {" + given + "upstream: main}\n";
  };
  std::string text = kMinimal + "users: [{name: a}]\nroutes:\n" + route(first) + route(second);
  return warnings_of(text);
}

const std::string kNeverReached =
    "/etc/t/t.yaml:6:5: warning: routes[1]: never reached: the route of line 5 matches every "
    "client that this one does\n";

TEST(Reachable, of_two_equal_matches_the_second_is_not) {
  for (const std::string match :
       {"user: a", "database: /x(.*)/", "application_name: 'x*'", "source: 10.0.0.0/8", "tls: true",
        "sni: h, user: [a, b], source: [10.0.0.0/8, 192.168.0.0/16]"}) {
    EXPECT_EQ(said_of(match, match), kNeverReached) << match;
  }
}

TEST(Reachable, is_not_what_an_earlier_route_with_fewer_conditions_takes) {
  EXPECT_EQ(said_of("user: a", "user: a, database: d"), kNeverReached);
  EXPECT_EQ(said_of("tls: true", "tls: true, sni: h"), kNeverReached);
  EXPECT_EQ(said_of("user: a, database: d", "user: a"), "");
  EXPECT_EQ(said_of("user: a", "database: d"), "");
}

TEST(Reachable, is_not_what_a_longer_list_takes) {
  EXPECT_EQ(said_of("user: [a, b, c]", "user: [c, a]"), kNeverReached);
  EXPECT_EQ(said_of("user: [a, b]", "user: [b, c]"), "");
}

TEST(Reachable, is_not_what_a_wildcard_takes) {
  EXPECT_EQ(said_of("user: 'a*'", "user: abc"), kNeverReached);
  EXPECT_EQ(said_of("user: 'a*'", "user: 'ab*'"), kNeverReached);
  EXPECT_EQ(said_of("user: '*'", "user: /.*x/"), kNeverReached);
  EXPECT_EQ(said_of("user: '*'", "user: [a, /b/]"), kNeverReached);
  EXPECT_EQ(said_of("user: 'ab*'", "user: 'a*'"), "");
  EXPECT_EQ(said_of("user: 'a*'", "user: /a.*/"), "");
  EXPECT_EQ(said_of("user: 'a*'", "database: abc"), "");
}

// Whether one expression takes what another does is not decided; that they are the same is.
TEST(Reachable, is_in_doubt_where_regular_expressions_differ) {
  EXPECT_EQ(said_of("user: /a.*/", "user: /a.*/"), kNeverReached);
  EXPECT_EQ(said_of("user: /a.*/", "user: /ab.*/"), "");
  EXPECT_EQ(said_of("user: /a.*/", "user: ab"), "");
}

TEST(Reachable, compares_host_names_without_case_and_other_names_with_it) {
  EXPECT_EQ(said_of("sni: Host.Example", "sni: host.example"), kNeverReached);
  EXPECT_EQ(said_of("sni: '*.Example'", "sni: host.example"), kNeverReached);
  EXPECT_EQ(said_of("user: A", "user: a"), "");
}

TEST(Reachable, is_not_what_a_wider_network_takes) {
  EXPECT_EQ(said_of("source: 10.0.0.0/8", "source: [10.1.0.0/16, 10.2.3.4]"), kNeverReached);
  EXPECT_EQ(said_of("source: 10.1.0.0/16", "source: 10.0.0.0/8"), "");
  EXPECT_EQ(said_of("source: 10.0.0.0/8", "source: [10.1.0.0/16, 11.0.0.0/8]"), "");
  EXPECT_EQ(said_of("source: '::/0'", "source: 10.0.0.0/8"), "");
  EXPECT_EQ(said_of("source: '::/0'", ""), "") << "a unix socket has no address";
}

TEST(Reachable, tells_clients_with_tls_from_those_without) {
  EXPECT_EQ(said_of("tls: true", "tls: false"), "");
  EXPECT_EQ(said_of("tls: false", "user: a, tls: false"), kNeverReached);
  EXPECT_EQ(said_of("tls: true", "user: a"), "");
}

// Each alone leaves something, and only both together nothing: that is not looked for.
TEST(Reachable, is_said_of_one_earlier_route_not_of_several_together) {
  EXPECT_EQ(warnings_of(kMinimal + R"(users: [{name: a}]
routes:
  - {match: {tls: true}, upstream: main}
  - {match: {tls: false}, upstream: main}
  - {match: {user: a}, upstream: main}
)"),
            "");
}

TEST(Reachable, names_the_first_that_takes_the_clients) {
  EXPECT_EQ(warnings_of(kMinimal + R"(users: [{name: a}]
routes:
  - {match: {user: [a, b]}, upstream: main}
  - {match: {user: 'a*'}, upstream: main}
  - {match: {user: a, database: d}, upstream: main}
)"),
            "/etc/t/t.yaml:7:5: warning: routes[2]: never reached: the route of line 5 matches "
            "every client that this one does\n");
}

TEST(Reachable, is_quick_with_many_names) {
  constexpr size_t kRoutes = 50'000;
  std::vector<Route> routes(kRoutes);
  for (size_t i = 0; i < kRoutes; ++i) {
    routes[i].match.sni.push_back({.text = "host" + std::to_string(i % (kRoutes - 1))});
  }
  auto began = std::chrono::steady_clock::now();
  std::vector<Unreachable> found = find_unreachable(routes);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(2));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].route, kRoutes - 1);
  EXPECT_EQ(found[0].taken_by, 0u);
}

}  // namespace
}  // namespace trunkline::config
