#pragma once

#include <coroutine>
#include <expected>
#include <span>
#include <sys/uio.h>
#include <utility>

#include "base/time.h"
#include "io/address.h"
#include "io/backend.h"
#include "io/loop.h"
#include "io/timer.h"
#include "io/waiter.h"

namespace trunkline::io {

// What the loop knows of a registered descriptor. Owned by its Socket or Acceptor; outlives it
// until the batch of events ends.
struct Registration {
  int fd = -1;
  uint8_t ready = 0;  // `Readiness`
  uint8_t shift = 0;  // of `ready` in the waiter's word
  Interest interest = Interest::edge;
  bool is_unix = false;
  Waiter* waiter = nullptr;
  Backend* backend = nullptr;

  void on_event(uint8_t readiness);
  void clear(uint8_t readiness);
  void want_write_events();
  void bind(Waiter* to, uint8_t to_shift);
};

// Waits for one kind of readiness of one socket; `Socket::wait_readable` makes it. Behind those
// that are in: a thousand logins at once must not be felt by them.
struct ReadyAwaiter {
  static constexpr uint32_t kElapsed = 1U << 31;

  ReadyAwaiter(Loop& loop, Registration& to, uint8_t readiness, Instant until)
      : registration(to),
        wanted(readiness),
        deadline(until),
        waiter(loop, Place::behind),
        timer(waiter, kElapsed) {}
  // A coroutine may be destroyed while it waits, as the loop does at its end.
  ~ReadyAwaiter() { restore_binding(); }
  ReadyAwaiter(const ReadyAwaiter&) = delete;
  ReadyAwaiter& operator=(const ReadyAwaiter&) = delete;

  bool await_ready() const { return (registration.ready & wanted) != 0; }
  void await_suspend(std::coroutine_handle<> self) {
    bound_before = registration.waiter;
    shift_before = registration.shift;
    registration.bind(&waiter, 0);
    if (deadline != Instant::max()) timer.start(deadline);
    waiter.suspend(self, wanted | kElapsed);
    suspended = true;
  }
  bool await_resume() {
    restore_binding();
    return (registration.ready & wanted) != 0;
  }
  void restore_binding() {
    if (std::exchange(suspended, false)) registration.bind(bound_before, shift_before);
  }

  Registration& registration;
  uint8_t wanted;
  uint8_t shift_before = 0;
  bool suspended = false;
  Instant deadline;
  Waiter* bound_before = nullptr;
  Waiter waiter;
  Timer timer;
};

// A connected, non-blocking stream socket, registered with a loop once, edge-triggered. Readiness
// is kept in bits: a read that comes back short means drained, so no system call is spent on
// EAGAIN. Byte counts are as of POSIX without errno: > 0 bytes moved, 0 the end of file (recv
// only), < 0 a negative errno; -EAGAIN when it would block. Belongs to the loop's thread.
class Socket {
 public:
  Socket() = default;
  // Takes the descriptor over.
  Socket(Loop& loop, int fd, bool is_unix);
  Socket(Socket&& other) noexcept
      : loop_(std::exchange(other.loop_, nullptr)),
        registration_(std::exchange(other.registration_, nullptr)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(loop_, other.loop_);
    std::swap(registration_, other.registration_);
    return *this;
  }
  ~Socket() { close(); }

  bool is_open() const { return registration_ != nullptr; }
  int fd() const { return registration_->fd; }
  bool is_unix() const { return registration_->is_unix; }
  Loop& loop() const { return *loop_; }

  ssize_t recv(std::span<char> into);
  ssize_t send(std::span<const iovec> from);
  // As `recv` of one byte, which stays. For after a hang-up: a system call each time.
  ssize_t peek() { return loop_->backend().peek(registration_->fd); }
  // For who knows that there is something to read before an event tells.
  void expect_data() { registration_->ready |= kReadable; }
  bool readable() const { return (registration_->ready & kReadable) != 0; }
  bool writable() const { return (registration_->ready & kWritable) != 0; }
  bool hung_up() const { return (registration_->ready & kHangup) != 0; }

  // From now on readiness shows as `Readiness << shift` in the waiter's word too. The waiter must
  // outlive the binding.
  void bind(Waiter& waiter, uint8_t shift) { registration_->bind(&waiter, shift); }
  void unbind() { registration_->bind(nullptr, 0); }

  // For the phases before the relay, in which one thing happens at a time: false when the deadline
  // passes first. While it waits, a binding made before does not see the socket.
  ReadyAwaiter wait_readable(Instant deadline) {
    return {*loop_, *registration_, kReadable, deadline};
  }
  ReadyAwaiter wait_writable(Instant deadline) {
    return {*loop_, *registration_, kWritable, deadline};
  }

  // Marks the socket as not writable until the system says so: for a connect in progress.
  void expect_write_event() { registration_->want_write_events(); }

  // Ends both directions: whoever waits for the socket wakes up and reads the end of file. The way
  // to stop a session from outside.
  void shutdown();
  void shutdown_write();
  // Whoever waits for the socket reads the end of file; what is to be said still can be.
  void shutdown_read();
  void close();
  // Leaves the loop without closing: the descriptor is the caller's, to be adopted by another loop.
  int release();

 private:
  Loop* loop_ = nullptr;
  Registration* registration_ = nullptr;
};

// Connects; the error is a negative errno, -ETIMEDOUT when the deadline passes first.
Task<std::expected<Socket, int>> connect(Loop& loop, SocketAddress to, Instant deadline);

// One loop's share of a listening socket: each connection wakes one of the loops that listen. Does
// not own the descriptor.
class Acceptor {
 public:
  Acceptor(Loop& loop, int listening_fd);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  struct Accepted {
    int fd;
    SocketAddress peer;
  };
  // The next connection, or a negative errno: -EAGAIN when there is none now or after `stop`,
  // -EMFILE and the like when the process has no room.
  std::expected<Accepted, int> accept();
  // For who leaves the rest for later: kReadable is shown again, in the next round, if there is
  // more.
  void look_again();
  // Shows connections as kReadable.
  void bind(Waiter& waiter) { registration_->bind(&waiter, 0); }
  void stop();

 private:
  Loop& loop_;
  Registration* registration_;
};

}  // namespace trunkline::io
