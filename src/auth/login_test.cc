// Whole logins: the proxy's client side and server side against each other.
#include <gtest/gtest.h>

#include "auth/login_support.h"
#include "base/bytes.h"

namespace trunkline::auth {
namespace {

using config::AuthMethod;
using namespace test;

TEST(Login, EveryMethodWorksWithEveryKindOfSecretThatCanServeIt) {
  struct Case {
    std::string user;
    AuthMethod method;
    bool works;
    std::string trace;
  };
  const Case cases[] = {
      {"plain", AuthMethod::password, true, "3 0 "},
      {"md5", AuthMethod::password, true, "3 0 "},
      {"scram", AuthMethod::password, true, "3 0 "},
      {"none", AuthMethod::password, false, "3 "},
      {"plain", AuthMethod::md5, true, "5 0 "},
      {"md5", AuthMethod::md5, true, "5 0 "},
      {"scram", AuthMethod::md5, true, "10 11 0 "},
      {"none", AuthMethod::md5, false, "5 "},
      {"plain", AuthMethod::scram_sha_256, true, "10 11 0 "},
      {"md5", AuthMethod::scram_sha_256, false, "10 11 "},
      {"scram", AuthMethod::scram_sha_256, true, "10 11 0 "},
      {"none", AuthMethod::scram_sha_256, false, "10 11 "},
      {"none", AuthMethod::trust, true, "0 "},
      {"nobody", AuthMethod::trust, true, "0 "},
  };
  for (const Case& c : cases) {
    World world(all_kinds());
    for (std::string_view password : {"secret", "Secret"}) {
      ClientAuth login = world.login(c.user, c.method);
      Outcome outcome = run(login, with_password(c.user, password));
      bool expected = c.works && (password == "secret" || c.method == AuthMethod::trust);
      EXPECT_EQ(outcome.succeeded.has_value(), expected) << c.user << " " << c.trace << password;
      EXPECT_FALSE(outcome.server_side);
      if (expected) {
        EXPECT_EQ(outcome.trace, c.trace);
      } else {
        EXPECT_EQ(outcome.client_side->sqlstate, sqlstate::kInvalidPassword);
        EXPECT_EQ(outcome.client_side->message,
                  "password authentication failed for user \"" + c.user + "\"");
      }
    }
  }
}

TEST(Login, NobodyCannotBeToldFromAWrongPassword) {
  struct Case {
    AuthConfig config;
    std::string known;
    AuthMethod method;
  };
  std::string md5(md5_secret("secret", "bob").reveal());
  std::string scram = verifier_of("secret", "0123456789abcdef", 5000);
  std::vector<Case> cases;
  for (AuthMethod method : {AuthMethod::password, AuthMethod::md5, AuthMethod::scram_sha_256})
    for (const std::string& secret : {std::string("secret"), md5, scram})
      cases.push_back({config_of({{"bob", secret}}), "bob", method});
  for (AuthMethod method : {AuthMethod::password, AuthMethod::scram_sha_256})
    for (std::string user : {"plain", "md5", "scram", "none"})
      cases.push_back({all_kinds(), user, method});

  for (Case& c : cases) {
    World world(std::move(c.config));
    for (int attempt = 0; attempt < 3; ++attempt) {
      ClientAuth known = world.login(c.known, c.method);
      ClientAuth unknown = world.login("nobody", c.method);
      Outcome of_known = run(known, with_password(c.known, "wrong"));
      Outcome of_unknown = run(unknown, with_password("nobody", "wrong"));
      EXPECT_EQ(of_known.trace, of_unknown.trace) << c.known;
      EXPECT_EQ(of_known.derivations, of_unknown.derivations) << c.known << " " << attempt;
      EXPECT_EQ(of_known.client_side->sqlstate, of_unknown.client_side->sqlstate);
      EXPECT_EQ(of_unknown.client_side->message,
                "password authentication failed for user \"nobody\"");
    }
  }
}

// The server-first message for a user and a first message of a client.
std::string challenge(World& world, std::string user) {
  ClientAuth login = world.login(std::move(user), AuthMethod::scram_sha_256);
  login.start();
  std::string body("SCRAM-SHA-256\0", 14);
  append_big_endian(body, int32_t{9});
  auto step = login.on_message(body + "n,,n=,r=x");
  return std::get<ClientAuth::Send>(step).payload;
}

TEST(Login, TheChallengeForNobodyLooksRealAndIsTheSameEveryTime) {
  World world(all_kinds());
  std::string known = challenge(world, "scram");
  std::string first = challenge(world, "nobody");
  std::string second = challenge(world, "nobody");
  EXPECT_EQ(known.size(), first.size());
  EXPECT_EQ(first.substr(first.find(",s=")), second.substr(second.find(",s=")));
  EXPECT_NE(first.substr(0, first.find(",s=")), second.substr(0, second.find(",s=")));
  EXPECT_EQ(known.substr(known.find(",i=")), first.substr(first.find(",i=")));
  std::string other = challenge(world, "somebody");
  EXPECT_NE(first.substr(first.find(",s=")), other.substr(other.find(",s=")));
}

TEST(Login, APlainPasswordIsDerivedOnce) {
  World world(config_of({{"bob", "secret"}}));
  for (int attempt = 0; attempt < 2; ++attempt) {
    ClientAuth login = world.login("bob", AuthMethod::scram_sha_256);
    Outcome outcome = run(login, with_password("bob", "secret"));
    EXPECT_TRUE(outcome.succeeded);
    EXPECT_EQ(outcome.derivations, attempt == 0 ? 1 : 0);
  }
}

TEST(Login, ARightPasswordIsDerivedOnceAndAWrongOneNeverCached) {
  World world(all_kinds());
  for (auto [password, derivations] :
       {std::pair{"wrong", 1}, {"wrong", 1}, {"secret", 1}, {"secret", 0}, {"wrong", 1}}) {
    ClientAuth login = world.login("scram", AuthMethod::password);
    EXPECT_EQ(run(login, with_password("scram", password)).derivations, derivations);
  }
  EXPECT_EQ(world.cache.size(), 1U);
}

TEST(Login, KeysRecoveredFromAScramProofLogInWithTheSameVerifier) {
  World world(all_kinds());
  ClientAuth client = world.login("scram", AuthMethod::scram_sha_256);
  Outcome first = run(client, with_password("scram", "secret"));
  ASSERT_TRUE(first.succeeded);
  EXPECT_EQ(first.succeeded->method, AuthMethod::scram_sha_256);
  EXPECT_TRUE(first.succeeded->credentials.password.empty());
  ASSERT_TRUE(first.succeeded->credentials.scram);

  World server(all_kinds());
  ClientAuth second = server.login("scram", AuthMethod::scram_sha_256);
  EXPECT_TRUE(run(second, std::move(first.succeeded->credentials)).succeeded);
}

TEST(Login, KeysRecoveredDoNotFitAnotherVerifier) {
  World world(all_kinds());
  ClientAuth client = world.login("scram", AuthMethod::scram_sha_256);
  Outcome first = run(client, with_password("scram", "secret"));
  World server(config_of({{"scram", verifier_of("secret", "another salt", 4096)}}));
  ClientAuth second = server.login("scram", AuthMethod::scram_sha_256);
  Outcome outcome = run(second, std::move(first.succeeded->credentials));
  ASSERT_TRUE(outcome.server_side);
  EXPECT_EQ(outcome.server_side->side, Side::server);
  EXPECT_NE(outcome.server_side->hint.find("\"login\""), std::string::npos);
}

TEST(Login, WhatWasLearnedOrStoredBecomesTheCredentials) {
  World world(all_kinds());
  ClientAuth password = world.login("scram", AuthMethod::password);
  EXPECT_EQ(
      run(password, with_password("scram", "secret")).succeeded->credentials.password.reveal(),
      "secret");
  ClientAuth md5 = world.login("md5", AuthMethod::md5);
  EXPECT_EQ(run(md5, with_password("md5", "secret")).succeeded->credentials.md5.reveal(),
            md5_secret("secret", "md5").reveal());
  ClientAuth trust = world.login("plain", AuthMethod::trust);
  EXPECT_EQ(run(trust, {}).succeeded->credentials.password.reveal(), "secret");
}

TEST(Login, AStoredMd5SecretAnswersAnMd5Request) {
  World world(all_kinds());
  ClientAuth login = world.login("md5", AuthMethod::md5);
  EXPECT_TRUE(run(login, {.user = "md5", .md5 = md5_secret("secret", "md5")}).succeeded);
}

TEST(Login, ChannelBindingIsUsedWhenBothEndsCan) {
  auto outcome = [](std::string ours, ServerChannel theirs) {
    World world(all_kinds());
    ClientAuth login({world.config, world.mock, world.cache}, {},
                     {.user = "scram", .endpoint_hash = std::move(ours)});
    return run(login, with_password("scram", "secret"), std::move(theirs));
  };
  EXPECT_TRUE(outcome(kHash, {kHash, true}).succeeded);
  EXPECT_TRUE(outcome(kHash, {"", false}).succeeded);
  EXPECT_TRUE(outcome("", {kHash, false}).succeeded);
  EXPECT_EQ(outcome(kHash, {std::string(32, 'm'), true}).client_side->message,
            "SCRAM channel binding check failed");
  EXPECT_TRUE(outcome("", {kHash, true}).server_side);
  EXPECT_TRUE(outcome(kHash, {"", true}).server_side);
}

TEST(Login, CertificatesAndPeersNameUsersDirectlyOrThroughAMap) {
  World world(all_kinds());
  auto run_with = [&](HbaVerdict verdict, std::optional<std::string> certificate,
                      std::optional<std::string> peer) -> std::string {
    ClientAuth login({world.config, world.mock, world.cache}, verdict,
                     {.user = "bob", .certificate_name = certificate, .peer_name = peer});
    auto step = login.start();
    auto* error = std::get_if<Error>(&step);
    return error == nullptr ? "ok" : std::string(error->sqlstate) + " " + error->message;
  };
  HbaVerdict cert{AuthMethod::cert, "", true};
  HbaVerdict mapped{AuthMethod::cert, "m", true};
  HbaVerdict peer{AuthMethod::peer, "", false};
  HbaVerdict trust{AuthMethod::trust, "", true};
  const std::string no_cert = "28000 certificate authentication failed for user \"bob\"";
  const std::string no_peer = "28000 Peer authentication failed for user \"bob\"";
  EXPECT_EQ(run_with(cert, "bob", {}), "ok");
  EXPECT_EQ(run_with(cert, "ann", {}), no_cert);
  EXPECT_EQ(run_with(cert, {}, "bob"), no_cert);
  EXPECT_EQ(run_with(mapped, "bob@example.com", {}), "ok");
  EXPECT_EQ(run_with(mapped, "bob", {}), no_cert);
  EXPECT_EQ(run_with(peer, {}, "bob"), "ok");
  EXPECT_EQ(run_with(peer, {}, "ann"), no_peer);
  EXPECT_EQ(run_with(peer, "bob", {}), no_peer);
  EXPECT_EQ(run_with(trust, "bob", {}), "ok");
  EXPECT_EQ(run_with(trust, "ann", {}), "28000 \"trust\" authentication failed for user \"bob\"");
  EXPECT_NE(run_with({AuthMethod::reject, "", false}, "bob", "bob"), "ok");
}

TEST(Login, ARightPasswordDoesNotReplaceTheCertificateTheRuleWants) {
  World world(all_kinds());
  for (bool right : {false, true}) {
    ClientAuth login({world.config, world.mock, world.cache}, {AuthMethod::scram_sha_256, "", true},
                     {.user = "scram", .certificate_name = right ? "scram" : "bob"});
    EXPECT_EQ(run(login, with_password("scram", "secret")).succeeded.has_value(), right);
  }
}

}  // namespace
}  // namespace trunkline::auth
