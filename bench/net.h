#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/socket.h>

// Sockets for the measuring instruments. They end the process with a sentence when something is
// wrong: a benchmark that limps is worse than none.
namespace trunkline::bench {

[[noreturn]] void die(std::string_view what);        // with errno
[[noreturn]] void die_plain(std::string_view what);  // without

// An address as written on the command line: HOST:PORT (IPv4) or the path of a unix socket.
class Address {
 public:
  Address() = default;
  explicit Address(const std::string& text);

  // A listening socket, non-blocking. A unix socket is open to every user, because PgBouncer runs
  // as another one.
  int listen() const;

  // A socket with its connect under way, non-blocking. `source` other than 0 picks the client's
  // address 127.0.x.y: each has its own ports, so that a run of many short connections does not run
  // out of them while old ones are in TIME_WAIT.
  int connect(uint32_t source = 0) const;

  bool is_unix() const { return storage_.ss_family == AF_UNIX; }

 private:
  sockaddr_storage storage_{};
  socklen_t length_ = 0;
  std::string path_;
};

// accept4, non-blocking and without delay; -1 when nobody waits.
int accept_from(int listener);

uint64_t now_ns();  // CLOCK_MONOTONIC
void raise_descriptor_limit();

}  // namespace trunkline::bench
