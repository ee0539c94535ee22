#include "auth/mock_secrets.h"

#include "auth/scram.h"
#include "base/bytes.h"

namespace trunkline::auth {

std::string MockSecrets::salt(std::string_view user) const {
  Digest digest = hmac_sha256(key_.reveal(), "salt of " + std::string(user));
  return std::string(digest.view().substr(0, kScramSaltBytes));
}

bool MockSecrets::first_exchange(std::string_view user) {
  Digest digest = hmac_sha256(key_.reveal(), "bit of " + std::string(user));
  size_t bit = load_big_endian<uint16_t>(digest.view().data());
  uint64_t mask = 1ULL << (bit % 64);
  return (seen_[bit / 64].fetch_or(mask, std::memory_order_relaxed) & mask) == 0;
}

}  // namespace trunkline::auth
