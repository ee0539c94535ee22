#include "io/tcp_options.h"

#include <chrono>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace trunkline::io {

void set_tcp_options(int fd) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
}

void set_defer_accept(int fd) {
  // The system counts in SYN-ACKs sent again, the first after a second; only zero means none.
  int seconds = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
}

void set_tcp_user_timeout(int fd, std::optional<Duration> timeout) {
  using std::chrono::milliseconds;
  unsigned ms = 0;  // the system's own
  if (timeout) ms = static_cast<unsigned>(std::chrono::ceil<milliseconds>(*timeout).count());
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

}  // namespace trunkline::io
