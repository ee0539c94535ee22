#include "base/secret.h"

#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <openssl/crypto.h>
#include <sys/mman.h>
#include <vector>

namespace trunkline {

namespace {

// Power-of-two blocks cut from mappings that are left out of core dumps. Freed blocks are kept per
// size: the number of secrets alive is bounded by the configuration and by logins in progress.
class Arena {
 public:
  static Arena& instance() {
    static auto* arena = new Arena;  // never destroyed: secrets with static storage outlive main
    return *arena;
  }

  char* take(size_t bytes) {
    size_t block = block_bytes(bytes);
    std::lock_guard lock(mutex_);
    std::vector<char*>& free = free_[block];
    if (free.empty()) refill(block, free);
    char* memory = free.back();
    free.pop_back();
    return memory;
  }

  void give_back(char* memory, size_t bytes) {
    wipe(memory, bytes);
    std::lock_guard lock(mutex_);
    free_[block_bytes(bytes)].push_back(memory);
  }

 private:
  static constexpr size_t kChunkBytes = 64 * 1024;

  static size_t block_bytes(size_t bytes) {
    size_t block = 16;
    while (block < bytes) block *= 2;
    return block;
  }

  static void refill(size_t block, std::vector<char*>& free) {
    size_t bytes = block > kChunkBytes ? block : kChunkBytes;
    void* chunk = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (chunk == MAP_FAILED) throw std::bad_alloc();
    madvise(chunk, bytes, MADV_DONTDUMP);
    for (size_t at = 0; at + block <= bytes; at += block)
      free.push_back(static_cast<char*>(chunk) + at);
  }

  std::mutex mutex_;
  std::map<size_t, std::vector<char*>> free_;
};

}  // namespace

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void wipe(void* memory, size_t bytes) {
  explicit_bzero(memory, bytes);
}

void wipe(std::string& text) {
  text.resize(text.capacity());  // within its memory: it does not move
  wipe(text.data(), text.size());
  text.clear();
}

Secret::Secret(std::string_view bytes) : size_(bytes.size()) {
  if (bytes.empty()) return;
  data_ = Arena::instance().take(bytes.size());
  std::memcpy(data_, bytes.data(), bytes.size());
}

Secret::~Secret() {
  if (data_ != nullptr) Arena::instance().give_back(data_, size_);
}

}  // namespace trunkline
