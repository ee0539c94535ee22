#pragma once

namespace trunkline::io {

// What every TCP connection of ours has, towards clients and servers. Small requests and replies
// must not wait for an acknowledgement (Nagle), and a peer that vanished without a word must not
// hold its session for ever: the system's keep-alive finds it out. Accepted sockets inherit both
// from the listening one, tcp(7), which saves their logins two system calls. Any thread.
void set_tcp_options(int fd);

}  // namespace trunkline::io
