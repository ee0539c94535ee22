#include "auth/key_cache.h"

#include "base/bytes.h"
#include "base/random.h"

namespace trunkline::auth {

KeyCache::KeyCache(size_t entries_max)
    : entries_max_(entries_max), key_(random_bytes(kSha256Bytes)) {}

std::string KeyCache::fingerprint(const Secret& password, std::string_view salt,
                                  uint32_t iterations) const {
  std::string data;
  data.reserve(8 + salt.size() + password.reveal().size());  // grows never: nothing left unwiped
  append_big_endian(data, iterations);
  append_big_endian(data, static_cast<uint32_t>(salt.size()));
  data.append(salt).append(password.reveal());
  std::string print(hmac_sha256(key_.reveal(), data).view());
  wipe(data);
  return print;
}

std::optional<ScramKeys> KeyCache::find(const Secret& password, std::string_view salt,
                                        uint32_t iterations) const {
  std::string print = fingerprint(password, salt, iterations);
  std::lock_guard lock(mutex_);
  auto found = entries_.find(print);
  if (found == entries_.end()) return std::nullopt;
  return found->second.clone();
}

void KeyCache::insert(const Secret& password, std::string_view salt, uint32_t iterations,
                      const ScramKeys& keys) {
  std::string print = fingerprint(password, salt, iterations);
  std::lock_guard lock(mutex_);
  if (entries_.contains(print)) return;
  if (entries_.size() >= entries_max_) {
    entries_.erase(oldest_first_.front());
    oldest_first_.pop_front();
  }
  entries_.emplace(print, keys.clone());
  oldest_first_.push_back(std::move(print));
}

size_t KeyCache::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace trunkline::auth
