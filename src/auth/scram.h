#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "auth/crypto.h"
#include "base/secret.h"

// What both sides of SCRAM-SHA-256 (RFC 5802, RFC 7677) share.
namespace trunkline::auth {

inline constexpr std::string_view kScramSha256 = "SCRAM-SHA-256";
inline constexpr std::string_view kScramSha256Plus = "SCRAM-SHA-256-PLUS";
inline constexpr std::string_view kEndPointBinding = "tls-server-end-point";

inline constexpr uint32_t kScramIterations = 4096;  // PostgreSQL's default, RFC 7677's minimum
// What a server or a stored verifier may ask of our CPU: a second or so of PBKDF2.
inline constexpr uint32_t kScramIterationsMax = 1'000'000;
inline constexpr size_t kScramSaltBytes = 16;  // of the salts we make, as PostgreSQL's
inline constexpr size_t kScramSaltBytesMax = 256;
inline constexpr size_t kScramNonceBytes = 18;  // random bytes, before base64

// What proves a password: ClientKey is the client's half, ServerKey the server's. Both can be
// derived from the password (`KeyDerivation`); ClientKey can also be recovered from a client's
// proof, and is then as good as the password for every server that holds the same verifier.
struct ScramKeys {
  Secret client_key;
  Secret server_key;

  ScramKeys clone() const { return {client_key.clone(), server_key.clone()}; }
};

// PBKDF2 as plain data: the one step that is too slow for a worker. A machine returns it, its
// driver calls `run` on any other thread and gives it back to the machine; it refers to nothing,
// so the machine may be gone by then.
struct KeyDerivation {
  Secret password;  // as the user typed it; `run` prepares it
  std::string salt;
  uint32_t iterations = 0;
  ScramKeys keys;  // the result

  void run();
};

// A stored SCRAM secret, PostgreSQL's `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
struct ScramVerifier {
  uint32_t iterations = 0;
  std::string salt;
  Secret stored_key;  // SHA-256 of ClientKey
  Secret server_key;

  static std::optional<ScramVerifier> parse(std::string_view text);
  static ScramVerifier from_keys(std::string salt, uint32_t iterations, const ScramKeys& keys);
  Secret format() const;
};

// Walks `name=value,name=value`, where a name is one letter. What is wrong is said in the words of
// PostgreSQL's DETAIL.
class ScramAttributes {
 public:
  explicit ScramAttributes(std::string_view message) : rest_(message) {}

  struct Attribute {
    char name;
    std::string_view value;
  };
  std::expected<Attribute, std::string> next();
  // The value of the next attribute, which must be called `name`.
  std::expected<std::string_view, std::string> next(char name);

  bool at_end() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

// A byte of a hostile message, for an error: 'x' or 0x0a.
std::string describe_byte(std::string_view at);

// Printable ASCII without comma, at least one character: what RFC 5802 allows in a nonce.
bool is_scram_nonce(std::string_view text);

std::optional<uint32_t> parse_scram_iterations(std::string_view text);  // 1 to the bound above

}  // namespace trunkline::auth
