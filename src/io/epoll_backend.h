#pragma once

#include <array>
#include <sys/epoll.h>

#include "io/backend.h"

namespace trunkline::io {

// The kernel's sockets and epoll. Made and used by one loop's thread; `wake` by any.
class EpollBackend final : public Backend {
 public:
  EpollBackend();
  ~EpollBackend() override;
  EpollBackend(const EpollBackend&) = delete;
  EpollBackend& operator=(const EpollBackend&) = delete;

  Instant now() override { return Clock::now(); }
  std::span<const Event> wait(Duration timeout) override;
  void wake() override;
  int add(int fd, void* owner, Interest interest) override;
  int modify(int fd, void* owner, Interest interest) override;
  void remove(int fd) override;
  ssize_t recv(int fd, std::span<char> into) override;
  ssize_t peek(int fd) override;
  ssize_t send(int fd, std::span<const iovec> from) override;
  std::expected<std::pair<int, SocketAddress>, int> accept(int fd) override;
  std::expected<int, int> connect(const SocketAddress& to) override;
  int take_error(int fd) override;
  void set_user_timeout_of_connects(std::optional<Duration> timeout) override {
    user_timeout_ = timeout;
  }
  void shutdown(int fd, int how) override;
  void close(int fd) override;

 private:
  static constexpr size_t kBatch = 256;  // events taken in one system call

  int epoll_fd_;
  int wake_fd_;
  std::array<epoll_event, kBatch> raw_;
  std::array<Event, kBatch> events_;
  std::optional<Duration> user_timeout_;  // of connects
};

}  // namespace trunkline::io
