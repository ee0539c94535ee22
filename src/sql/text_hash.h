#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace trunkline::sql {

// For tables whose keys come from clients: `seed` is drawn at random, so that nobody can choose
// texts that collide. Not for anything that must stay secret. Follows wyhash: products of 128 bits,
// 16 bytes at a time.
inline uint64_t mix(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t hash_text(std::string_view text, uint64_t seed) {
  constexpr uint64_t kOdd[] = {0xa0761d6478bd642fU, 0xe7037ed1a0b428dbU, 0x8ebc6af09c88c6e3U};
  auto load = [](const char* from) {
    uint64_t value = 0;
    std::memcpy(&value, from, sizeof value);
    return value;
  };
  // A factor of zero forgets all that came before, so it must not be known when it is one.
  const uint64_t key = mix(seed ^ kOdd[0], kOdd[1]);
  uint64_t state = mix(key ^ kOdd[2], seed ^ kOdd[1]);
  const char* at = text.data();
  size_t left = text.size();
  for (; left > 16; left -= 16, at += 16) state = mix(load(at) ^ key, load(at + 8) ^ state);
  char tail[16] = {};
  if (left > 0) std::memcpy(tail, at, left);
  state = mix(load(tail) ^ key, load(tail + 8) ^ state);
  return mix(kOdd[2] ^ text.size(), state ^ key);
}

}  // namespace trunkline::sql
