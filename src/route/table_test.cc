#include "route/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "base/text.h"
#include "io/epoll_backend.h"
#include "io/loop.h"
#include "route/test_config.h"

namespace trunkline::route {
namespace {

using Kind = Decision::Kind;

bool matches(const config::Match& match, const Facts& facts) {
  return table_of(to_main(match))->decide(facts).kind == Kind::forward;
}

TEST(Match, EmptyTakesEveryone) {
  EXPECT_TRUE(matches({}, {}));
  EXPECT_TRUE(matches({}, {.user = "alice", .database = "app"}));
}

TEST(Match, ExactWildcardAndRegexAreWholeMatches) {
  config::Match match{.user = {exact("alice"), wildcard("svc_*"), regex("u\\d+")}};
  for (const char* user : {"alice", "svc_", "svc_x", "u1", "u123"}) {
    EXPECT_TRUE(matches(match, {.user = user})) << user;
  }
  for (const char* user : {"", "Alice", "alice2", "xsvc_", "u", "u1x", "xu1"}) {
    EXPECT_FALSE(matches(match, {.user = user})) << user;
  }
}

TEST(Match, EveryKeyGivenMustMatch) {
  config::Match match{.user = {exact("alice")}, .database = {exact("app")}, .tls = true};
  EXPECT_TRUE(matches(match, {.user = "alice", .database = "app", .tls = true}));
  EXPECT_FALSE(matches(match, {.user = "bob", .database = "app", .tls = true}));
  EXPECT_FALSE(matches(match, {.user = "alice", .database = "other", .tls = true}));
  EXPECT_FALSE(matches(match, {.user = "alice", .database = "app", .tls = false}));
}

TEST(Match, SniIgnoresCaseInEveryKindOfPattern) {
  EXPECT_TRUE(matches({.sni = {exact("Host1.Example.com")}}, {.sni = "hOST1.example.COM"}));
  EXPECT_TRUE(matches({.sni = {wildcard("*.EU.example.com")}}, {.sni = "a.eu.Example.com"}));
  EXPECT_TRUE(matches({.sni = {regex("Host\\d\\.example\\.com")}}, {.sni = "HOST1.example.com"}));
  EXPECT_FALSE(matches({.sni = {wildcard("*.eu.example.com")}}, {.sni = "eu.example.com"}));
}

TEST(Match, UserAndDatabaseDoNotIgnoreCase) {
  EXPECT_FALSE(matches({.user = {regex("alice")}}, {.user = "Alice"}));
  EXPECT_FALSE(matches({.database = {wildcard("app*")}}, {.database = "App1"}));
}

TEST(Match, SniLongerThanAHostNameMatchesNothing) {
  EXPECT_TRUE(matches({.sni = {wildcard("*")}}, {.sni = std::string(255, 'a')}));
  EXPECT_FALSE(matches({.sni = {wildcard("*")}}, {.sni = std::string(256, 'a')}));
}

TEST(Match, AnUnknownFactMatchesNoPatternNotEvenAStar) {
  Facts passthrough{.sni = "a.example.com", .tls = true};
  EXPECT_TRUE(matches({.sni = {wildcard("*")}}, passthrough));
  EXPECT_FALSE(matches({.user = {wildcard("*")}}, passthrough));
  EXPECT_FALSE(matches({.database = {regex(".*")}}, passthrough));
  EXPECT_FALSE(matches({.application_name = {wildcard("*")}}, passthrough));
  EXPECT_FALSE(matches({.sni = {wildcard("*")}}, {.user = "alice"}));
  EXPECT_TRUE(matches({.application_name = {wildcard("*")}}, {.application_name = ""}));
}

TEST(Match, ARouteThatRewritesUnknownNamesIsSkipped) {
  Facts passthrough{.sni = "a.example.com", .tls = true};
  config::Route renames = to_main({});
  renames.database = "other";
  EXPECT_EQ(table_of(std::move(renames))->decide(passthrough).kind, Kind::none);
  config::Route logs_in = to_main({});
  logs_in.login.emplace("app", std::nullopt);
  EXPECT_EQ(table_of(std::move(logs_in))->decide(passthrough).kind, Kind::none);
}

TEST(Match, SourceIsANetworkAndNeverAUnixSocket) {
  config::Match match{.source = {*IpNetwork::parse("10.0.0.0/8"), *IpNetwork::parse("::1")}};
  EXPECT_TRUE(matches(match, {.source = IpAddress::parse("10.255.0.1")}));
  EXPECT_TRUE(matches(match, {.source = IpAddress::parse("::ffff:10.1.1.1")}));
  EXPECT_TRUE(matches(match, {.source = IpAddress::parse("::1")}));
  EXPECT_FALSE(matches(match, {.source = IpAddress::parse("11.0.0.1")}));
  EXPECT_FALSE(matches(match, {.source = IpAddress::parse("::2")}));
  EXPECT_FALSE(matches(match, {}));
}

TEST(Match, TlsFlagMatchesBothWays) {
  EXPECT_TRUE(matches({.tls = true}, {.tls = true}));
  EXPECT_FALSE(matches({.tls = true}, {.tls = false}));
  EXPECT_TRUE(matches({.tls = false}, {.tls = false}));
  EXPECT_FALSE(matches({.tls = false}, {.tls = true}));
}

TEST(Match, NoNameEscapesADotByBeingInvalidUtf8OrHoldingALineEnd) {
  config::Match match{.user = {regex("evil.*")}};
  EXPECT_TRUE(matches(match, {.user = "evil\xff\xfe"}));
  EXPECT_TRUE(matches(match, {.user = "evil\nx"}));
}

TEST(Decide, TheFirstMatchingRouteWins) {
  config::Config config = config_with_main();
  config.routes.push_back(rejecting({.user = {exact("mallory")}}, "go away"));
  config.routes.push_back(to_host({.user = {wildcard("m*")}}, "10.0.0.2"));
  config.routes.push_back(to_main({}));
  auto table = compile(config);

  Decision mallory = table->decide({.user = "mallory"});
  EXPECT_EQ(mallory.kind, Kind::reject);
  EXPECT_EQ(mallory.text, "go away");
  EXPECT_EQ(mallory.sqlstate, sqlstate::kInvalidCatalogName);
  EXPECT_EQ(mallory.route->name, "user=mallory");

  Decision mike = table->decide({.user = "mike"});
  EXPECT_EQ(mike.kind, Kind::forward);
  EXPECT_EQ(mike.upstream->name(), "10.0.0.2:5432");
  EXPECT_EQ(mike.route->index, 1);

  Decision alice = table->decide({.user = "alice"});
  EXPECT_EQ(alice.upstream->name(), "main");
  EXPECT_EQ(alice.database, std::nullopt);
  EXPECT_EQ(alice.user, std::nullopt);
}

TEST(Decide, NoMatchSaysWhatPostgresWouldAndWhatWasLookedAt) {
  auto table = table_of(to_main({.user = {exact("alice")}}));
  Decision decision =
      table->decide({.user = "bo\nb", .database = "app", .source = IpAddress::parse("10.1.2.3")});
  EXPECT_EQ(decision.kind, Kind::none);
  EXPECT_EQ(decision.route, nullptr);
  EXPECT_EQ(decision.sqlstate, sqlstate::kInvalidCatalogName);
  EXPECT_EQ(decision.text, "database \"app\" does not exist");
  EXPECT_THAT(decision.why, testing::HasSubstr("user \"bo\\x0ab\""));
  EXPECT_THAT(decision.why, testing::HasSubstr("source 10.1.2.3"));
}

TEST(Decide, CarriesTheRoutesLoginAndLimits) {
  config::Route route = to_main({});
  route.login.emplace("app", Secret("hidden"));
  route.max_clients = 7;
  route.inspect = config::Inspect::bytes;
  Decision decision = table_of(std::move(route))->decide({.user = "alice", .database = "alice"});
  EXPECT_EQ(decision.user, "app");
  EXPECT_EQ(decision.route->login->password->reveal(), "hidden");
  EXPECT_EQ(decision.route->max_clients, 7);
  EXPECT_EQ(decision.route->inspect, config::Inspect::bytes);
}

TEST(Capture, NumbersRunOverSniUserDatabaseAndApplicationName) {
  config::Route route = to_main({.sni = {regex("(\\w+)\\.example")},
                                 .user = {regex("u(\\d)(\\d)")},
                                 .database = {regex("d(.)")},
                                 .application_name = {regex("a(.)")}});
  route.database = "$5-$4-$3-$2-$1-$0-$$";
  Decision decision =
      table_of(std::move(route))
          ->decide(
              {.sni = "East.example", .user = "u12", .database = "dX", .application_name = "aY"});
  EXPECT_EQ(decision.database, "Y-X-2-1-east-east.example-$");
}

TEST(Capture, ANumberBelongsToItsKeyWhicheverPatternMatched) {
  config::Route route = to_main(
      {.user = {exact("admin"), regex("u(\\d)")}, .database = {regex("d(.)"), regex("e(.)")}});
  route.database = "x$2";
  auto table = table_of(std::move(route));
  EXPECT_EQ(table->decide({.user = "admin", .database = "dA"}).database, "xA");
  EXPECT_EQ(table->decide({.user = "u1", .database = "eB"}).database, "xB");
}

TEST(Capture, NineHaveNumbersAndMoreGroupsAreHarmless) {
  config::Route route =
      to_main({.user = {regex("(a)(b)(c)(d)(e)(f)")}, .database = {regex("(g)(h)(i)(j)(k)")}});
  route.database = "$9$1";
  auto table = table_of(std::move(route));
  EXPECT_EQ(table->decide({.user = "abcdef", .database = "ghijk"}).database, "ia");
}

TEST(Capture, AHostTakesOnlyOneLabel) {
  auto table = table_of(to_host({.database = {regex("(.*)")}}, "$1.internal"));
  auto host = [&](const std::string& database) {
    Decision decision = table->decide({.user = "u", .database = database});
    return decision.kind == Kind::forward ? decision.upstream->name() : decision.why;
  };
  EXPECT_EQ(host("db-1"), "db-1.internal:5432");
  EXPECT_EQ(host(std::string(63, 'a')), std::string(63, 'a') + ".internal:5432");
  for (std::string bad :
       {std::string(64, 'a'), std::string(), std::string("a.b"), std::string("/tmp"),
        std::string("a_b"), std::string("\xc3\xa4"), std::string("a b"), std::string("..")}) {
    EXPECT_THAT(host(bad), testing::HasSubstr("cannot be part of a host")) << bad;
  }
}

TEST(Capture, AHostThatAResolverReadsAsANumberIsRefused) {
  auto alone = table_of(to_host({.database = {regex("(.*)")}}, "$1"));
  EXPECT_EQ(alone->decide({.database = "db1"}).kind, Kind::forward);
  for (const char* number : {"2130706433", "0", "0x7f000001", "0X1"}) {
    EXPECT_EQ(alone->decide({.database = number}).kind, Kind::reject) << number;
  }
  auto octet = table_of(to_host({.database = {regex("(.*)")}}, "10.0.0.$1"));
  EXPECT_EQ(octet->decide({.database = "7"}).upstream->name(), "10.0.0.7:5432");
  EXPECT_EQ(octet->decide({.database = "256"}).kind, Kind::reject);
  EXPECT_EQ(octet->decide({.database = "08"}).kind, Kind::reject);
}

TEST(Capture, AHostIsAtMost253Bytes) {
  std::string labels;
  for (int i = 0; i < 9; ++i) labels += std::string(20, 'x') + ".";  // 189 bytes
  auto table = table_of(to_host({.database = {regex("(.*)")}}, labels + "$1"));
  EXPECT_EQ(table->decide({.database = std::string(63, 'a')}).kind, Kind::forward);  // 252
  auto longer = table_of(to_host({.database = {regex("(.*)")}}, "y." + labels + "$1"));
  EXPECT_EQ(longer->decide({.database = std::string(62, 'a')}).kind, Kind::forward);  // 253
  EXPECT_EQ(longer->decide({.database = std::string(63, 'a')}).kind, Kind::reject);   // 254
}

TEST(Capture, ARewrittenDatabaseHasOneTo63Bytes) {
  config::Route route = to_main({.database = {regex("(.*)")}});
  route.database = "$1";
  auto table = table_of(std::move(route));
  EXPECT_EQ(table->decide({.database = std::string(63, 'd')}).kind, Kind::forward);
  Decision longer = table->decide({.database = std::string(64, 'd')});
  EXPECT_EQ(longer.kind, Kind::reject);
  EXPECT_EQ(longer.sqlstate, sqlstate::kInvalidCatalogName);
  EXPECT_THAT(longer.why, testing::HasSubstr("64 bytes"));
  EXPECT_EQ(table->decide({.database = ""}).kind, Kind::reject);
}

TEST(Decide, DynamicUpstreamsAreBoundedByThoseInUse) {
  config::Config config;
  config.max_dynamic_upstreams = 2;
  config.routes.push_back(to_host({.database = {regex("(.*)")}}, "$1.internal"));
  auto table = compile(config);
  Decision a = table->decide({.database = "a"});
  Decision b = table->decide({.database = "b"});
  EXPECT_EQ(table->decide({.database = "a"}).upstream, a.upstream);
  Decision c = table->decide({.database = "c"});
  EXPECT_EQ(c.kind, Kind::reject);
  EXPECT_EQ(c.sqlstate, sqlstate::kConfigurationLimit);
  EXPECT_THAT(c.why, testing::HasSubstr("max_dynamic_upstreams"));
  b = {};
  EXPECT_EQ(table->decide({.database = "c"}).kind, Kind::forward);
}

TEST(Router, TheTableAnswersAtOnce) {
  auto table = table_of(to_main({}));
  const Router& router = *table;
  io::Loop loop(std::make_unique<io::EpollBackend>());
  Decision decision;
  loop.spawn([](const Router& from, Decision& out) -> io::Task<> {
    out = co_await from.route({.user = "alice"});
  }(router, decision));
  EXPECT_EQ(loop.spawned(), 0);
  EXPECT_EQ(decision.upstream->name(), "main");
}

// Against the obvious model: the first index whose exact or wildcard patterns all hold.
TEST(Property, TheWinnerIsTheFirstThatMatches) {
  FastRandom random(7);
  auto word = [&] {
    std::string text;
    for (uint64_t i = random.below(4); i > 0; --i) text += "ab*"[random.below(3)];
    return text;
  };
  for (int round = 0; round < 300; ++round) {
    config::Config config = config_with_main();
    for (uint64_t i = random.below(12); i > 0; --i) {
      config::Match match;
      for (uint64_t n = random.below(3); n > 0; --n) match.user.push_back(wildcard(word()));
      for (uint64_t n = random.below(3); n > 0; --n) match.database.push_back(exact(word()));
      if (random.below(3) == 0) match.tls = random.below(2) == 0;
      config.routes.push_back(to_main(std::move(match)));
    }
    auto table = compile(config);
    for (int client = 0; client < 20; ++client) {
      std::string user = word(), database = word();
      Facts facts{.user = user, .database = database, .tls = random.below(2) == 0};
      auto any = [](const std::vector<config::Pattern>& patterns, auto holds) {
        return patterns.empty() || std::ranges::any_of(patterns, holds);
      };
      auto expected = std::ranges::find_if(config.routes, [&](const config::Route& route) {
        return any(route.match.user, [&](auto& p) { return matches_wildcard(p.text, user); }) &&
               any(route.match.database, [&](auto& p) { return p.text == database; }) &&
               route.match.tls.value_or(facts.tls) == facts.tls;
      });
      Decision decision = table->decide(facts);
      if (expected == config.routes.end()) {
        EXPECT_EQ(decision.kind, Kind::none);
      } else {
        ASSERT_EQ(decision.kind, Kind::forward);
        EXPECT_EQ(decision.route->index, expected - config.routes.begin());
      }
    }
  }
}

TEST(Property, CapturesPutBackTogetherAreTheNames) {
  config::Route route =
      to_main({.user = {regex("([a-m]*)([n-z]*)")}, .database = {regex("([a-m]*)([n-z]*)")}});
  route.database = "x$1$2|$3$4";
  auto table = table_of(std::move(route));
  FastRandom random(11);
  auto name = [&] {
    std::string text;
    for (uint64_t i = random.below(10); i > 0; --i)
      text += static_cast<char>('a' + random.below(13));
    for (uint64_t i = random.below(10); i > 0; --i)
      text += static_cast<char>('n' + random.below(13));
    return text;
  };
  for (int round = 0; round < 500; ++round) {
    std::string user = name(), database = name();
    EXPECT_EQ(table->decide({.user = user, .database = database}).database,
              "x" + user + "|" + database);
  }
}

}  // namespace
}  // namespace trunkline::route
