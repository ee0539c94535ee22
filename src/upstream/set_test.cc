#include "upstream/set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "tls/certificates_for_tests.h"
#include "upstream/dynamic.h"

namespace trunkline::upstream {
namespace {

config::Upstream servers(std::vector<config::ServerAddress> addresses) {
  config::Upstream settings;
  settings.servers = std::move(addresses);
  return settings;
}

config::Config two_upstreams() {
  config::Config config;
  config.upstreams["a"] = servers({{.host = "10.0.0.1"}, {.host = "10.0.0.2"}});
  config.upstreams["b"] = servers({{.host = "10.0.0.3"}});
  return config;
}

config::Route to(const std::string& upstream) {
  config::Route route;
  route.upstream = upstream;
  return route;
}

config::Route inline_to(const std::string& host) {
  config::Route route;
  route.inline_upstream = servers({{.host = host}});
  return route;
}

std::shared_ptr<const Set> compile(const config::Config& config, const Set* previous = nullptr) {
  tls::Findings findings;
  auto set = Set::compile(config, previous, findings);
  EXPECT_THAT(findings.errors, testing::IsEmpty());
  return set;
}

TEST(ServerName, IsAddressAndPortOrASocketPath) {
  EXPECT_EQ(server_name({.host = "db1", .port = 5433}), "db1:5433");
  EXPECT_EQ(server_name({.host = "::1"}), "[::1]:5432");
  EXPECT_EQ(server_name({.host = "/run/pg"}), "/run/pg/.s.PGSQL.5432");
}

TEST(Set, RoutesLeadToNamedAndInlineUpstreams) {
  config::Config config = two_upstreams();
  config.routes.push_back(to("b"));
  config.routes.push_back(inline_to("db1"));
  config.routes.push_back(inline_to("$1.internal"));
  config.routes.push_back(inline_to("db1"));
  config.routes.emplace_back().reject = "no";
  auto set = compile(config);
  EXPECT_EQ(set->named().size(), 2);
  EXPECT_EQ(set->of_route(0), set->named().at("b"));
  EXPECT_EQ(set->of_route(1)->name(), "db1:5432");
  EXPECT_FALSE(set->of_route(1)->is_pattern());
  EXPECT_TRUE(set->of_route(2)->is_pattern());
  EXPECT_EQ(set->of_route(3), set->of_route(1));
  EXPECT_EQ(set->of_route(4), nullptr);
}

TEST(Set, AnUnknownNameIsAProblem) {
  config::Config config = two_upstreams();
  config.routes.push_back(to("c"));
  tls::Findings findings;
  EXPECT_EQ(Set::compile(config, nullptr, findings), nullptr);
  ASSERT_EQ(findings.errors.size(), 1);
  EXPECT_EQ(findings.errors[0].key, "routes[0].upstream");
  EXPECT_THAT(findings.errors[0].text, testing::HasSubstr("no upstream \"c\""));
}

TEST(Set, EveryCertificateThatCannotBeReadIsAProblemAtItsKey) {
  config::Config config = two_upstreams();
  config.upstreams["a"].tls.mode = config::ServerTlsMode::verify_full;
  config.upstreams["a"].tls.ca_file = "/nowhere/ca.crt";
  config.routes.push_back(inline_to("db1"));
  config.routes[0].inline_upstream->tls = config.upstreams["a"].tls;
  tls::Findings findings;
  EXPECT_EQ(Set::compile(config, nullptr, findings), nullptr);
  ASSERT_EQ(findings.errors.size(), 2);
  EXPECT_THAT(findings.errors[0].key, testing::StartsWith("upstreams.a.tls"));
  EXPECT_THAT(findings.errors[1].key, testing::StartsWith("routes[0].upstream.tls"));
}

TEST(Set, AReplacedCertificateMakesANewUpstreamWithTheOldHealth) {
  tls::TestFolder folder;
  auto authority = [&](const std::string& name) {
    tls::write_test_certificate(
        folder.file("ca.crt"),
        tls::make_test_identity({.common_name = name, .is_authority = true}));
  };
  authority("first");
  config::Config config = two_upstreams();
  config.upstreams["a"].tls.mode = config::ServerTlsMode::verify_full;
  config.upstreams["a"].tls.ca_file = folder.file("ca.crt");
  auto before = compile(config);
  EXPECT_EQ(compile(config, before.get())->named().at("a"), before->named().at("a"));

  authority("the second");
  auto after = compile(config, before.get());
  auto a = after->named().at("a");
  EXPECT_NE(a, before->named().at("a"));
  EXPECT_NE(a->tls(), before->named().at("a")->tls());
  EXPECT_EQ(a->servers()[0].health, before->named().at("a")->servers()[0].health);
  EXPECT_EQ(after->named().at("b"), before->named().at("b"));
}

TEST(Set, AReloadKeepsWhatItDoesNotTouch) {
  config::Config config = two_upstreams();
  config.routes.push_back(inline_to("db1"));
  auto before = compile(config);
  config.upstreams["a"].connect_timeout = 1s;
  config.upstreams["a"].at.line = 9;
  config.upstreams["b"].at.line = 12;
  auto after = compile(config, before.get());
  EXPECT_NE(after->named().at("a"), before->named().at("a"));
  EXPECT_EQ(after->named().at("b"), before->named().at("b"));
  EXPECT_EQ(after->of_route(0), before->of_route(0));
}

TEST(Set, UpstreamsMadeFromCapturesOutliveAReload) {
  config::Config config;
  config.routes.push_back(inline_to("$1.internal"));
  auto before = compile(config);
  UpstreamPtr a = *before->fill_in(before->of_route(0), {"a"});
  auto after = compile(config, before.get());
  EXPECT_EQ(*after->fill_in(after->of_route(0), {"a"}), a);
}

TEST(Set, AReloadThatIsRefusedLaterLeavesTheLimitOfUpstreamsMadeFromCaptures) {
  config::Config config;
  config.routes.push_back(inline_to("$1.internal"));
  config.max_dynamic_upstreams = 1;
  auto before = compile(config);
  UpstreamPtr a = *before->fill_in(before->of_route(0), {"a"});
  config.max_dynamic_upstreams = 2;
  auto after = compile(config, before.get());  // another module may still refuse the configuration
  EXPECT_FALSE(before->fill_in(before->of_route(0), {"b"}));
  EXPECT_TRUE(after->fill_in(after->of_route(0), {"b"}));
}

TEST(Set, ATouchedUpstreamKeepsTheHealthOfItsServers) {
  config::Config config = two_upstreams();
  auto before = compile(config);
  auto old = before->named().at("a");
  config.upstreams["a"] = servers({{.host = "10.0.0.2"}, {.host = "10.0.0.2", .port = 6000}});
  auto now = compile(config, before.get())->named().at("a");
  EXPECT_EQ(now->servers()[0].health, old->servers()[1].health);
  EXPECT_NE(now->servers()[1].health, old->servers()[0].health);
  EXPECT_NE(now->servers()[1].health, old->servers()[1].health);
}

TEST(Set, EveryTlsSettingMakesAnotherUpstream) {
  config::Upstream plain = servers({{.host = "a"}});
  EXPECT_TRUE(same_settings(plain, plain));
  auto differs = [&](auto change) {
    config::Upstream changed = plain;
    change(changed);
    return !same_settings(plain, changed);
  };
  EXPECT_TRUE(differs([](auto& u) { u.servers[0].port = 1; }));
  EXPECT_TRUE(differs([](auto& u) { u.servers.push_back({.host = "b"}); }));
  EXPECT_TRUE(differs([](auto& u) { u.tls.mode = config::ServerTlsMode::verify_full; }));
  EXPECT_TRUE(differs([](auto& u) { u.tls.negotiation = config::TlsNegotiation::direct; }));
  EXPECT_TRUE(differs([](auto& u) { u.tls.ca_file = "x"; }));
  EXPECT_TRUE(differs([](auto& u) { u.tls.server_name = "x"; }));
  EXPECT_TRUE(differs([](auto& u) { u.tls.cert_file = "x"; }));
  EXPECT_TRUE(differs([](auto& u) { u.tls.key_file = "x"; }));
}

CompiledTls without_tls() {
  tls::Findings findings;
  config::ServerTls settings;
  settings.mode = config::ServerTlsMode::disable;
  return {.context = tls::ServerContext::compile(settings, "tls", findings), .files = {}};
}

class Dynamic : public testing::Test {
 protected:
  static UpstreamPtr pattern(const std::string& host) {
    return std::make_shared<const Upstream>(
        host, servers({{.host = host, .port = 6000}}), without_tls(),
        std::vector<std::shared_ptr<Health>>{std::make_shared<Health>()});
  }
  UpstreamPtr pattern_ = pattern("$1.internal");
};

TEST_F(Dynamic, TheSameHostIsTheSameUpstream) {
  DynamicUpstreams dynamic;
  auto first = dynamic.get(pattern_, {"a.internal"}, 10);
  ASSERT_TRUE(first);
  EXPECT_EQ((*first)->name(), "a.internal:6000");
  EXPECT_EQ((*first)->servers()[0].address.host, "a.internal");
  EXPECT_EQ((*first)->tls(), pattern_->tls());
  EXPECT_EQ(*dynamic.get(pattern_, {"a.internal"}, 10), *first);
  EXPECT_NE(*dynamic.get(pattern("$1.internal"), {"a.internal"}, 10), *first);
  EXPECT_EQ(dynamic.size(), 2);
}

TEST_F(Dynamic, TheLongestUnusedMakesRoomAndWhatIsInUseStays) {
  DynamicUpstreams dynamic;
  UpstreamPtr held = *dynamic.get(pattern_, {"a"}, 3);
  std::weak_ptr<const Upstream> b = *dynamic.get(pattern_, {"b"}, 3);
  std::weak_ptr<const Upstream> c = *dynamic.get(pattern_, {"c"}, 3);
  ASSERT_TRUE(dynamic.get(pattern_, {"b"}, 3));  // now c is the longest unused
  ASSERT_TRUE(dynamic.get(pattern_, {"d"}, 3));
  EXPECT_TRUE(c.expired());
  EXPECT_FALSE(b.expired());
  EXPECT_EQ(*dynamic.get(pattern_, {"a"}, 3), held);
  EXPECT_EQ(dynamic.size(), 3);
}

TEST_F(Dynamic, WhenAllAreInUseANewOneIsRefused) {
  DynamicUpstreams dynamic;
  UpstreamPtr a = *dynamic.get(pattern_, {"a"}, 2);
  UpstreamPtr b = *dynamic.get(pattern_, {"b"}, 2);
  auto refused = dynamic.get(pattern_, {"c"}, 2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().sqlstate, sqlstate::kConfigurationLimit);
  EXPECT_TRUE(dynamic.get(pattern_, {"a"}, 2));
  b.reset();
  EXPECT_TRUE(dynamic.get(pattern_, {"c"}, 2));
}

TEST_F(Dynamic, ALoweredLimitHoldsOnceSessionsEnd) {
  DynamicUpstreams dynamic;
  std::vector<UpstreamPtr> held;
  for (const char* host : {"a", "b", "c"}) held.push_back(*dynamic.get(pattern_, {host}, 3));
  EXPECT_FALSE(dynamic.get(pattern_, {"d"}, 1));
  EXPECT_EQ(dynamic.size(), 3);
  held.clear();
  EXPECT_TRUE(dynamic.get(pattern_, {"d"}, 1));
  EXPECT_EQ(dynamic.size(), 1);
}

TEST_F(Dynamic, ManyThreadsStayWithinTheLimit) {
  DynamicUpstreams dynamic;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) {
        auto got = dynamic.get(pattern_, {"h" + std::to_string((i * 7 + t) % 20)}, 8);
        ASSERT_TRUE(got.has_value());
        EXPECT_LE(dynamic.size(), 8);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(HealthOfAServer, KeepsTheLatestAnswerAndFailure) {
  Health health;
  EXPECT_EQ(health.last_answer(), std::nullopt);
  EXPECT_FALSE(health.last_failure());
  health.answered(Instant(5s));
  health.answered(Instant(3s));
  EXPECT_EQ(health.last_answer(), Instant(5s));
  health.failed(Instant(6s), "refused");
  health.failed(Instant(4s), "older");
  EXPECT_EQ(health.last_failure()->why, "refused");
}

}  // namespace
}  // namespace trunkline::upstream
