#include "io/address.h"

#include <cassert>
#include <cstring>
#include <netinet/in.h>

#include "base/bytes.h"

namespace trunkline::io {

SocketAddress SocketAddress::ip(const IpAddress& address, uint16_t port) {
  SocketAddress result;
  if (address.is_v4()) {
    auto* raw = reinterpret_cast<sockaddr_in*>(&result.storage_);
    raw->sin_family = AF_INET;
    raw->sin_port = htons(port);
    std::memcpy(&raw->sin_addr, address.bytes(), 4);
    result.length_ = sizeof *raw;
  } else {
    auto* raw = reinterpret_cast<sockaddr_in6*>(&result.storage_);
    raw->sin6_family = AF_INET6;
    raw->sin6_port = htons(port);
    std::memcpy(&raw->sin6_addr, address.bytes(), 16);
    result.length_ = sizeof *raw;
  }
  return result;
}

SocketAddress SocketAddress::any(uint16_t port) {
  static constexpr uint8_t kAny[16] = {};
  return ip(IpAddress::v6(kAny), port);
}

std::optional<SocketAddress> SocketAddress::unix_path(std::string_view path) {
  SocketAddress result;
  auto* raw = reinterpret_cast<sockaddr_un*>(&result.storage_);
  if (path.empty() || path.size() >= sizeof raw->sun_path) return std::nullopt;
  raw->sun_family = AF_UNIX;
  std::memcpy(raw->sun_path, path.data(), path.size());
  result.length_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return result;
}

SocketAddress SocketAddress::from_raw(const sockaddr* raw, socklen_t length) {
  SocketAddress result;
  if (length > sizeof result.storage_) return result;
  std::memcpy(&result.storage_, raw, length);
  result.length_ = length;
  return result;
}

IpAddress SocketAddress::ip_address() const {
  assert(is_ip());
  if (storage_.ss_family == AF_INET) {
    return IpAddress::v4(&reinterpret_cast<const sockaddr_in*>(&storage_)->sin_addr);
  }
  return IpAddress::v6(&reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_addr);
}

uint16_t SocketAddress::port() const {
  assert(is_ip());
  // sin_port and sin6_port stand at the same offset.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
}

std::string_view SocketAddress::path() const {
  if (!is_unix() || length_ <= offsetof(sockaddr_un, sun_path)) return {};
  const auto* raw = reinterpret_cast<const sockaddr_un*>(&storage_);
  return {raw->sun_path, strnlen(raw->sun_path, length_ - offsetof(sockaddr_un, sun_path))};
}

std::string SocketAddress::to_string() const {
  if (is_unix()) return path().empty() ? "unix" : std::string(path());
  if (!is_ip()) return "unknown";
  std::string host = ip_address().to_string();
  if (!ip_address().is_v4()) host = "[" + host + "]";
  return host + ":" + std::to_string(port());
}

}  // namespace trunkline::io
