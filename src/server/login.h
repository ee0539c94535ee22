#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "auth/key_cache.h"
#include "auth/server_auth.h"
#include "base/error.h"
#include "base/secret.h"
#include "server/cancel.h"
#include "wire/message_tally.h"

namespace trunkline::server {

// A server that refused: the client is shown the server's own words when there are some.
struct Refusal {
  Error error;
  std::string response = {};  // the ErrorResponse as it came, or empty
};

// Logs one session in to a server, from the StartupMessage to the first ReadyForQuery. Pure: fed
// with the server's messages, answers what to do. Owned by the login in progress; what it listens
// to, and so the greeting it collects, is bounded by `kGreetingBytesMax`.
class Login {
 public:
  // All that a server may say before ReadyForQuery or its refusal. PostgreSQL sends about 500
  // bytes.
  static constexpr size_t kGreetingBytesMax = 256 * 1024;

  using Parameters = std::vector<std::pair<std::string, std::string>>;

  struct Send {
    Secret bytes;  // whole messages
  };
  struct Derive {
    auth::KeyDerivation work;
  };
  struct Wait {};
  struct Ready {};
  using Step = std::variant<Send, Derive, Wait, Ready, Refusal>;

  // `parameters`: the StartupMessage without the user, which is the credentials'. `tally`: where
  // the server's messages are counted, or null.
  Login(auth::Credentials credentials, auth::ServerChannel channel, auth::KeyCache& cache,
        Parameters parameters, wire::MessageTally* tally = nullptr);

  Step start() const;
  // `message` is the whole message, `body` the part of it behind the header.
  Step on_message(char type, std::string_view body, std::string_view message);
  Step on_derived(auth::KeyDerivation done);

  // The server took us for who we said we are: what it refuses from now on is not the login.
  bool authenticated() const { return authenticated_; }
  // ParameterStatus and NoticeResponse messages in their order, to be passed on to the client.
  std::string take_greeting() { return std::move(greeting_); }
  CancelKey take_cancel_key() { return std::move(cancel_key_); }

 private:
  Step on_authentication(std::string_view body);
  Step on_key_data(std::string_view body);
  Step after(auth::ServerAuth::Step step);

  const std::string user_;
  auth::ServerAuth auth_;
  const Parameters parameters_;
  wire::MessageTally* const tally_;
  bool authenticated_ = false;
  size_t heard_bytes_ = 0;
  std::string greeting_;
  CancelKey cancel_key_;
};

}  // namespace trunkline::server
