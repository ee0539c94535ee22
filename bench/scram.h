#pragma once

#include <optional>
#include <string>
#include <string_view>

// SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel binding, for the fake server and the load
// generator. Written apart from the product's on purpose: two programs that share a mistake would
// understand each other.
namespace trunkline::bench {

class ScramClient {
 public:
  explicit ScramClient(std::string password);
  std::string first();
  // The client-final-message. The salted password is kept for each salt, for all clients.
  std::string final(std::string_view server_first);

 private:
  std::string password_;
  std::string first_bare_;
};

class ScramServer {
 public:
  // As in pg_authid: SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey
  explicit ScramServer(std::string_view verifier);
  std::string first(std::string_view client_first);
  // nullopt when the password was wrong.
  std::optional<std::string> final(std::string_view client_final) const;

 private:
  std::string salt_and_iterations_;  // "s=…,i=…"
  std::string stored_key_;
  std::string server_key_;
  std::string client_first_bare_;
  std::string server_first_;
};

}  // namespace trunkline::bench
