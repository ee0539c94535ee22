#include "io/epoll_backend.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/tcp_options.h"

namespace trunkline::io {

namespace {

uint32_t epoll_bits(Interest interest) {
  switch (interest) {
    case Interest::edge:
      return EPOLLIN | EPOLLRDHUP | EPOLLET;
    case Interest::edge_and_write:
      return EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    case Interest::exclusive:
      return EPOLLIN | EPOLLEXCLUSIVE;
  }
  std::abort();
}

uint8_t readiness_of(uint32_t bits) {
  uint8_t ready = 0;
  if ((bits & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) ready |= kReadable;
  if ((bits & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) ready |= kWritable;
  if ((bits & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) ready |= kHangup;
  return ready;
}

}  // namespace

EpollBackend::EpollBackend()
    : epoll_fd_(epoll_create1(EPOLL_CLOEXEC)), wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (epoll_fd_ < 0 || wake_fd_ < 0)
    std::abort();  // no descriptors left at start: nothing can be served
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
  epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event);
}

EpollBackend::~EpollBackend() {
  ::close(epoll_fd_);
  ::close(wake_fd_);
}

std::span<const Event> EpollBackend::wait(Duration timeout) {
  int timeout_ms = -1;
  if (timeout >= Duration::zero()) {
    // Rounded up: a timer that fires early would only be waited for again.
    int64_t ms = (timeout.count() + 999'999) / 1'000'000;
    timeout_ms = static_cast<int>(std::min<int64_t>(ms, 3'600'000));
  }
  int count = epoll_wait(epoll_fd_, raw_.data(), kBatch, timeout_ms);
  size_t used = 0;
  for (int i = 0; i < count; ++i) {
    const epoll_event& raw = raw_[static_cast<size_t>(i)];
    if (raw.data.ptr == nullptr) {
      // Edge-triggered: the counter need not be read to be rearmed by the next write.
      continue;
    }
    events_[used++] = {.owner = raw.data.ptr, .ready = readiness_of(raw.events)};
  }
  return {events_.data(), used};
}

void EpollBackend::wake() {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(wake_fd_, &one, sizeof one);
}

int EpollBackend::add(int fd, void* owner, Interest interest) {
  epoll_event event{.events = epoll_bits(interest), .data = {.ptr = owner}};
  return epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

int EpollBackend::modify(int fd, void* owner, Interest interest) {
  epoll_event event{.events = epoll_bits(interest), .data = {.ptr = owner}};
  return epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : -errno;
}

void EpollBackend::remove(int fd) {
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

ssize_t EpollBackend::recv(int fd, std::span<char> into) {
  ssize_t got;
  do {
    got = ::recv(fd, into.data(), into.size(), 0);
  } while (got < 0 && errno == EINTR);
  return got < 0 ? -errno : got;
}

ssize_t EpollBackend::peek(int fd) {
  char byte;
  ssize_t got;
  do {
    got = ::recv(fd, &byte, 1, MSG_PEEK);
  } while (got < 0 && errno == EINTR);
  return got < 0 ? -errno : got;
}

ssize_t EpollBackend::send(int fd, std::span<const iovec> from) {
  ssize_t sent;
  do {
    if (from.size() == 1) {
      sent = ::send(fd, from[0].iov_base, from[0].iov_len, MSG_NOSIGNAL);
    } else {
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(from.data());
      message.msg_iovlen = from.size();
      sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
    }
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent;
}

std::expected<std::pair<int, SocketAddress>, int> EpollBackend::accept(int fd) {
  sockaddr_storage raw;
  socklen_t length = sizeof raw;
  int accepted;
  do {
    accepted =
        accept4(fd, reinterpret_cast<sockaddr*>(&raw), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  } while (accepted < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (accepted < 0) return std::unexpected(-errno);
  return std::pair{accepted, SocketAddress::from_raw(reinterpret_cast<sockaddr*>(&raw), length)};
}

std::expected<int, int> EpollBackend::connect(const SocketAddress& to) {
  int fd = socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::unexpected(-errno);
  if (to.is_ip()) {
    set_tcp_options(fd);
    if (user_timeout_) set_tcp_user_timeout(fd, user_timeout_);
  }
  if (::connect(fd, to.raw(), to.raw_length()) < 0 && errno != EINPROGRESS) {
    int error = errno;
    ::close(fd);
    return std::unexpected(-error);
  }
  return fd;
}

int EpollBackend::take_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) error = errno;
  return -error;
}

void EpollBackend::shutdown(int fd, int how) {
  ::shutdown(fd, how);
}

void EpollBackend::close(int fd) {
  ::close(fd);
}

}  // namespace trunkline::io
