#include "auth/hba.h"

#include <gtest/gtest.h>

namespace trunkline::auth {
namespace {

using config::AuthMethod;
using config::ConnectionType;
using Rule = config::AuthenticationRule;
using Kind = config::HbaName::Kind;

HbaRules rules(std::vector<Rule> list) {
  auto maps = IdentMaps::compile({{{}, "m", "a", "b"}});
  auto compiled = HbaRules::compile(list, *maps);
  EXPECT_TRUE(compiled) << compiled.error()[0].text;
  return std::move(*compiled);
}

HbaFacts facts(Channel channel = Channel::plain, std::string_view source = "192.0.2.7") {
  return {
      .channel = channel, .source = *IpAddress::parse(source), .user = "bob", .database = "shop"};
}

std::string decide(const HbaRules& rules, const HbaFacts& facts) {
  auto verdict = rules.decide(facts);
  if (!verdict) return std::string(verdict.error().sqlstate) + " " + verdict.error().message;
  return std::to_string(static_cast<int>((*verdict)->method));
}

const std::string kTrust = std::to_string(static_cast<int>(AuthMethod::trust));
const std::string kMd5 = std::to_string(static_cast<int>(AuthMethod::md5));
const std::string kScram = std::to_string(static_cast<int>(AuthMethod::scram_sha_256));

TEST(Hba, WithoutRulesEverybodyIsAskedForScram) {
  for (Channel channel : {Channel::local, Channel::plain, Channel::tls})
    EXPECT_EQ(decide(rules({}), facts(channel)), kScram);
  HbaFacts replica = facts();
  replica.replication = Replication::physical;
  EXPECT_EQ(decide(rules({}), replica), kScram);
}

TEST(Hba, TheFirstRuleThatFitsDecides) {
  HbaRules two = rules({{.users = {{Kind::exact, "eve"}}, .method = AuthMethod::reject},
                        {.method = AuthMethod::md5},
                        {.method = AuthMethod::trust}});
  EXPECT_EQ(decide(two, facts()), kMd5);
  HbaFacts eve = facts();
  eve.user = "eve";
  EXPECT_EQ(decide(two, eve),
            "28000 pg_hba.conf rejects connection for host \"192.0.2.7\", user \"eve\", database "
            "\"shop\", no encryption");
}

TEST(Hba, ConnectionTypesFitAsInPostgres) {
  struct Case {
    ConnectionType type;
    bool local, plain, tls;
  };
  for (const Case& c : {Case{ConnectionType::any, true, true, true},
                        Case{ConnectionType::local, true, false, false},
                        Case{ConnectionType::host, false, true, true},
                        Case{ConnectionType::hostssl, false, false, true},
                        Case{ConnectionType::hostnossl, false, true, false}}) {
    HbaRules one = rules({{.type = c.type, .method = AuthMethod::trust}});
    EXPECT_EQ(decide(one, facts(Channel::local)) == kTrust, c.local);
    EXPECT_EQ(decide(one, facts(Channel::plain)) == kTrust, c.plain);
    EXPECT_EQ(decide(one, facts(Channel::tls)) == kTrust, c.tls);
  }
}

TEST(Hba, NoRuleThatFitsRejectsInPostgresWords) {
  HbaRules none = rules({{.users = {{Kind::exact, "nobody"}}, .method = AuthMethod::trust}});
  EXPECT_EQ(decide(none, facts()),
            "28000 no pg_hba.conf entry for host \"192.0.2.7\", user \"bob\", database \"shop\", "
            "no encryption");
  EXPECT_EQ(decide(none, facts(Channel::tls, "2001:db8::1")),
            "28000 no pg_hba.conf entry for host \"2001:db8::1\", user \"bob\", database "
            "\"shop\", SSL encryption");
  EXPECT_EQ(decide(none, facts(Channel::local)),
            "28000 no pg_hba.conf entry for host \"[local]\", user \"bob\", database \"shop\", no "
            "encryption");
  HbaFacts replica = facts();
  replica.replication = Replication::physical;
  EXPECT_EQ(decide(none, replica),
            "28000 no pg_hba.conf entry for replication connection from host \"192.0.2.7\", user "
            "\"bob\", no encryption");
}

TEST(Hba, SourcesFitByNetworkAndNeverAUnixSocket) {
  HbaRules one = rules({{.sources = {*IpNetwork::parse("10.0.0.0/8"), *IpNetwork::parse("::1")},
                         .method = AuthMethod::trust}});
  EXPECT_EQ(decide(one, facts(Channel::plain, "10.1.2.3")), kTrust);
  EXPECT_EQ(decide(one, facts(Channel::plain, "::1")), kTrust);
  EXPECT_NE(decide(one, facts(Channel::plain, "11.0.0.1")), kTrust);
  EXPECT_NE(decide(one, facts(Channel::local, "10.1.2.3")), kTrust);
}

TEST(Hba, DatabaseWordsMeanWhatTheyMeanInPostgres) {
  auto fits = [](config::HbaName name, std::string_view database, Replication replication) {
    HbaFacts f = facts();
    f.database = database;
    f.replication = replication;
    return decide(rules({{.databases = {std::move(name)}, .method = AuthMethod::trust}}), f) ==
           kTrust;
  };
  constexpr auto kNone = Replication::none;
  EXPECT_TRUE(fits({Kind::all, ""}, "shop", kNone));
  EXPECT_TRUE(fits({Kind::all, ""}, "shop", Replication::logical));
  EXPECT_FALSE(fits({Kind::all, ""}, "", Replication::physical));
  EXPECT_TRUE(fits({Kind::replication, ""}, "", Replication::physical));
  EXPECT_FALSE(fits({Kind::replication, ""}, "shop", Replication::logical));
  EXPECT_FALSE(fits({Kind::replication, ""}, "replication", kNone));
  EXPECT_TRUE(fits({Kind::same_user, ""}, "bob", kNone));
  EXPECT_FALSE(fits({Kind::same_user, ""}, "shop", kNone));
  EXPECT_TRUE(fits({Kind::exact, "shop"}, "shop", kNone));
  EXPECT_FALSE(fits({Kind::exact, "shop"}, "Shop", kNone));
  EXPECT_FALSE(fits({Kind::exact, "shop"}, "shop", Replication::physical));
  EXPECT_TRUE(fits({Kind::regex, "sh.*"}, "shop", kNone));
  EXPECT_FALSE(fits({Kind::regex, "sh"}, "shop", kNone));
}

TEST(Hba, UserExpressionsCannotBeEvadedWithBytesThatAreNotUtf8) {
  HbaRules one = rules({{.users = {{Kind::regex, "evil.*"}}, .method = AuthMethod::reject},
                        {.users = {{Kind::all, ""}}, .method = AuthMethod::trust}});
  HbaFacts f = facts();
  EXPECT_EQ(decide(one, f), kTrust);
  f.user = "evil\xff";
  EXPECT_NE(decide(one, f), kTrust);
}

TEST(Hba, RulesThatWantACertificateRefuseClientsWithoutOne) {
  for (Rule rule : {Rule{.type = ConnectionType::hostssl, .method = AuthMethod::cert},
                    Rule{.type = ConnectionType::hostssl, .client_certificate_required = true},
                    Rule{.type = ConnectionType::hostssl, .client_certificate_names_user = true}}) {
    bool names = rule.method == AuthMethod::cert || rule.client_certificate_names_user;
    HbaRules one = rules({std::move(rule)});
    HbaFacts f = facts(Channel::tls);
    EXPECT_EQ(decide(one, f), "28000 connection requires a valid client certificate");
    f.certificate_verified = true;
    ASSERT_TRUE(one.decide(f));
    EXPECT_EQ((*one.decide(f))->certificate_names_user, names);
  }
}

TEST(Hba, RulesThatCannotWorkAreReported) {
  auto maps = IdentMaps::compile({});
  const Rule bad[] = {
      {.method = AuthMethod::peer},
      {.type = ConnectionType::host, .method = AuthMethod::cert},
      {.type = ConnectionType::any, .client_certificate_required = true},
      {.type = ConnectionType::local, .sources = {*IpNetwork::parse("::1")}},
      {.users = {{Kind::regex, "("}}},
      {.type = ConnectionType::hostssl, .method = AuthMethod::cert, .map = "missing"},
      {.type = ConnectionType::local, .method = AuthMethod::peer, .map = "missing"},
  };
  for (const Rule& rule : bad) EXPECT_FALSE(HbaRules::compile({rule}, *maps));
  auto with_map = IdentMaps::compile({{{}, "m", "a", "b"}});
  EXPECT_FALSE(HbaRules::compile({{.method = AuthMethod::md5, .map = "m"}}, *with_map));
}

}  // namespace
}  // namespace trunkline::auth
