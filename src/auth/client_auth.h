#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "auth/auth_code.h"
#include "auth/auth_config.h"
#include "auth/credentials.h"
#include "auth/key_cache.h"
#include "auth/mock_secrets.h"
#include "auth/scram_server.h"
#include "base/error.h"

namespace trunkline::auth {

// Who logs in, and what the connection itself says about it.
struct ClientIdentity {
  std::string user;
  std::string endpoint_hash;  // tls-server-end-point of the certificate we sent; empty without TLS
                              // and for certificates that have none (Ed25519)
  std::optional<std::string> certificate_name;  // common name of a verified client certificate
  std::optional<std::string> peer_name;         // operating system user behind a unix socket
};

// One login of a client: sends what PostgreSQL would send, in the same order, and fails in the same
// words. A user that does not exist goes through the same messages and the same work as one with a
// wrong password. Belongs to one session, on its worker; `services` must outlive it (the session
// holds the snapshot). It holds no more than the longest payload it accepts.
//
//        start ─► Send ─► on_message ─┬► Send …
//                                     ├► Derive ─► (other thread) ─► on_derived ─┐
//                                     ├► AskAgain ─► (look-up) ─► on_account ────┤
//                                     └► Succeeded or Error ◄────────────────────┘
class ClientAuth {
 public:
  // PostgreSQL's bounds (PG_MAX_SASL_MESSAGE_LENGTH, PG_MAX_AUTH_TOKEN_LENGTH), without the length
  // word they include.
  static constexpr size_t kSaslPayloadBytesMax = 1024 - 4;
  static constexpr size_t kPasswordPayloadBytesMax = 65535 - 4;

  struct Services {
    const AuthConfig& config;
    MockSecrets& mock;
    KeyCache& cache;
  };

  struct Send {  // an Authentication message; the client's next 'p' goes to on_message
    AuthCode code;
    std::string payload;
  };
  struct Derive {  // run it on another thread, then on_derived
    KeyDerivation work;
  };
  struct AskAgain {};           // of an account that may be outdated: look it up, then on_account
  struct Succeeded {            // AuthenticationOk is the caller's to send, after
    std::string sasl_final;     // AuthenticationSASLFinal with this, unless it is empty
    config::AuthMethod method;  // that took place: `md5` rules can end in SCRAM
    Credentials credentials;    // for the server: stored, or learned from this login
  };
  using Step = std::variant<Send, Derive, AskAgain, Succeeded, Error>;

  // The user is one of `services.config.users`, or nobody.
  ClientAuth(Services services, const HbaVerdict& verdict, ClientIdentity identity);
  // The user has been looked for elsewhere.
  ClientAuth(Services services, const HbaVerdict& verdict, ClientIdentity identity,
             Account account);

  Step start();
  // `payload` is the body of a 'p' message: PasswordMessage, SASLInitialResponse, SASLResponse.
  Step on_message(std::string_view payload);
  Step on_derived(KeyDerivation done);
  // What was sent is checked once more, as far as it is not bound to the salt of before.
  Step on_account(Account fresh);
  // The end of the login when the client sends anything but a 'p'.
  Error unexpected_message(char type) const;

 private:
  enum class State : uint8_t {
    fresh,
    password,
    md5,
    sasl_initial,
    sasl_first,  // the mechanism is chosen, its first message is still to come
    sasl_final,
    deriving_for_password,
    deriving_for_scram,
    asking_again,
    finished
  };

  Step start_md5();
  Step start_scram();
  Step check_peer();
  Step on_password(std::string_view payload);
  Step on_md5(std::string_view payload);
  Step on_sasl_initial(std::string_view payload);
  Step on_scram_first(std::string_view message);
  Step on_scram_final(std::string_view message);
  Step find_password_keys();
  Step check_password(const ScramKeys& keys);
  Step check_md5();
  Step find_plain_keys();
  Step check_proof();
  Step refuse(State checked);
  void use(Account account);
  template <typename Kind>
  const Kind* stored() const {
    return account_.user ? account_.user->as<Kind>() : nullptr;
  }
  Step finish(Step step);
  Step succeed(config::AuthMethod method);
  Step wrong_password() const;
  Credentials stored_credentials() const;

  const Services services_;
  const HbaVerdict verdict_;
  const ClientIdentity identity_;
  Account account_;
  State state_ = State::fresh;
  State checked_ = State::fresh;  // what is to be checked again
  std::string md5_salt_;
  std::string mechanism_;
  std::string scram_salt_;
  uint32_t scram_iterations_ = 0;
  std::optional<ScramServer> scram_;
  std::optional<ScramKeys> plain_keys_;  // of a user whose password is stored plain
  Secret password_;                      // as the client sent it
  Secret md5_answer_;                    // the same
};

}  // namespace trunkline::auth
