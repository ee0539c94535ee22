#pragma once

#include <functional>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/client_auth.h"
#include "auth/md5.h"
#include "auth/server_auth.h"

// Logins for tests: a configuration with a user of each kind, and a run of the two machines of this
// module against each other.
namespace trunkline::auth::test {

inline const std::string kHash(32, '\x5a');

inline std::string verifier_of(std::string_view password, std::string salt, uint32_t iterations) {
  KeyDerivation work{Secret(password), salt, iterations, {}};
  work.run();
  return std::string(
      ScramVerifier::from_keys(std::move(salt), iterations, work.keys).format().reveal());
}

inline AuthConfig config_of(std::vector<std::pair<std::string, std::string>> users) {
  config::Config config;
  for (auto& [name, password] : users) config.users.push_back({{}, name, Secret(password)});
  config.ident.push_back({{}, "m", "/(.*)@example\\.com", "\\1"});
  return std::move(*compile(config));
}

inline AuthConfig all_kinds() {
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

  ClientAuth login(std::string user, config::AuthMethod method) {
    return {{config, mock, cache}, {.method = method}, {.user = std::move(user)}};
  }
};

// Runs a `ClientAuth` (as a server would be) against a `ServerAuth` (as a client would be).
// `look_up` answers when the user is asked for again.
inline Outcome run(ClientAuth& client_auth, Credentials credentials, ServerChannel channel = {},
                   const std::function<Account()>& look_up = {}) {
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
    if (std::holds_alternative<ClientAuth::AskAgain>(step)) {
      step = client_auth.on_account(look_up());
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

inline Credentials with_password(std::string user, std::string_view password) {
  return {.user = std::move(user), .password = Secret(password)};
}

}  // namespace trunkline::auth::test
