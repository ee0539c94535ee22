#include "sim/peer.h"

#include <cerrno>

namespace trunkline::sim {

io::Task<> Peer::turn(Instant deadline, size_t read_max) {
  bool moved = write();
  moved |= read(read_max);
  if (moved) co_return;
  uint32_t wanted = kWoken | kElapsed;
  if (!unsent_.empty()) wanted |= io::kWritable;
  if (!ended && read_max > 0) wanted |= io::kReadable;
  if (deadline != Instant::max()) timer_.start(deadline);
  co_await waiter_.wait(wanted);
  timer_.stop();
  waiter_.clear(kWoken | kElapsed);
}

bool Peer::write() {
  if (unsent_.empty() || !socket_.writable()) return false;
  iovec part{unsent_.data(), unsent_.size()};
  ssize_t sent = socket_.send({&part, 1});
  if (sent == -EAGAIN) return false;
  if (sent < 0) {
    sends_fail = true;
    unsent_.clear();
    return true;
  }
  unsent_.erase(0, static_cast<size_t>(sent));
  return true;
}

bool Peer::read(size_t read_max) {
  if (ended || read_max == 0 || !socket_.readable()) return false;
  size_t before = received.size();
  received.resize(before + read_max);
  ssize_t got = socket_.recv({received.data() + before, read_max});
  received.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got == -EAGAIN) return false;
  ended = got <= 0;
  broken = got < 0;
  return true;
}

}  // namespace trunkline::sim
