#include "base/random.h"

#include <array>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sys/random.h>

namespace trunkline {

namespace {

void fill_from_system(std::span<char> bytes) {
  while (!bytes.empty()) {
    ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) std::abort();
    bytes = bytes.subspan(static_cast<size_t>(got));
  }
}

// What was asked of the system and not given out yet: a login takes a few bytes at a time, and a
// system call for each of them costs more than the bytes. What is given out is wiped here.
class Reserve {
 public:
  ~Reserve() { explicit_bzero(bytes_.data(), bytes_.size()); }

  void take(std::span<char> into) {
    if (into.size() > left_) {
      fill_from_system(bytes_);
      left_ = bytes_.size();
    }
    left_ -= into.size();
    std::memcpy(into.data(), bytes_.data() + left_, into.size());
    explicit_bzero(bytes_.data() + left_, into.size());
  }

  static constexpr size_t kTakenMax = 64;

 private:
  std::array<char, 512> bytes_{};
  size_t left_ = 0;
};

}  // namespace

void fill_random(std::span<char> bytes) {
  thread_local Reserve reserve;
  if (bytes.size() <= Reserve::kTakenMax) {
    reserve.take(bytes);
  } else {
    fill_from_system(bytes);
  }
}

std::string random_bytes(size_t count) {
  std::string bytes(count, '\0');
  fill_random(bytes);
  return bytes;
}

// SplitMix64 (Steele, Lea, Flood 2014).
uint64_t random_number() {
  std::array<char, sizeof(uint64_t)> bytes;
  fill_random(bytes);
  return std::bit_cast<uint64_t>(bytes);
}

uint64_t FastRandom::next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace trunkline
