#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "auth/auth_code.h"
#include "auth/credentials.h"
#include "auth/key_cache.h"
#include "auth/scram_client.h"
#include "base/error.h"

namespace trunkline::auth {

// What the connection to the server offers to a login.
struct ServerChannel {
  std::string endpoint_hash;  // tls-server-end-point of the server's certificate, or empty
  bool channel_binding_required = false;  // nothing but SCRAM-SHA-256-PLUS will do
};

// One login of ours to a server: answers the Authentication messages the server sends. The server
// is not trusted: it may ask once, it gets a password only in the form it asked for, and an
// AuthenticationOk in the middle of SCRAM is a failure. Belongs to one server connection, on its
// worker; `cache` must outlive it.
class ServerAuth {
 public:
  struct Send {  // body of a 'p' message
    Secret payload;
  };
  struct Derive {  // run it on another thread, then on_derived
    KeyDerivation work;
  };
  struct Wait {};  // for the server's next message
  struct Done {};  // AuthenticationOk, and the server has proven itself if it had to
  using Step = std::variant<Send, Derive, Wait, Done, Error>;

  ServerAuth(Credentials credentials, ServerChannel channel, KeyCache& cache);

  // `code` is the Int32 of the Authentication message, `payload` what follows it.
  Step on_request(int32_t code, std::string_view payload);
  Step on_derived(KeyDerivation done);

 private:
  enum class State : uint8_t {
    fresh,
    answered,  // by password or md5: only Ok can follow
    scram_first,
    deriving,
    scram_final,
    proven,  // SCRAM is complete
    finished
  };

  Step on_ok();
  Step on_cleartext_request();
  Step on_md5_request(std::string_view salt);
  Step on_sasl(std::string_view mechanisms);
  Step on_sasl_continue(std::string_view message);
  Step on_sasl_final(std::string_view message);
  Step send_client_final(const ScramKeys& keys);
  Step no_credential(std::string_view method) const;

  const Credentials credentials_;
  const ServerChannel channel_;
  KeyCache& cache_;
  State state_ = State::fresh;
  std::optional<ScramClient> scram_;
  std::optional<ScramKeys> derived_;  // to be cached when the server has proven itself
};

}  // namespace trunkline::auth
