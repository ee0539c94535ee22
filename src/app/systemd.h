#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/address.h"

// The two halves of systemd's interface that a service needs, without its library: see
// sd_notify(3) and sd_listen_fds(3).
namespace trunkline::app {

// Tells the service manager how the process is. Without $NOTIFY_SOCKET it does nothing. Any thread
// once made; never blocks.
class Notifier {
 public:
  // Takes $NOTIFY_SOCKET out of the environment, so that no child speaks in our name.
  static Notifier from_environment();
  explicit Notifier(std::string socket_path) : path_(std::move(socket_path)) {}

  void ready() const { send("READY=1"); }
  // With the time at which the reload began, as `Type=notify-reload` asks; `ready` ends it.
  void reloading() const;
  void stopping() const { send("STOPPING=1"); }
  // One line for `systemctl status`.
  void status(std::string_view text) const;

 private:
  void send(std::string_view message) const;

  std::string path_;  // empty: nobody listens; a leading '@' is the abstract name space
};

// A listening socket that systemd opened for us.
struct InheritedSocket {
  int fd;
  std::string name;  // FileDescriptorName= of the socket unit
  io::SocketAddress address;
};

// Those that are meant for this process; close-on-exec and non-blocking from now on. Takes
// $LISTEN_FDS, $LISTEN_PID and $LISTEN_FDNAMES out of the environment. Fails when a descriptor is
// not a listening stream socket. At start, before other threads.
Result<std::vector<InheritedSocket>> take_inherited_sockets();

}  // namespace trunkline::app
