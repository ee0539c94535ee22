#include "io/listen.h"

#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/tcp_options.h"

namespace trunkline::io {

namespace {

std::unexpected<std::string> failed(int fd, const SocketAddress& address, std::string_view what) {
  int error = errno;
  if (fd >= 0) close(fd);
  return std::unexpected("could not " + std::string(what) + " " + address.to_string() + ": " +
                         std::strerror(error));
}

// Removes the socket file a process left behind when it died. One that is served stays, and bind
// then fails with EADDRINUSE.
void remove_stale_socket(const SocketAddress& address) {
  std::string path(address.path());
  struct stat info;
  if (lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return;
  int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return;
  bool dead = ::connect(probe, address.raw(), address.raw_length()) < 0 && errno == ECONNREFUSED;
  close(probe);
  if (dead) unlink(path.c_str());
}

}  // namespace

std::expected<int, std::string> open_listener(const SocketAddress& address,
                                              const ListenOptions& options) {
  int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed(fd, address, "create a socket for");
  int on = 1;
  int off = 0;
  if (address.is_unix()) {
    remove_stale_socket(address);
  } else {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    set_tcp_options(fd);
    if (options.tcp_user_timeout) set_tcp_user_timeout(fd, options.tcp_user_timeout);
    if (address.family() == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (bind(fd, address.raw(), address.raw_length()) < 0) return failed(fd, address, "listen on");
  if (address.is_unix()) chmod(std::string(address.path()).c_str(), options.unix_mode);
  if (listen(fd, options.backlog) < 0) return failed(fd, address, "listen on");
  return fd;
}

SocketAddress bound_address(int fd) {
  sockaddr_storage raw{};
  socklen_t length = sizeof raw;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&raw), &length) < 0) return {};
  return SocketAddress::from_raw(reinterpret_cast<sockaddr*>(&raw), length);
}

}  // namespace trunkline::io
