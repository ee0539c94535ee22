#include "io/address.h"

#include <cassert>
#include <cstring>
#include <utility>

namespace trunkline::io {

SocketAddress SocketAddress::ip(const IpAddress& address, uint16_t port) {
  SocketAddress result;
  if (address.is_v4()) {
    sockaddr_in& raw = result.ip_.v4;
    raw.sin_family = AF_INET;
    raw.sin_port = htons(port);
    std::memcpy(&raw.sin_addr, address.bytes(), 4);
    result.length_ = sizeof raw;
  } else {
    sockaddr_in6& raw = result.ip_.v6;
    raw.sin6_family = AF_INET6;
    raw.sin6_port = htons(port);
    std::memcpy(&raw.sin6_addr, address.bytes(), 16);
    result.length_ = sizeof raw;
  }
  return result;
}

SocketAddress SocketAddress::any(uint16_t port) {
  static constexpr uint8_t kAny[16] = {};
  return ip(IpAddress::v6(kAny), port);
}

std::optional<SocketAddress> SocketAddress::unix_path(std::string_view path) {
  auto raw = std::make_shared<sockaddr_un>();
  if (path.empty() || path.size() >= sizeof raw->sun_path) return std::nullopt;
  raw->sun_family = AF_UNIX;
  std::memcpy(raw->sun_path, path.data(), path.size());
  SocketAddress result;
  result.length_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  result.unix_ = std::move(raw);
  return result;
}

SocketAddress SocketAddress::from_raw(const sockaddr* raw, socklen_t length) {
  SocketAddress result;
  if (raw->sa_family == AF_UNIX && length <= sizeof(sockaddr_un)) {
    auto copy = std::make_shared<sockaddr_un>();
    std::memcpy(copy.get(), raw, length);
    result.unix_ = std::move(copy);
  } else if (length <= sizeof result.ip_) {
    std::memcpy(&result.ip_, raw, length);
  } else {
    return result;
  }
  result.length_ = length;
  return result;
}

IpAddress SocketAddress::ip_address() const {
  assert(is_ip());
  if (family() == AF_INET) return IpAddress::v4(&ip_.v4.sin_addr);
  return IpAddress::v6(&ip_.v6.sin6_addr);
}

uint16_t SocketAddress::port() const {
  assert(is_ip());
  return ntohs(family() == AF_INET ? ip_.v4.sin_port : ip_.v6.sin6_port);
}

std::string_view SocketAddress::path() const {
  if (!is_unix() || length_ <= offsetof(sockaddr_un, sun_path)) return {};
  return {unix_->sun_path, strnlen(unix_->sun_path, length_ - offsetof(sockaddr_un, sun_path))};
}

std::string SocketAddress::to_string() const {
  if (is_unix()) return path().empty() ? "unix" : std::string(path());
  if (!is_ip()) return "unknown";
  std::string host = ip_address().to_string();
  if (!ip_address().is_v4()) host = "[" + host + "]";
  return host + ":" + std::to_string(port());
}

}  // namespace trunkline::io
