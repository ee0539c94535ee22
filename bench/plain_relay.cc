// The least a proxy can do: one thread, epoll, bytes from one socket to the other, no protocol.
// What it costs is the floor that the others are compared with.

#include <CLI/CLI.hpp>
#include <csignal>
#include <memory>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "bench/net.h"

namespace trunkline::bench {
namespace {

constexpr size_t kReadBytes = 64 * 1024;
constexpr size_t kTurnBytes = 256 * 1024;  // then the others have their turn

// One socket of a pair. Readiness is edge-triggered and kept in bits.
struct End {
  int fd = -1;
  bool readable = false;
  bool writable = false;
  bool hung_up = false;  // data and the end can come as one edge: a short read proves nothing
  bool eof = false;      // read to its end
  bool shut = false;     // told that nothing more comes
  std::string pending;   // bytes for this end that its socket did not take
  struct Pair* pair = nullptr;
};

struct Pair {
  End client, server;
  bool closed = false;
  bool queued = false;  // in the list of pairs that have more to do
};

enum class Pump : uint8_t { waits, has_more, failed };

// Writes what waits for `to`; false when its socket is broken.
bool drain(End& to, std::string_view& bytes) {
  while (to.writable && !bytes.empty()) {
    ssize_t sent = ::send(to.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      to.writable = false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

// Moves bytes until one side has no more, the other takes no more, or the turn is over.
Pump pump(End& from, End& to) {
  static char buffer[kReadBytes];
  if (!to.pending.empty()) {
    std::string_view rest = to.pending;
    if (!drain(to, rest)) return Pump::failed;
    to.pending.erase(0, to.pending.size() - rest.size());
  }
  size_t moved = 0;
  while (to.pending.empty() && from.readable && !from.eof) {
    if (moved >= kTurnBytes) return Pump::has_more;
    ssize_t count = ::recv(from.fd, buffer, sizeof buffer, 0);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return Pump::failed;
      from.readable = false;
    } else if (count == 0) {
      from.eof = true;
    } else {
      if (static_cast<size_t>(count) < sizeof buffer && !from.hung_up) from.readable = false;
      moved += static_cast<size_t>(count);
      std::string_view rest(buffer, static_cast<size_t>(count));
      if (!drain(to, rest)) return Pump::failed;
      to.pending = rest;
    }
  }
  if (from.eof && to.pending.empty() && !to.shut && to.writable) {
    ::shutdown(to.fd, SHUT_WR);
    to.shut = true;
  }
  return Pump::waits;
}

class Relay {
 public:
  Relay(const std::string& listen, const std::string& server)
      : listener_(Address(listen).listen()),
        server_(server),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event) != 0) die("epoll_ctl");
  }

  [[noreturn]] void run() {
    constexpr int kEvents = 256;
    epoll_event events[kEvents];
    for (;;) {
      int count = ::epoll_wait(epoll_, events, kEvents, more_.empty() ? -1 : 0);
      if (count < 0 && errno != EINTR) die("epoll_wait");
      std::vector<Pair*> turn = std::exchange(more_, {});
      for (Pair* pair : turn) pair->queued = false;
      for (int i = 0; i < count; ++i) note(events[i]);
      for (Pair* pair : turn) move(*pair);
      for (Pair* pair : closed_) delete pair;  // after the batch: its events may name them
      closed_.clear();
    }
  }

 private:
  void watch(End& end) {
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = &end}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, end.fd, &event) != 0) die("epoll_ctl");
  }

  void accept_all() {
    for (int fd; (fd = accept_from(listener_)) >= 0;) {
      auto* pair = new Pair;
      pair->client.fd = fd;
      pair->server.fd = server_.connect();
      pair->client.pair = pair->server.pair = pair;
      watch(pair->client);
      watch(pair->server);
    }
  }

  void note(const epoll_event& event) {
    auto* end = static_cast<End*>(event.data.ptr);
    if (end == nullptr) {
      accept_all();
      return;
    }
    if ((event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) end->readable = true;
    if ((event.events & EPOLLOUT) != 0) end->writable = true;
    if ((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) end->hung_up = true;
    move(*end->pair);
  }

  void move(Pair& pair) {
    if (pair.closed) return;
    Pump up = pump(pair.client, pair.server);
    Pump down = up == Pump::failed ? up : pump(pair.server, pair.client);
    bool over = pair.client.shut && pair.server.shut;
    if (down == Pump::failed || over) {
      close(pair);
    } else if ((up == Pump::has_more || down == Pump::has_more) && !pair.queued) {
      pair.queued = true;
      more_.push_back(&pair);
    }
  }

  void close(Pair& pair) {
    ::close(pair.client.fd);
    ::close(pair.server.fd);
    pair.closed = true;
    std::erase(more_, &pair);
    closed_.push_back(&pair);
  }

  const int listener_;
  const Address server_;
  const int epoll_;
  std::vector<Pair*> more_;
  std::vector<Pair*> closed_;
};

}  // namespace
}  // namespace trunkline::bench

int main(int argc, char** argv) {
  CLI::App app("A relay of bytes with no protocol");
  std::string listen, server;
  app.add_option("--listen", listen, "HOST:PORT or the path of a unix socket")->required();
  app.add_option("--server", server, "HOST:PORT or the path of a unix socket")->required();
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  trunkline::bench::raise_descriptor_limit();
  trunkline::bench::Relay(listen, server).run();
}
