#pragma once

#include <string>

#include "base/error.h"
#include "base/time.h"
#include "config/model.h"
#include "io/address.h"
#include "io/task.h"
#include "tls/stream.h"

namespace trunkline::session {

// Reads the PROXY header (v1 or v2) that a load balancer puts ahead of a client's bytes, and sets
// `peer` to the client it names. Returns what was read behind it. Only peers that `settings.from`
// lists are believed, and everybody on a unix socket: with `accept` the others are left as they
// are, with `require` they are refused. A header that is missing where it is required, or
// malformed, is an error without a message: whoever sends it does not speak PostgreSQL yet.
io::Task<Result<std::string>> read_proxy_header(tls::Stream& client, io::SocketAddress& peer,
                                                const config::ProxyProtocol& settings,
                                                Instant deadline);

}  // namespace trunkline::session
