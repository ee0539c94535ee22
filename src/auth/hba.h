#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/ident.h"
#include "base/error.h"
#include "base/ip.h"
#include "config/model.h"

namespace trunkline::auth {

enum class Channel : uint8_t { local, plain, tls };  // unix socket, TCP, TCP with TLS
// `physical` is the startup parameter replication=true: it names no database.
enum class Replication : uint8_t { none, logical, physical };

// What is known about a client before it is authenticated. Borrowed: for the length of a call.
struct HbaFacts {
  Channel channel = Channel::plain;
  IpAddress source;  // meaningless for Channel::local
  std::string_view user;
  std::string_view database;
  Replication replication = Replication::none;
  bool certificate_verified = false;
};

// How a client that a rule fits is authenticated.
struct HbaVerdict {
  // The client is asked for a password, or for what proves that it knows it.
  bool asks_for_password() const {
    using enum config::AuthMethod;
    return method == password || method == md5 || method == scram_sha_256;
  }

  config::AuthMethod method = config::AuthMethod::scram_sha_256;
  std::string map;                      // for cert, peer and the next
  bool certificate_names_user = false;  // the certificate must also fit the user
};

// The rules of `authentication`, as pg_hba.conf (PostgreSQL documentation, "The pg_hba.conf File"):
// the first that fits decides, none that fits rejects. Without any rule everybody is asked for
// scram-sha-256. Immutable, part of the configuration snapshot, any thread.
class HbaRules {
 public:
  static std::expected<HbaRules, std::vector<config::Problem>> compile(
      const std::vector<config::AuthenticationRule>& rules, const IdentMaps& maps);

  // An error in PostgreSQL's words when the client must not go on. The verdict lives as long as
  // the rules.
  Result<const HbaVerdict*> decide(const HbaFacts& facts) const;

 private:
  struct Name {
    config::HbaName name;
    std::unique_ptr<const re2::RE2> regex;
  };
  struct Rule {
    config::ConnectionType type = config::ConnectionType::any;
    std::vector<Name> databases;
    std::vector<Name> users;
    std::vector<IpNetwork> sources;
    bool certificate_required = false;
    HbaVerdict verdict;

    bool fits(const HbaFacts& facts) const;
    bool fits_database(const HbaFacts& facts) const;
    bool fits_user(const HbaFacts& facts) const;
  };
  class Compiler;

  std::vector<Rule> rules_;
};

}  // namespace trunkline::auth
