#include "app/systemd.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <optional>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

#include "base/time.h"
#include "io/listen.h"

namespace trunkline::app {

namespace {

constexpr int kFirstInherited = 3;  // SD_LISTEN_FDS_START
constexpr int kInheritedMax = 1024;

std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value == nullptr ? "" : value;
  unsetenv(name);
  return text;
}

std::optional<int> number(std::string_view text) {
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int socket_option(int fd, int option) {
  int value = 0;
  socklen_t length = sizeof value;
  return getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

Error unusable(int fd, std::string_view name, std::string_view why) {
  return {.message = "systemd socket \"" + std::string(name) + "\" (descriptor " +
                     std::to_string(fd) + ") " + std::string(why)};
}

Result<InheritedSocket> inherit(int fd, std::string name) {
  if (socket_option(fd, SO_TYPE) != SOCK_STREAM || socket_option(fd, SO_ACCEPTCONN) != 1) {
    return fail(unusable(fd, name, "is not a listening stream socket"));
  }
  io::SocketAddress address = io::bound_address(fd);
  if (!address.is_ip() && !address.is_unix()) {
    return fail(unusable(fd, name, "is of a family that is not served"));
  }
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
      fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) {
    return fail(unusable(fd, name, std::strerror(errno)));
  }
  return InheritedSocket{fd, std::move(name), address};
}

}  // namespace

Notifier Notifier::from_environment() {
  return Notifier(take_variable("NOTIFY_SOCKET"));
}

void Notifier::reloading() const {
  // systemd compares with its own CLOCK_MONOTONIC, which the standard's clock need not be.
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  int64_t us = int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(us));
}

void Notifier::status(std::string_view text) const {
  std::string line(text);
  std::ranges::replace(line, '\n', ' ');  // a line feed would begin another assignment
  send("STATUS=" + line);
}

void Notifier::send(std::string_view message) const {
  if (path_.empty()) return;
  sockaddr_un to{.sun_family = AF_UNIX, .sun_path = {}};
  if (path_.size() >= sizeof to.sun_path) return;
  std::ranges::copy(path_, to.sun_path);
  if (path_[0] == '@') to.sun_path[0] = '\0';
  // An abstract name ends where the address ends; a path, before its zero byte.
  auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size());
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  sendto(fd, message.data(), message.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&to),
         length);
  close(fd);
}

Result<std::vector<InheritedSocket>> take_inherited_sockets() {
  std::string pid = take_variable("LISTEN_PID");
  std::string count_text = take_variable("LISTEN_FDS");
  std::string names = take_variable("LISTEN_FDNAMES");
  std::vector<InheritedSocket> sockets;
  // For another process: a parent was started so and left its environment to us.
  if (number(pid) != getpid()) return sockets;
  std::optional<int> count = number(count_text);
  if (!count || *count < 0 || *count > kInheritedMax) {
    return fail({.message = "LISTEN_FDS is not a number of sockets"});
  }
  std::string_view rest = names;
  for (int fd = kFirstInherited; fd < kFirstInherited + *count; ++fd) {
    size_t end = std::min(rest.find(':'), rest.size());
    std::string name(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    Result<InheritedSocket> socket = inherit(fd, std::move(name));
    if (!socket) return fail(std::move(socket.error()));
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

}  // namespace trunkline::app
