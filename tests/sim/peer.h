#pragma once

#include <string>
#include <string_view>

#include "io/loop.h"
#include "io/socket.h"

namespace trunkline::sim {

// A client's or a server's end of a connection in a simulation: what is to be sent, and what has
// been received, as strings. Used by one coroutine.
class Peer {
 public:
  Peer(io::Loop& loop, io::Socket socket)
      : socket_(std::move(socket)), waiter_(loop), timer_(waiter_, kElapsed) {
    socket_.bind(waiter_, 0);
  }
  ~Peer() { socket_.unbind(); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void send(std::string_view bytes) { unsent_ += bytes; }
  size_t unsent() const { return unsent_.size(); }
  // Moves what can be moved now; if that is nothing, waits until something can, `wake` or the
  // deadline. Reads at most `read_max` bytes, none with 0.
  io::Task<> turn(Instant deadline, size_t read_max = 8192);
  // From anywhere on the loop.
  void wake() { waiter_.raise(kWoken); }

  void shutdown_write() { socket_.shutdown_write(); }

  std::string received;
  bool ended = false;       // nothing more will be received
  bool broken = false;      // ... because of an error
  bool sends_fail = false;  // what is sent goes nowhere

 private:
  static constexpr uint32_t kWoken = 1U << 16;
  static constexpr uint32_t kElapsed = 1U << 17;

  bool write();
  bool read(size_t read_max);

  io::Socket socket_;
  io::Waiter waiter_;
  io::Timer timer_;
  std::string unsent_;
};

}  // namespace trunkline::sim
