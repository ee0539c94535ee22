#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace trunkline {

// An IPv4 or IPv6 address. IPv4-mapped IPv6 (::ffff:1.2.3.4) is folded to IPv4, so that one rule
// matches both forms.
class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  static std::optional<IpAddress> parse(std::string_view text);
  static IpAddress v4(const void* network_order_4_bytes);
  static IpAddress v6(const void* network_order_16_bytes);

  bool is_v4() const { return v4_; }
  bool is_loopback() const;
  const uint8_t* bytes() const { return bytes_.data(); }
  unsigned bits() const { return v4_ ? 32 : 128; }
  std::string to_string() const;

  auto operator<=>(const IpAddress&) const = default;

 private:
  std::array<uint8_t, 16> bytes_{};  // the first four for IPv4
  bool v4_ = true;
};

// A network in CIDR notation; an address alone is a network of one.
class IpNetwork {
 public:
  static std::optional<IpNetwork> parse(std::string_view text);
  // An address and a mask such as 255.255.255.0; nullopt when the mask has holes.
  static std::optional<IpNetwork> from_mask(const IpAddress& address, const IpAddress& mask);
  IpNetwork(const IpAddress& address, unsigned prefix_bits);

  bool contains(const IpAddress& address) const;
  const IpAddress& address() const { return address_; }
  unsigned prefix_bits() const { return prefix_bits_; }
  std::string to_string() const;

 private:
  IpAddress address_;
  unsigned prefix_bits_;
};

}  // namespace trunkline
