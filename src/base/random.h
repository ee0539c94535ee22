#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace trunkline {

// Random bytes of the kernel, good for keys, salts and nonces. Any thread. Aborts when the kernel
// has none: nothing that follows could be safe.
void fill_random(std::span<char> bytes);
std::string random_bytes(size_t count);
uint64_t random_number();

// A small fast generator for what is not a secret: jitter, sampling, simulations. Seeded runs
// repeat exactly. One thread.
class FastRandom {
 public:
  explicit FastRandom(uint64_t seed) : state_(seed) {}
  uint64_t next();
  // In [0, bound); 0 when bound is 0.
  uint64_t below(uint64_t bound) { return bound == 0 ? 0 : next() % bound; }

 private:
  uint64_t state_;
};

}  // namespace trunkline
