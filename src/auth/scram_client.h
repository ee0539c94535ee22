#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "auth/scram.h"
#include "base/error.h"

namespace trunkline::auth {

// Our end of one SCRAM exchange with a server. Belongs to one login; steps:
//
//   client_first, on_server_first → salt() and iterations(), client_final, on_server_final
//
// The server is not trusted before `on_server_final` has succeeded: whoever gets this far without
// the verifier knows neither key. What it sends is bounded: kScramIterationsMax, kScramSaltBytesMax
// and kServerNonceBytesMax.
class ScramClient {
 public:
  static constexpr size_t kServerNonceBytesMax = 1024;  // ours included

  enum class Binding : uint8_t {
    unsupported,  // gs2 `n`: no TLS, or the server's certificate has no end-point hash
    not_offered,  // gs2 `y`: we could, the server did not offer it
    end_point     // gs2 `p`: SCRAM-SHA-256-PLUS
  };
  // `endpoint_hash` is used with Binding::end_point only.
  ScramClient(Binding binding, std::string endpoint_hash, std::string nonce);

  std::string_view mechanism() const {
    return binding_ == Binding::end_point ? kScramSha256Plus : kScramSha256;
  }
  std::string client_first() const;
  Result<> on_server_first(std::string_view message);
  const std::string& salt() const { return salt_; }
  uint32_t iterations() const { return iterations_; }
  Secret client_final(const ScramKeys& keys);
  Result<> on_server_final(std::string_view message) const;

 private:
  std::string gs2_header() const;

  const Binding binding_;
  const std::string endpoint_hash_;
  std::string nonce_;  // from on_server_first on ours and the server's
  std::string client_first_bare_;
  std::string server_first_;
  std::string salt_;
  uint32_t iterations_ = 0;
  Digest server_signature_;
};

}  // namespace trunkline::auth
