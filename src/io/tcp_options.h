#pragma once

#include <optional>

#include "base/time.h"

namespace trunkline::io {

// What every TCP connection of ours has, towards clients and servers. Small requests and replies
// must not wait for an acknowledgement (Nagle), and a peer that vanished without a word must not
// hold its session for ever: the system's keep-alive finds it out. Accepted sockets inherit both
// from the listening one, tcp(7), which saves their logins two system calls. Any thread.
void set_tcp_options(int fd);

// For a listening socket whose clients speak first: a connection is accepted when its first bytes
// are here, and so wakes the loop once and not twice. One that says nothing is accepted all the
// same, about a second later. Any thread.
void set_defer_accept(int fd);

// How long what was sent may stay unacknowledged, or wait for a peer whose window is closed, before
// the system gives the connection up with ETIMEDOUT; nullopt: as long as the system's retries take.
// For a listening socket it is that of those accepted from now on. Any thread.
void set_tcp_user_timeout(int fd, std::optional<Duration> timeout);

}  // namespace trunkline::io
