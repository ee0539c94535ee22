#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/ip.h"

namespace trunkline::wire {

// The addresses that a load balancer puts in front of a connection ("The PROXY protocol", haproxy,
// versions 1 and 2). TLVs of version 2, the authority among them, are skipped: routes look at what
// the client itself sends.
struct ProxyHeader {
  // False for LOCAL, UNKNOWN and address families without IP: the socket's own addresses count.
  bool has_addresses = false;
  IpAddress source = {};
  IpAddress destination = {};
  uint16_t source_port = 0;
  uint16_t destination_port = 0;

  bool operator==(const ProxyHeader&) const = default;
};

struct ProxyHeaderResult {
  enum class State : uint8_t { need_more, complete, malformed };
  State state = State::need_more;
  size_t bytes = 0;  // of the header when complete
  ProxyHeader header = {};
};

inline constexpr size_t kProxyV1BytesMax = 107;  // with its CR LF; given by the specification
// Ours: 16 bytes, addresses (36 for IPv6) and room for TLVs; the specification allows 64 KiB.
inline constexpr size_t kProxyV2BytesMax = 4096;

// `pending` is all that was read of the connection. What follows the header is the client's first
// bytes: they stay in the driver's buffer, or in the socket if it peeked.
ProxyHeaderResult parse_proxy_header(std::string_view pending);

}  // namespace trunkline::wire
