#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "wire/first_bytes.h"
#include "wire/protocol.h"

// The keys that the proxy gives to its clients with BackendKeyData and gets back in CancelRequests.
// Pure functions: random bytes and the MAC's key come from the caller.
namespace trunkline::wire {

// For protocol 3.0: process id and secret, eight bytes in all, laid out as PgBouncer's peers do, so
// that either can pass on the other's requests: byte 0 random but for its sign, bytes 1 and 2 the
// node's id (little-endian), the low two bits of byte 7 how often a request may still be passed on,
// the rest random. A session is found by all eight bytes: a request of its client
// carries the key unchanged.
class ShortCancelKey {
 public:
  static constexpr size_t kBytes = 8;
  static constexpr uint8_t kHopsMax = 3;
  static constexpr uint16_t kNodeMax = 16383;  // PgBouncer's bound for peer_id

  static ShortCancelKey make(std::span<const char, kBytes> random, uint16_t node);
  // nullopt for keys of another length.
  static std::optional<ShortCancelKey> from(const CancelRequest& request);

  uint16_t node() const;
  uint8_t hops() const { return static_cast<uint8_t>(bytes_[7]) & kHopsMax; }
  ShortCancelKey with_hops(uint8_t hops) const;
  // As the client has it, whatever hops are left in a request.
  ShortCancelKey canonical() const { return with_hops(kHopsMax); }

  uint32_t process_id() const;
  std::string_view secret() const { return std::string_view(bytes_.data(), kBytes).substr(4); }
  uint64_t hash_key() const;  // all eight bytes

  bool operator==(const ShortCancelKey&) const = default;

 private:
  std::array<char, kBytes> bytes_{};
};

// For protocol 3.2: 32 bytes that say where the session is, authenticated, so that any node can
// tell a key that its fleet issued without a table. Layout, big-endian: version (2), node (2),
// session (4), epoch (8), the first 16 bytes of HMAC-SHA-256 over these and the process id.
struct LongCancelKey {
  static constexpr size_t kBytes = 32;
  static constexpr size_t kMacBytes = 16;
  static constexpr uint16_t kVersion = 1;

  uint16_t node = 0;
  uint32_t session = 0;
  uint64_t epoch = 0;  // of the process that issued it: a restart makes old keys worthless

  std::string encode(uint32_t process_id, const Secret& mac_key) const;
  // nullopt: not a key of ours, or forged.
  static std::optional<LongCancelKey> decode(const CancelRequest& request, const Secret& mac_key);

  bool operator==(const LongCancelKey&) const = default;
};

}  // namespace trunkline::wire
