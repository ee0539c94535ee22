#include "wire/cancel_key.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/bytes.h"

namespace trunkline::wire {
namespace {

std::string mac_of(std::string_view fields, uint32_t process_id, const Secret& key) {
  std::string text(fields);
  append_big_endian(text, process_id);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int bytes = 0;
  // Fails only when memory is out or SHA-256 is missing; an unauthenticated key must not go out.
  if (HMAC(EVP_sha256(), key.reveal().data(), static_cast<int>(key.reveal().size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
           &bytes) == nullptr) {
    std::abort();
  }
  return {reinterpret_cast<const char*>(digest.data()), LongCancelKey::kMacBytes};
}

}  // namespace

ShortCancelKey ShortCancelKey::make(std::span<const char, kBytes> random, uint16_t node) {
  assert(node <= kNodeMax);
  ShortCancelKey key;
  std::ranges::copy(random, key.bytes_.begin());
  key.bytes_[0] &= 0x7f;  // clients show the process id as a signed number
  key.bytes_[1] = static_cast<char>(node & 0xff);
  key.bytes_[2] = static_cast<char>(node >> 8);
  return key.canonical();
}

std::optional<ShortCancelKey> ShortCancelKey::from(const CancelRequest& request) {
  if (request.key.size() != kCancelKeyBytes30) return std::nullopt;
  ShortCancelKey key;
  store_big_endian(key.bytes_.data(), request.process_id);
  std::ranges::copy(request.key, key.bytes_.begin() + 4);
  return key;
}

uint16_t ShortCancelKey::node() const {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes_[1]) | static_cast<uint8_t>(bytes_[2])
                                                                     << 8);
}

ShortCancelKey ShortCancelKey::with_hops(uint8_t hops) const {
  ShortCancelKey key = *this;
  key.bytes_[7] = static_cast<char>((bytes_[7] & ~kHopsMax) | (hops & kHopsMax));
  return key;
}

uint32_t ShortCancelKey::process_id() const {
  return load_big_endian<uint32_t>(bytes_.data());
}

uint64_t ShortCancelKey::hash_key() const {
  return load_big_endian<uint64_t>(bytes_.data());
}

std::string LongCancelKey::encode(uint32_t process_id, const Secret& mac_key) const {
  std::string out;
  out.reserve(kBytes);
  append_big_endian(out, kVersion);
  append_big_endian(out, node);
  append_big_endian(out, session);
  append_big_endian(out, epoch);
  return out + mac_of(out, process_id, mac_key);
}

std::optional<LongCancelKey> LongCancelKey::decode(const CancelRequest& request,
                                                   const Secret& mac_key) {
  if (request.key.size() != kBytes) return std::nullopt;
  std::string_view fields = request.key.substr(0, kBytes - kMacBytes);
  ByteReader reader(fields);
  if (reader.read<uint16_t>() != kVersion) return std::nullopt;
  LongCancelKey key;
  key.node = *reader.read<uint16_t>();
  key.session = *reader.read<uint32_t>();
  key.epoch = *reader.read<uint64_t>();
  std::string expected = mac_of(fields, request.process_id, mac_key);
  if (!equal_in_constant_time(expected, request.key.substr(fields.size()))) return std::nullopt;
  return key;
}

}  // namespace trunkline::wire
