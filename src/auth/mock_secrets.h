#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/secret.h"

namespace trunkline::auth {

// What a login of nobody shows, so that it looks like a login of somebody. Keyed by `secret_file`:
// with the same key every process and every restart shows the same salt for the same name, as a
// stored verifier would. One for the process, any thread.
class MockSecrets {
 public:
  explicit MockSecrets(Secret key) : key_(std::move(key)) {}

  // The salt of a user without a verifier: of nobody, and of users whose password is stored plain.
  std::string salt(std::string_view user) const;

  // True the first time a name is asked for (about: names share bits). The first login of a user
  // whose password is stored plain costs a key derivation; so that this tells nothing, the first
  // login of every other name costs one too, but not the later ones, or strangers could keep the
  // derivation threads busy: they can make them work 65,536 times in all.
  bool first_exchange(std::string_view user);

 private:
  static constexpr size_t kNameBits = 65'536;

  const Secret key_;
  std::array<std::atomic<uint64_t>, kNameBits / 64> seen_{};
};

}  // namespace trunkline::auth
