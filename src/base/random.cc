#include "base/random.h"

#include <cerrno>
#include <cstdlib>
#include <sys/random.h>

namespace trunkline {

void fill_random(std::span<char> bytes) {
  while (!bytes.empty()) {
    ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) std::abort();
    bytes = bytes.subspan(static_cast<size_t>(got));
  }
}

std::string random_bytes(size_t count) {
  std::string bytes(count, '\0');
  fill_random(bytes);
  return bytes;
}

// SplitMix64 (Steele, Lea, Flood 2014).
uint64_t FastRandom::next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace trunkline
