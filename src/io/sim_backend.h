#pragma once

#include <atomic>
#include <map>
#include <vector>

#include "io/backend.h"
#include "io/sim_network.h"

namespace trunkline::io {

// The simulated system under a loop: epoll's rules over a `SimNetwork`. `wait` never sleeps: when
// nothing is ready it moves the clock to what comes next. All parties of a simulation, clients,
// proxy and servers, are coroutines of the one loop. Made and used by that loop's thread; `wake` by
// any, but only what happens on this thread repeats with the seed.
class SimBackend final : public Backend {
 public:
  explicit SimBackend(const SimOptions& options = {});

  // Listening sockets come from here, and go as others do: by `close`.
  SimNetwork& network() { return network_; }
  // The last `wait` was for ever, and nothing would ever have ended it: whoever still waits hangs.
  bool deadlocked() const { return deadlocked_; }
  size_t registered() const { return watched_.size(); }

  Instant now() override { return network_.now(); }
  std::span<const Event> wait(Duration timeout) override;
  void wake() override { woken_ = true; }
  int add(int fd, void* owner, Interest interest) override;
  int modify(int fd, void* owner, Interest interest) override;
  void remove(int fd) override { watched_.erase(fd); }
  ssize_t recv(int fd, std::span<char> into) override { return network_.recv(fd, into); }
  ssize_t peek(int fd) override { return network_.peek(fd); }
  ssize_t send(int fd, std::span<const iovec> from) override { return network_.send(fd, from); }
  std::expected<std::pair<int, SocketAddress>, int> accept(int fd) override {
    return network_.accept(fd);
  }
  std::expected<int, int> connect(const SocketAddress& to) override { return network_.connect(to); }
  int take_error(int fd) override { return network_.take_error(fd); }
  void shutdown(int fd, int how) override { network_.shutdown(fd, how); }
  void close(int fd) override;

 private:
  struct Watched {
    void* owner;
    Interest interest;
    bool edge;  // something has happened since the last report
  };

  void on_edge(int fd);
  void collect();

  const uint32_t late_event_chance_;
  SimNetwork network_;
  std::map<int, Watched> watched_;
  std::vector<Event> events_;
  std::atomic<bool> woken_ = false;
  bool deadlocked_ = false;
};

}  // namespace trunkline::io
