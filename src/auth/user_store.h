#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "auth/scram.h"
#include "base/secret.h"
#include "config/model.h"

namespace trunkline::auth {

struct PlainPassword {
  Secret text;
};
struct Md5Password {
  Secret stored;  // "md5…"
};

struct UserRecord {
  std::string name;
  // monostate: no password; only methods without one let this user in.
  std::variant<std::monostate, PlainPassword, Md5Password, ScramVerifier> secret;

  template <typename Kind>
  const Kind* as() const {
    return std::get_if<Kind>(&secret);
  }
};

// The users the proxy authenticates itself. Immutable, part of the configuration snapshot, any
// thread. About 300 bytes a user.
class UserStore {
 public:
  // PostgreSQL cuts names at NAMEDATALEN - 1; a longer one could never log in.
  static constexpr size_t kNameBytesMax = 63;

  static std::expected<UserStore, std::vector<config::Problem>> compile(
      const std::vector<config::User>& users);

  // nullptr when there is none. The record lives as long as the store.
  const UserRecord* find(std::string_view name) const;
  size_t size() const { return users_.size(); }

  // How an exchange with nobody should look in this store, see `MockSecrets`.
  bool holds_plain() const { return holds_plain_; }
  bool holds_verifiers() const { return holds_verifiers_; }
  bool mostly_md5() const { return mostly_md5_; }  // what a rule `md5` shows to nobody
  // The most frequent count of the verifiers; also used for verifiers made of plain passwords.
  uint32_t mock_iterations() const { return mock_iterations_; }

 private:
  void summarise();

  std::vector<UserRecord> users_;  // by name
  bool holds_plain_ = false;
  bool holds_verifiers_ = false;
  bool mostly_md5_ = false;
  uint32_t mock_iterations_ = kScramIterations;
};

}  // namespace trunkline::auth
