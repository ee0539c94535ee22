#pragma once

#include <expected>
#include <optional>
#include <string>
#include <sys/types.h>

#include "base/time.h"
#include "io/address.h"

namespace trunkline::io {

struct ListenOptions {
  int backlog = 4096;  // the kernel caps it at net.core.somaxconn
  mode_t unix_mode = 0777;
  std::optional<Duration> tcp_user_timeout = {};  // see `set_tcp_user_timeout`
};

// A bound, listening, non-blocking socket. A unix socket file that nobody listens on any more is
// replaced; one that answers is not. The error is a sentence that names the address. Any thread.
std::expected<int, std::string> open_listener(const SocketAddress& address,
                                              const ListenOptions& options);

// What a listening socket is bound to: for port 0, and for sockets handed over by systemd.
SocketAddress bound_address(int fd);

}  // namespace trunkline::io
