#pragma once

#include <cstdint>
#include <memory>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/ip.h"

namespace trunkline::io {

// Where a socket is bound or connected: an IP address and port, or the path of a unix socket. A
// value.
class SocketAddress {
 public:
  SocketAddress() = default;  // of no family
  static SocketAddress ip(const IpAddress& address, uint16_t port);
  // Dual stack: all of IPv6 and, mapped, all of IPv4.
  static SocketAddress any(uint16_t port);
  // nullopt when the path is longer than the system allows (107 bytes).
  static std::optional<SocketAddress> unix_path(std::string_view path);
  static SocketAddress from_raw(const sockaddr* raw, socklen_t length);

  bool is_unix() const { return unix_ != nullptr; }
  bool is_ip() const { return family() == AF_INET || family() == AF_INET6; }
  // Precondition of both: is_ip().
  IpAddress ip_address() const;
  uint16_t port() const;
  std::string_view path() const;

  const sockaddr* raw() const {
    return unix_ != nullptr ? reinterpret_cast<const sockaddr*>(unix_.get()) : &ip_.any;
  }
  socklen_t raw_length() const { return length_; }
  int family() const { return raw()->sa_family; }

  // "10.0.0.1:5432", "[::1]:5432", "/run/postgresql/.s.PGSQL.5432", or "unix" for an unnamed peer.
  std::string to_string() const;

 private:
  // Of IP; paths are long and stand elsewhere, for every session holds addresses.
  union Ip {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };
  Ip ip_{};
  socklen_t length_ = 0;
  std::shared_ptr<const sockaddr_un> unix_;
};

}  // namespace trunkline::io
