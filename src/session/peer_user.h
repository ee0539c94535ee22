#pragma once

#include <optional>
#include <sys/types.h>

#include "tls/stream.h"

namespace trunkline::session {

// Who connected over a unix socket, by the kernel's word; nullopt over TCP.
std::optional<uid_t> peer_user(const tls::Stream& stream);

}  // namespace trunkline::session
