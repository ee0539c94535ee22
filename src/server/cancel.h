#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"
#include "server/endpoint.h"

namespace trunkline::server {

// What the server gave to cancel a session's queries with: BackendKeyData. A value.
struct CancelKey {
  uint32_t process_id = 0;
  std::string secret;  // 4 bytes, up to 256 with protocol 3.2
};

// Asks the server to cancel, over the same kind of connection as the session's (`encrypted`), and
// waits until the server has closed it: only then the signal has been sent, and the session's next
// query is safe from it. Best effort, as CancelRequest is: an error that may be retried (safe) says
// that the server has not seen the key, any other that the signal may yet come at any time. On the
// loop's thread; `deadline` bounds it.
io::Task<Result<>> cancel(io::Loop& loop, Endpoint endpoint, bool encrypted, CancelKey key,
                          tls::HandshakeGate& gate, Instant deadline);

}  // namespace trunkline::server
