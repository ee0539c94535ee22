#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/secret.h"

// The hashes authentication is made of, all of them OpenSSL's; HMAC is built from its SHA-256. Any
// thread.
namespace trunkline::auth {

inline constexpr size_t kSha256Bytes = 32;

// A SHA-256 result. Most of them are keys or parts of proofs, so every copy is wiped when it dies;
// what lives longer than a call is kept as `Secret`.
class Digest {
 public:
  Digest() = default;
  Digest(const Digest&) = default;
  Digest& operator=(const Digest&) = default;
  ~Digest() { wipe(bytes_.data(), bytes_.size()); }

  std::string_view view() const { return {bytes_.data(), bytes_.size()}; }
  std::span<char, kSha256Bytes> span() { return bytes_; }
  Secret to_secret() const { return Secret(view()); }

  Digest& operator^=(std::string_view other);  // of kSha256Bytes bytes

 private:
  std::array<char, kSha256Bytes> bytes_{};
};

Digest sha256(std::string_view data);
Digest hmac_sha256(std::string_view key, std::string_view data);

// Hi() of RFC 5802: takes about a third of a microsecond for each iteration, so never on a worker.
Digest pbkdf2_sha256(std::string_view password, std::string_view salt, uint32_t iterations);

// 32 lower-case hexadecimal digits; empty when OpenSSL refuses MD5 (FIPS), and then every login
// that needs it fails.
Secret md5_hex(std::string_view data);

// RFC 4648 with padding. Decoding takes nothing but the one canonical form: no white space, no
// missing padding, no stray bits.
std::string base64_encode(std::string_view data);
std::optional<std::string> base64_decode(std::string_view text);
// False unless the text decodes to exactly as many bytes as `to` has.
bool base64_decode_exactly(std::string_view text, std::span<char> to);

}  // namespace trunkline::auth
