// Whole logins: the proxy's client side and server side against each other, and each against an
// other end that lies.
#include <gtest/gtest.h>

#include "auth/client_auth.h"
#include "auth/md5.h"
#include "auth/server_auth.h"
#include "base/bytes.h"

namespace trunkline::auth {
namespace {

using config::AuthMethod;

const std::string kHash(32, '\x5a');

std::string verifier_of(std::string_view password, std::string salt, uint32_t iterations) {
  KeyDerivation work{Secret(password), salt, iterations, {}};
  work.run();
  return std::string(
      ScramVerifier::from_keys(std::move(salt), iterations, work.keys).format().reveal());
}

AuthConfig config_of(std::vector<std::pair<std::string, std::string>> users) {
  config::Config config;
  for (auto& [name, password] : users) config.users.push_back({{}, name, Secret(password)});
  config.ident.push_back({{}, "m", "/(.*)@example\\.com", "\\1"});
  return std::move(*compile(config));
}

AuthConfig all_kinds() {
  return config_of({{"plain", "secret"},
                    {"md5", std::string(md5_secret("secret", "md5").reveal())},
                    {"scram", verifier_of("secret", "0123456789abcdef", 4096)},
                    {"none", ""}});
}

// What both ends saw, and how it ended for each.
struct Outcome {
  std::optional<ClientAuth::Succeeded> succeeded;
  std::optional<Error> client_side;  // of ClientAuth
  std::optional<Error> server_side;  // of ServerAuth
  std::string trace;                 // kinds of steps, in order
  int derivations = 0;
};

struct World {
  explicit World(AuthConfig c) : config(std::move(c)) {}
  AuthConfig config;
  MockSecrets mock{Secret("key")};
  KeyCache cache;

  ClientAuth login(std::string user, AuthMethod method) {
    return {{config, mock, cache}, {.method = method}, {.user = std::move(user)}};
  }
};

// Runs a `ClientAuth` (as a server would be) against a `ServerAuth` (as a client would be).
Outcome run(ClientAuth& client_auth, Credentials credentials, ServerChannel channel = {}) {
  KeyCache cache;
  ServerAuth server_auth(std::move(credentials), std::move(channel), cache);
  Outcome outcome;
  ClientAuth::Step step = client_auth.start();
  for (;;) {
    int32_t code = 0;
    std::string payload;
    if (auto* error = std::get_if<Error>(&step)) {
      outcome.client_side = *error;
      return outcome;
    }
    if (auto* derive = std::get_if<ClientAuth::Derive>(&step)) {
      ++outcome.derivations;
      derive->work.run();
      step = client_auth.on_derived(std::move(derive->work));
      continue;
    }
    if (auto* send = std::get_if<ClientAuth::Send>(&step)) {
      code = static_cast<int32_t>(send->code);
      payload = send->payload;
    } else {
      outcome.succeeded = std::move(std::get<ClientAuth::Succeeded>(step));
      if (!outcome.succeeded->sasl_final.empty()) {
        auto last = server_auth.on_request(12, outcome.succeeded->sasl_final);
        EXPECT_TRUE(std::holds_alternative<ServerAuth::Wait>(last));
      }
    }
    outcome.trace += std::to_string(code) + " ";
    ServerAuth::Step answer = server_auth.on_request(code, payload);
    if (auto* derive = std::get_if<ServerAuth::Derive>(&answer)) {
      derive->work.run();
      answer = server_auth.on_derived(std::move(derive->work));
    }
    if (auto* error = std::get_if<Error>(&answer)) {
      outcome.server_side = *error;
      return outcome;
    }
    if (std::holds_alternative<ServerAuth::Done>(answer)) return outcome;
    step = client_auth.on_message(std::get<ServerAuth::Send>(answer).payload.reveal());
  }
}

Credentials with_password(std::string user, std::string_view password) {
  return {.user = std::move(user), .password = Secret(password)};
}

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

std::string error_of(ClientAuth::Step step) {
  auto* error = std::get_if<Error>(&step);
  return error == nullptr ? "no error" : std::string(error->sqlstate) + " " + error->message;
}

TEST(ClientAuth, MalformedPasswordMessagesAreRefusedInPostgresWords) {
  World world(all_kinds());
  for (AuthMethod method : {AuthMethod::password, AuthMethod::md5}) {
    auto answer = [&](std::string_view payload) {
      ClientAuth login = world.login("plain", method);
      login.start();
      return error_of(login.on_message(payload));
    };
    EXPECT_EQ(answer(""), "08P01 invalid password packet size");
    EXPECT_EQ(answer("secret"), "08P01 invalid password packet size");
    EXPECT_EQ(answer(std::string_view("se\0cret\0", 8)), "08P01 invalid password packet size");
    EXPECT_EQ(answer(std::string_view("\0", 1)), "28P01 empty password returned by client");
    std::string longest(ClientAuth::kPasswordPayloadBytesMax, 'x');
    EXPECT_EQ(answer(longest + '\0'), "08P01 invalid message length");
    longest.back() = '\0';
    EXPECT_NE(answer(longest), "08P01 invalid message length");
  }
}

std::string sasl_initial(std::string_view mechanism, int32_t size, std::string_view message) {
  std::string body(mechanism);
  body.push_back('\0');
  append_big_endian(body, size);
  return body.append(message);
}

TEST(ClientAuth, MalformedSaslMessagesAreRefusedInPostgresWords) {
  World world(all_kinds());
  auto answer = [&](std::string_view payload) {
    ClientAuth login = world.login("scram", AuthMethod::scram_sha_256);
    login.start();
    return error_of(login.on_message(payload));
  };
  EXPECT_EQ(answer(""), "08P01 invalid string in message");
  EXPECT_EQ(answer("SCRAM-SHA-256"), "08P01 invalid string in message");
  EXPECT_EQ(answer(std::string_view("SCRAM-SHA-256\0\0\0", 16)),
            "08P01 insufficient data left in message");
  EXPECT_EQ(answer(sasl_initial("SCRAM-SHA-256", 10, "n,,n=,r=x")),
            "08P01 insufficient data left in message");
  EXPECT_EQ(answer(sasl_initial("SCRAM-SHA-256", -2, "n,,n=,r=x")),
            "08P01 insufficient data left in message");
  EXPECT_EQ(answer(sasl_initial("SCRAM-SHA-256", 8, "n,,n=,r=x")), "08P01 invalid message format");
  EXPECT_EQ(answer(sasl_initial("SCRAM-SHA-256", -1, "x")), "08P01 invalid message format");
  EXPECT_EQ(answer(sasl_initial("PLAIN", 9, "n,,n=,r=x")),
            "08P01 client selected an invalid SASL authentication mechanism");
  EXPECT_EQ(answer(sasl_initial("SCRAM-SHA-256", 9, "n,,n=,r=x")), "no error");

  std::string first = "n,,n=,r=";
  first.resize(ClientAuth::kSaslPayloadBytesMax - 18, 'x');
  auto size = static_cast<int32_t>(first.size());
  EXPECT_EQ(answer(sasl_initial("SCRAM-SHA-256", size, first)), "no error");
  EXPECT_EQ(answer(sasl_initial("SCRAM-SHA-256", size + 1, first + "x")),
            "08P01 invalid message length");
}

TEST(ClientAuth, AMechanismWithoutAFirstMessageIsAskedForIt) {
  World world(all_kinds());
  ClientAuth login = world.login("scram", AuthMethod::scram_sha_256);
  login.start();
  auto step = login.on_message(sasl_initial("SCRAM-SHA-256", -1, ""));
  EXPECT_EQ(std::get<ClientAuth::Send>(step).code, AuthCode::sasl_continue);
  EXPECT_EQ(std::get<ClientAuth::Send>(step).payload, "");
  step = login.on_message("n,,n=,r=x");
  EXPECT_TRUE(std::get<ClientAuth::Send>(step).payload.starts_with("r=x"));
}

TEST(ClientAuth, NothingWorksAfterTheEnd) {
  World world(all_kinds());
  ClientAuth login = world.login("plain", AuthMethod::password);
  login.start();
  EXPECT_EQ(error_of(login.on_message("bad")), "08P01 invalid password packet size");
  EXPECT_EQ(error_of(login.on_message(std::string_view("secret\0", 7))),
            "08P01 unexpected password message");
  EXPECT_EQ(error_of(login.on_derived({})), "08P01 unexpected key derivation");
}

std::optional<Error> server_error(Credentials credentials, ServerChannel channel,
                                  std::vector<std::pair<int32_t, std::string>> requests) {
  KeyCache cache;
  ServerAuth machine(std::move(credentials), std::move(channel), cache);
  for (const auto& [code, payload] : requests) {
    auto step = machine.on_request(code, payload);
    if (auto* derive = std::get_if<ServerAuth::Derive>(&step)) {
      derive->work.run();
      step = machine.on_derived(std::move(derive->work));
    }
    if (auto* error = std::get_if<Error>(&step)) return *error;
  }
  return std::nullopt;
}

const std::string kMechanisms = scram_mechanisms(true);

TEST(ServerAuth, RequestsWithoutAUsableCredentialNameTheSetting) {
  for (auto [code, payload] :
       {std::pair<int32_t, std::string>{3, ""}, {5, "salt"}, {10, kMechanisms}}) {
    auto error = server_error({.user = "bob"}, {}, {{code, payload}});
    ASSERT_TRUE(error) << code;
    EXPECT_EQ(error->side, Side::server);
    EXPECT_EQ(error->reason, Reason::server_auth_failed);
    EXPECT_NE(error->message.find("user \"bob\""), std::string::npos);
    EXPECT_NE(error->hint.find("\"login\""), std::string::npos);
    EXPECT_FALSE(server_error(with_password("bob", "secret"), {}, {{code, payload}})) << code;
  }
}

TEST(ServerAuth, AServerThatRequiresNothingIsFine) {
  EXPECT_FALSE(server_error({.user = "bob"}, {}, {{0, ""}}));
}

TEST(ServerAuth, RequestsOutOfOrderAndUnknownOnesFail) {
  const std::vector<std::vector<std::pair<int32_t, std::string>>> bad = {
      {{11, "r=x"}},
      {{12, "v=x"}},
      {{3, ""}, {3, ""}},
      {{3, ""}, {5, "salt"}},
      {{5, "salt"}, {10, kMechanisms}},
      {{10, kMechanisms}, {0, ""}},
      {{10, kMechanisms}, {10, kMechanisms}},
      {{10, kMechanisms}, {3, ""}},
      {{10, kMechanisms}, {12, "v=x"}},
      {{0, ""}, {0, ""}},
      {{2, ""}},
      {{7, ""}},
      {{9, ""}},
      {{6, ""}},
      {{13, ""}},
      {{-1, ""}},
      {{5, "sal"}},
      {{5, "saltx"}},
      {{10, ""}},
      {{10, "SCRAM-SHA-256"}},
      {{10, std::string("SCRAM-SHA-256\0", 14)}},
      {{10, std::string("OAUTHBEARER\0\0", 13)}},
      {{10, std::string("\0", 1)}},
  };
  for (const auto& requests : bad)
    EXPECT_TRUE(server_error(with_password("bob", "secret"), {}, requests))
        << requests.back().first;
}

TEST(ServerAuth, RequiredChannelBindingRefusesEveryWayAround) {
  for (auto [code, payload] : std::vector<std::pair<int32_t, std::string>>{
           {0, ""}, {3, ""}, {5, "salt"}, {10, scram_mechanisms(false)}}) {
    EXPECT_TRUE(server_error(with_password("b", "secret"), {kHash, true}, {{code, payload}}));
    EXPECT_FALSE(server_error(with_password("b", "secret"), {kHash, false}, {{code, payload}}));
  }
}

TEST(ServerAuth, KeysAreCachedOnlyWhenTheServerHasProvenItself) {
  World server(config_of({{"bob", verifier_of("secret", "salt", 2)}}));
  KeyCache cache;
  for (int attempt = 0; attempt < 3; ++attempt) {
    ClientAuth peer = server.login("bob", AuthMethod::scram_sha_256);
    ServerAuth machine(with_password("bob", "secret"), {}, cache);
    auto offer = std::get<ClientAuth::Send>(peer.start());
    auto first = machine.on_request(10, offer.payload);
    auto challenge = peer.on_message(std::get<ServerAuth::Send>(first).payload.reveal());
    auto step = machine.on_request(11, std::get<ClientAuth::Send>(challenge).payload);
    auto* derive = std::get_if<ServerAuth::Derive>(&step);
    EXPECT_EQ(derive != nullptr, attempt < 2);
    if (derive != nullptr) {
      derive->work.run();
      step = machine.on_derived(std::move(derive->work));
    }
    auto done = peer.on_message(std::get<ServerAuth::Send>(step).payload.reveal());
    std::string final = std::get<ClientAuth::Succeeded>(done).sasl_final;
    if (attempt == 0) final[5] = final[5] == 'A' ? 'B' : 'A';
    bool proven = std::holds_alternative<ServerAuth::Wait>(machine.on_request(12, final));
    EXPECT_EQ(proven, attempt > 0);
    EXPECT_EQ(cache.size(), proven ? 1U : 0U);
  }
}

}  // namespace
}  // namespace trunkline::auth
