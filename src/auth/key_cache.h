#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "auth/scram.h"

namespace trunkline::auth {

// Results of `KeyDerivation`, so that PBKDF2 runs once for each password, salt and iteration count
// and not for each login. Entries are found by a keyed fingerprint of all three; neither passwords
// nor salts are kept. One for the process, any thread. Bounded: the oldest entry makes room.
class KeyCache {
 public:
  static constexpr size_t kEntriesMax = 32'768;  // about 10 MB

  explicit KeyCache(size_t entries_max = kEntriesMax);

  std::optional<ScramKeys> find(const Secret& password, std::string_view salt,
                                uint32_t iterations) const;
  void insert(const Secret& password, std::string_view salt, uint32_t iterations,
              const ScramKeys& keys);
  size_t size() const;

 private:
  std::string fingerprint(const Secret& password, std::string_view salt, uint32_t iterations) const;

  const size_t entries_max_;
  const Secret key_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, ScramKeys> entries_;
  std::deque<std::string> oldest_first_;
};

}  // namespace trunkline::auth
