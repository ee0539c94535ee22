#include "bench/net.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace trunkline::bench {
namespace {

constexpr int kBacklog = 4096;
constexpr uint32_t kSourceAddresses = 60'000;

void set_no_delay(int fd) {
  int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void bind_source(int fd, uint32_t source) {
  int on = 1;
  ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + source % kSourceAddresses);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from) != 0) die("bind source");
}

}  // namespace

void die(std::string_view what) {
  die_plain(fmt::format("{}: {}", what, std::strerror(errno)));
}

void die_plain(std::string_view what) {
  fmt::print(stderr, "{}: {}\n", program_invocation_short_name, what);
  std::exit(1);
}

Address::Address(const std::string& text) {
  if (text.starts_with('/')) {
    auto* address = reinterpret_cast<sockaddr_un*>(&storage_);
    if (text.size() >= sizeof address->sun_path) die_plain("too long: " + text);
    address->sun_family = AF_UNIX;
    std::memcpy(address->sun_path, text.data(), text.size());
    length_ = sizeof(sockaddr_un);
    path_ = text;
    return;
  }
  auto* address = reinterpret_cast<sockaddr_in*>(&storage_);
  size_t colon = text.rfind(':');
  if (colon == std::string::npos ||
      ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &address->sin_addr) != 1) {
    die_plain("not HOST:PORT or a path: " + text);
  }
  address->sin_family = AF_INET;
  address->sin_port = htons(static_cast<uint16_t>(std::atoi(text.c_str() + colon + 1)));
  length_ = sizeof(sockaddr_in);
}

int Address::listen() const {
  int fd = ::socket(storage_.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (is_unix()) ::unlink(path_.c_str());
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&storage_), length_) != 0) die("bind");
  if (is_unix()) ::chmod(path_.c_str(), 0777);
  if (::listen(fd, kBacklog) != 0) die("listen");
  return fd;
}

int Address::connect(uint32_t source) const {
  int fd = ::socket(storage_.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  if (!is_unix()) {
    set_no_delay(fd);
    if (source != 0) bind_source(fd, source);
  }
  int status = ::connect(fd, reinterpret_cast<const sockaddr*>(&storage_), length_);
  if (status != 0 && errno != EINPROGRESS) die("connect");
  return fd;
}

int accept_from(int listener) {
  int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    set_no_delay(fd);  // fails on a unix socket, which has no delay to turn off
    return fd;
  }
  if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) die("accept");
  return -1;
}

uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(now.tv_nsec);
}

void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace trunkline::bench
