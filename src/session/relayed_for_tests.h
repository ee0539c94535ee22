#pragma once

#include <cerrno>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "io/epoll_backend.h"
#include "session/relay.h"
#include "session/relay_testing.h"

// A relay between two socket pairs, for its tests.
namespace trunkline::session {

// The far end of a socket pair: a client or a server that says what it is told and keeps what it
// hears.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() { close(); }

  void say(std::string_view bytes) { unsaid_.append(bytes); }
  void turn() {
    if (fd_ < 0) return;
    while (said_ < unsaid_.size()) {
      ssize_t sent = ::send(fd_, unsaid_.data() + said_, unsaid_.size() - said_, MSG_NOSIGNAL);
      if (sent <= 0) break;
      said_ += static_cast<size_t>(sent);
    }
    char chunk[65536];
    while (listens && !ended) {
      ssize_t got = ::recv(fd_, chunk, sizeof chunk, 0);
      if (got < 0 && errno == EAGAIN) break;
      if (got <= 0) {
        ended = true;
        break;
      }
      heard.append(chunk, static_cast<size_t>(got));
    }
  }
  size_t said() const { return said_; }
  bool all_said() const { return said_ == unsaid_.size(); }
  void hang_up_sending() { ::shutdown(fd_, SHUT_WR); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  std::string heard;
  bool ended = false;  // the end of file or a reset was heard
  bool listens = true;

 private:
  int fd_;
  std::string unsaid_;
  size_t said_ = 0;
};

// What a worker has.
struct TestWorker {
  explicit TestWorker(size_t buffers = 100) : slab(65536, buffers, 4) {}

  template <typename Done>
  void run_until(Done done) {
    Instant give_up = Clock::now() + 10s;
    while (!done()) {
      ASSERT_LT(Clock::now(), give_up) << "it never happens";
      turn();
    }
  }
  // Long enough for whatever is going to happen.
  void run_a_while() {
    for (int i = 0; i < 50; ++i) turn();
  }
  void turn() {
    for (auto* peer : peers) peer->turn();
    loop.run_once(false);
  }

  io::Loop loop{std::make_unique<io::EpollBackend>()};
  Slab slab;
  std::vector<Peer*> peers;
};

// One session's relay between two peers.
class Relayed {
 public:
  explicit Relayed(TestWorker& worker, config::Inspect inspect = config::Inspect::messages)
      : worker_(worker),
        client(pair(client_)),
        server(pair(server_)),
        machine(inspect, metrics.counters(), metrics.server_count),
        relay(client_, server_, machine, waiter_, worker.slab, metrics.cells) {
    worker.peers.insert(worker.peers.end(), {&client, &server});
  }
  ~Relayed() {
    std::erase(worker_.peers, &client);
    std::erase(worker_.peers, &server);
    EXPECT_TRUE(end.has_value()) << "still running";
    if (!end) worker_.loop.destroy_spawned();
  }

  void start(std::string early_client = "", std::string early_server = "") {
    worker_.loop.spawn(run(std::move(early_client), std::move(early_server)));
  }
  void run_to_end() {
    worker_.run_until([this] { return end.has_value(); });
  }
  // As the session does.
  void close() {
    client_.close();
    server_.close();
  }
  void stop() {
    relay.ask_to_end({.reason = Reason::client_limit}, false);
    run_to_end();
  }
  Reason reason() const { return end ? end->reason : Reason::kCount; }

 private:
  int pair(tls::Stream& near) {
    int fds[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    near = tls::Stream(io::Socket(worker_.loop, fds[0], true));
    return fds[1];
  }
  io::Task<> run(std::string early_client, std::string early_server) {
    end = std::move(*co_await relay.run(std::make_unique<EarlyBytes>(
        EarlyBytes{.of_client = std::move(early_client), .of_server = std::move(early_server)})));
    metrics.stats.on_session_end(machine.exchange_open());
  }

  TestWorker& worker_;
  io::Waiter waiter_{worker_.loop};  // outlives the sockets bound to it
  tls::Stream client_;
  tls::Stream server_;

 public:
  TestMetrics metrics;
  Peer client;
  Peer server;
  RelayMachine machine;
  Relay relay;
  std::optional<Error> end;
};

inline const std::string kSelect = msg('Q', c("select 1"));
inline const std::string kReady = msg('Z', "I");
inline const std::string kAnswer = msg('C', c("SELECT 1")) + kReady;
inline const std::string kTerminate = msg('X', "");
inline const std::string kFlush = msg('H', "");

}  // namespace trunkline::session
