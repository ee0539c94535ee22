#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "auth/scram.h"
#include "base/secret.h"

namespace trunkline::auth {

// Keys without the password they were derived from: good for every server whose verifier has the
// same salt and iteration count.
struct BoundScramKeys {
  ScramKeys keys;
  std::string salt;
  uint32_t iterations = 0;
};

// What there is to log in to a server with, from `login`, from `users`, or from the client's own
// login. Each part may be missing; the server's method says which is needed.
struct Credentials {
  std::string user;
  Secret password;
  Secret md5;  // stored form, "md5…"
  std::optional<BoundScramKeys> scram;

  Credentials clone() const {
    Credentials copy{.user = user, .password = password.clone(), .md5 = md5.clone()};
    if (scram) {
      copy.scram = BoundScramKeys{
          .keys = scram->keys.clone(), .salt = scram->salt, .iterations = scram->iterations};
    }
    return copy;
  }
};

}  // namespace trunkline::auth
