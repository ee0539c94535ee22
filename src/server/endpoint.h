#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "io/address.h"
#include "io/loop.h"
#include "io/task.h"
#include "tls/context.h"
#include "tls/handshake_gate.h"
#include "tls/stream.h"

namespace trunkline::server {

// One address of one server, and how to speak TLS with it. A value; a cancel goes to the endpoint
// its session is connected to.
struct Endpoint {
  io::SocketAddress address;
  std::string host;  // as configured: for SNI, verification and messages
  std::shared_ptr<const tls::ServerContext> tls;  // never null
};

enum class Encryption : uint8_t {
  as_configured,  // of `prefer` and `allow`: the first try
  never,          // a second try after TLS failed, as `prefer` allows; or TLS is the client's own
  always,         // a second try after the plain login was refused, as `allow` does
  of_client,      // the server agrees to TLS, and what follows is the client's own handshake
};

// How often a server was asked for TLS, by what came of it.
struct TlsAttempts {
  uint32_t succeeded = 0;
  uint32_t failed = 0;  // it said no, or the handshake failed, or the connection was lost
};

// Connects and, where the mode asks for it, puts TLS on top, as libpq's sslmode does: SSLRequest or
// direct, `prefer` goes on without TLS when the server has none, `allow` begins without. Unix
// sockets are never encrypted. On the loop's thread; `deadline` bounds all of it, and nothing is
// read ahead of TLS. Errors are the server's side and may be retried on another server.
// `attempts`, if any, is added to; a handshake of the client's own is none of ours.
io::Task<Result<tls::Stream>> open(io::Loop& loop, Endpoint endpoint, Encryption encryption,
                                   tls::HandshakeGate& gate, Instant deadline,
                                   TlsAttempts* attempts = nullptr);

}  // namespace trunkline::server
