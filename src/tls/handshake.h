#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "io/task.h"
#include "tls/context.h"
#include "tls/handshake_gate.h"
#include "tls/stream.h"

// TLS put on a plain stream. When a handshake fails the stream is good only for closing; the error
// says why, in words fit for a log. Stream and gate must outlive the task.
namespace trunkline::tls {

// Towards a client. `prefix`: what was read of its TLS bytes already.
io::Task<Result<>> accept_tls(Stream& stream, std::shared_ptr<const ClientContext> context,
                              std::string prefix, HandshakeGate& gate, Instant deadline);

// Towards a server; also checks whose certificate it is, as the mode asks. `host` as it was
// configured, before name resolution. Precondition: the context's mode is not `disable`.
io::Task<Result<>> connect_tls(Stream& stream, std::shared_ptr<const ServerContext> context,
                               std::string host, HandshakeGate& gate, Instant deadline);

}  // namespace trunkline::tls
