#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <sys/uio.h>
#include <utility>

#include "base/time.h"
#include "io/address.h"

namespace trunkline::io {

// What an event says of a descriptor.
enum Readiness : uint8_t {
  kReadable = 1,
  kWritable = 2,
  kHangup = 4,  // the peer has closed or the socket failed: reads must go on until they say so
};

struct Event {
  void* owner;  // as given to `add`
  uint8_t ready;
};

enum class Interest : uint8_t {
  edge,            // edge-triggered reads and hang-ups
  edge_and_write,  // and room to write
  exclusive,       // level-triggered, one thread woken: listening sockets shared by several loops
};

// The system under a loop: the kernel's (`EpollBackend`) or the simulated one (`SimBackend`:
// virtual time, sockets in memory, seeded order and faults). One thread, but for `wake`. Calls that
// move bytes answer as `Socket` does: a count, 0 at the end of file, or a negative errno.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual Instant now() = 0;
  // Waits until there is an event, `timeout` has passed (negative: for ever) or `wake` was called.
  // Returns the events.
  virtual std::span<const Event> wait(Duration timeout) = 0;
  virtual void wake() = 0;  // any thread

  virtual int add(int fd, void* owner, Interest interest) = 0;
  virtual int modify(int fd, void* owner, Interest interest) = 0;
  virtual void remove(int fd) = 0;

  virtual ssize_t recv(int fd, std::span<char> into) = 0;
  // What `recv` would answer for one byte, which stays.
  virtual ssize_t peek(int fd) = 0;
  virtual ssize_t send(int fd, std::span<const iovec> from) = 0;
  virtual std::expected<std::pair<int, SocketAddress>, int> accept(int fd) = 0;
  // A new socket whose connect has begun; it becomes writable when it is decided, and `take_error`
  // then tells how.
  virtual std::expected<int, int> connect(const SocketAddress& to) = 0;
  virtual int take_error(int fd) = 0;
  virtual void shutdown(int fd, int how) = 0;
  virtual void close(int fd) = 0;
  // Of the TCP sockets that are connected from now on, see `set_tcp_user_timeout`. Where there is
  // no network everything is acknowledged.
  virtual void set_user_timeout_of_connects(std::optional<Duration> /*timeout*/) {}
};

}  // namespace trunkline::io
