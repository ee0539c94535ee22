#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <sys/uio.h>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "io/address.h"

namespace trunkline::io {

// How rough the simulated world is. The defaults are a perfect one. Chances are out of 1,000.
struct SimOptions {
  uint64_t seed = 1;
  Duration latency_max{0};             // of each piece of a stream; its pieces stay in order
  size_t buffer_bytes_min = 64 << 10;  // unread and under way, for each direction of a connection
  size_t buffer_bytes_max = 64 << 10;
  uint32_t split_chance = 0;        // a write arrives in pieces
  uint32_t short_write_chance = 0;  // a write takes less than there is room for
  uint32_t late_event_chance = 0;   // an event is reported with the next batch only
  // Faults of a connection, decided when it begins.
  uint32_t refuse_chance = 0;  // refused
  uint32_t lost_chance = 0;    // neither accepted nor refused
  uint32_t reset_chance = 0;   // breaks after `reset_bytes_max` bytes at most
  size_t reset_bytes_max = 64 << 10;
  uint32_t stall_chance = 0;  // a piece takes up to `stall_max` longer
  Duration stall_max{0};
};

// Stream sockets in memory under virtual time, as the kernel's appear to one process: listening
// addresses, connections with bounded buffers, half-close, reset. What is random comes from the
// seed, so a run repeats exactly. Descriptors are numbers far from the kernel's: one that reaches a
// system call by mistake fails there. For `SimBackend`, on its loop's thread; for tests, so bounded
// by what these open.
class SimNetwork {
 public:
  // `on_edge` hears of each descriptor whose state may have become more ready: where the kernel
  // would wake up its epoll.
  SimNetwork(const SimOptions& options, std::function<void(int fd)> on_edge);
  ~SimNetwork();
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  FastRandom& random() { return random_; }
  bool chance(uint32_t of_1000) { return of_1000 > 0 && random_.below(1000) < of_1000; }

  Instant now() const { return now_; }
  // When something happens next by itself; Instant::max() when nothing does.
  Instant next_event() const;
  // Lets time pass, and what happens until then.
  void advance_to(Instant time);

  // 0 or a negative errno, as `Backend`.
  std::expected<int, int> listen(const SocketAddress& address);
  std::pair<int, int> socket_pair(bool is_unix);
  std::expected<int, int> connect(const SocketAddress& to);
  std::expected<std::pair<int, SocketAddress>, int> accept(int fd);
  ssize_t recv(int fd, std::span<char> into);
  ssize_t peek(int fd) const;
  ssize_t send(int fd, std::span<const iovec> from);
  int take_error(int fd);
  void shutdown(int fd, int how);
  void close(int fd);

  // `Readiness` as it is now. Room counts only for those who ask, but a dead connection shows in
  // every bit, as EPOLLHUP and EPOLLERR do.
  uint8_t poll(int fd, bool asks_for_room) const;
  size_t open_descriptors() const;

 private:
  struct End;
  struct Connection;
  struct Listener;
  struct Descriptor;
  using ConnectionPtr = std::shared_ptr<Connection>;

  static constexpr int kFirstFd = 1'000'000;
  static constexpr size_t kBacklogMax = 4096;

  Descriptor* find(int fd) const;
  int open(Descriptor descriptor);
  void at(Instant time, std::function<void()> action);
  void wake(const End& end);
  ConnectionPtr make_connection(bool is_unix);
  Duration latency(bool is_unix);
  Instant arrival(End& sender, bool is_unix);
  Listener* listener_at(const SocketAddress& address) const;
  void decide_connect(const ConnectionPtr& connection, const SocketAddress& to,
                      const SocketAddress& from);
  void transmit(const ConnectionPtr& connection, int side, std::string bytes);
  void deliver(const ConnectionPtr& connection, int to, const std::string& bytes);
  void send_fin(const ConnectionPtr& connection, int side);
  void send_reset(const ConnectionPtr& connection, int side);
  void break_connection(Connection& connection);
  void reset_end(End& end);
  void close_end(const ConnectionPtr& connection, int side);
  void announce_room(Connection& connection, int sender);
  void congest(const ConnectionPtr& connection, int side);
  static size_t room(const Connection& connection, int side);
  static uint8_t poll_end(const Connection& connection, int side, bool asks_for_room);

  const SimOptions options_;
  const std::function<void(int)> on_edge_;
  FastRandom random_;
  // From far behind zero on, so that there are instants before the first.
  Instant now_{1000h};
  // What is under way; equal times keep their order.
  std::multimap<Instant, std::function<void()>> events_;
  std::vector<std::unique_ptr<Descriptor>> descriptors_;  // by number, from kFirstFd
  uint16_t next_port_ = 32768;
};

}  // namespace trunkline::io
