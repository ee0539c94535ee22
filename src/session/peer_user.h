#pragma once

#include <optional>
#include <string>
#include <sys/types.h>

#include "io/lookups.h"
#include "tls/stream.h"

namespace trunkline::session {

// Who connected over a unix socket, by the kernel's word; nullopt over TCP.
std::optional<uid_t> peer_user(const tls::Stream& stream);

// The system may have to ask a directory service for a user's name, which can hang.
inline constexpr unsigned kPeerNameThreads = 4;
// Users whose names are being looked up or wait for a thread, at the same time.
inline constexpr size_t kPeerNamesMax = 256;

// Names of the system's users; nullopt for one that has none. One for the process; any thread.
using PeerNames = io::Lookups<uid_t, std::optional<std::string>>;

std::optional<std::string> system_user_name(const uid_t& user);  // getpwuid_r; blocks

}  // namespace trunkline::session
