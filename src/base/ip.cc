#include "base/ip.h"

#include <arpa/inet.h>
#include <charconv>
#include <cstring>

namespace trunkline {

IpAddress IpAddress::v4(const void* network_order_4_bytes) {
  IpAddress address;
  std::memcpy(address.bytes_.data(), network_order_4_bytes, 4);
  return address;
}

IpAddress IpAddress::v6(const void* network_order_16_bytes) {
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::memcmp(network_order_16_bytes, kMapped, sizeof kMapped) == 0) {
    return v4(static_cast<const char*>(network_order_16_bytes) + sizeof kMapped);
  }
  IpAddress address;
  address.v4_ = false;
  std::memcpy(address.bytes_.data(), network_order_16_bytes, 16);
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  std::string terminated(text);
  uint8_t raw[16];
  if (inet_pton(AF_INET, terminated.c_str(), raw) == 1) return v4(raw);
  if (inet_pton(AF_INET6, terminated.c_str(), raw) == 1) return v6(raw);
  return std::nullopt;
}

bool IpAddress::is_loopback() const {
  if (v4_) return bytes_[0] == 127;
  static constexpr uint8_t kLoopback[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return std::memcmp(bytes_.data(), kLoopback, 16) == 0;
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(v4_ ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
  return text;
}

IpNetwork::IpNetwork(const IpAddress& address, unsigned prefix_bits)
    : address_(address), prefix_bits_(prefix_bits) {}

std::optional<IpNetwork> IpNetwork::parse(std::string_view text) {
  size_t slash = text.find('/');
  std::optional<IpAddress> address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  unsigned prefix_bits = address->bits();
  if (slash != std::string_view::npos) {
    std::string_view digits = text.substr(slash + 1);
    auto [end, error] = std::from_chars(digits.begin(), digits.end(), prefix_bits);
    if (error != std::errc{} || end != digits.end() || prefix_bits > address->bits())
      return std::nullopt;
  }
  return IpNetwork(*address, prefix_bits);
}

std::optional<IpNetwork> IpNetwork::from_mask(const IpAddress& address, const IpAddress& mask) {
  if (address.is_v4() != mask.is_v4()) return std::nullopt;
  unsigned ones = 0;
  while (ones < mask.bits() && (mask.bytes()[ones / 8] & (0x80 >> (ones % 8))) != 0) ++ones;
  for (unsigned bit = ones; bit < mask.bits(); ++bit) {
    if ((mask.bytes()[bit / 8] & (0x80 >> (bit % 8))) != 0) return std::nullopt;
  }
  return IpNetwork(address, ones);
}

bool IpNetwork::contains(const IpAddress& address) const {
  if (address.is_v4() != address_.is_v4()) return false;
  unsigned whole = prefix_bits_ / 8;
  if (std::memcmp(address.bytes(), address_.bytes(), whole) != 0) return false;
  unsigned rest = prefix_bits_ % 8;
  if (rest == 0) return true;
  auto mask = static_cast<uint8_t>(0xff00 >> rest);
  return ((address.bytes()[whole] ^ address_.bytes()[whole]) & mask) == 0;
}

std::string IpNetwork::to_string() const {
  return address_.to_string() + "/" + std::to_string(prefix_bits_);
}

}  // namespace trunkline
