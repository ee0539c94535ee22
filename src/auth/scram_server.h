#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "auth/scram.h"
#include "base/error.h"

namespace trunkline::auth {

// The payload of AuthenticationSASL: the mechanisms in order of preference. PLUS is offered exactly
// when there is something to bind to.
std::string scram_mechanisms(bool plus);

// Our end of one SCRAM exchange with a client, with PostgreSQL's checks in PostgreSQL's order and
// words. Belongs to one login; steps:
//
//   on_client_first → server-first, on_client_final, verify → server-final
//
// Between the last two the caller finds the keys, for only the proof needs them: deriving them from
// a stored password can take place elsewhere, and an exchange with an unknown user (keys of
// nobody, `known` false) is the same to the last message. Messages are bounded by the caller.
class ScramServer {
 public:
  // `endpoint_hash` is tls-server-end-point of the certificate we sent; empty: PLUS was not
  // offered. `nonce` is what we add to the client's, see `scram_nonce`.
  ScramServer(std::string salt, uint32_t iterations, std::string endpoint_hash, std::string nonce)
      : salt_(std::move(salt)),
        iterations_(iterations),
        endpoint_hash_(std::move(endpoint_hash)),
        nonce_(std::move(nonce)) {}

  Result<std::string> on_client_first(std::string_view mechanism, std::string_view message);
  Result<> on_client_final(std::string_view message);

  struct Verified {
    std::string server_final;
    Secret client_key;  // recovered from the proof
  };
  // nullopt: the proof is not the password's, or `known` is false; the time taken is the same.
  std::optional<Verified> verify(std::string_view stored_key, std::string_view server_key,
                                 bool known) const;

 private:
  Result<std::string_view> read_gs2_header(std::string_view message);
  std::string expected_binding() const;

  const std::string salt_;
  const uint32_t iterations_;
  const std::string endpoint_hash_;
  std::string nonce_;  // from on_client_first on the client's and ours
  std::string gs2_header_;
  std::string auth_message_;
  Digest proof_;
  bool plus_ = false;
};

// Fresh random bytes in base64.
std::string scram_nonce();

}  // namespace trunkline::auth
