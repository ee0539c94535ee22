#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
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

// As it is stored. monostate: no password; only methods without one let the user in.
using StoredSecret = std::variant<std::monostate, PlainPassword, Md5Password, ScramVerifier>;

// What PostgreSQL would take the text for (get_password_type), with one difference: what starts as
// a verifier and is none is nothing (nullopt), not a plain password.
std::optional<StoredSecret> parse_stored_secret(std::string_view text);

struct UserRecord {
  std::string name;
  StoredSecret secret;

  template <typename Kind>
  const Kind* as() const {
    return std::get_if<Kind>(&secret);
  }
};

// What users are like where one is looked for: an exchange with nobody looks like one with them,
// see `MockSecrets`.
struct UserTraits {
  bool holds_plain = false;
  bool holds_verifiers = false;
  bool mostly_md5 = false;  // what a rule `md5` shows to nobody
  uint32_t mock_iterations = kScramIterations;
};

// What there is to check a login against. A value; the record lives as long as it does.
struct Account {
  std::shared_ptr<const UserRecord> user = {};  // null: nobody
  UserTraits traits = {};
  // The answer may be older than the user's password: worth asking again before anybody is refused.
  bool may_be_outdated = false;
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
  // The account of this name. Its record lives as long as the store.
  Account account(std::string_view name) const;
  size_t size() const { return users_.size(); }

  // The count of iterations is the most frequent of the verifiers; also used for verifiers made of
  // plain passwords.
  const UserTraits& traits() const { return traits_; }

 private:
  void summarise();

  std::vector<UserRecord> users_;  // by name
  UserTraits traits_;
};

}  // namespace trunkline::auth
