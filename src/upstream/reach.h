#pragma once

#include <cstdint>
#include <memory>

#include "base/time.h"
#include "io/task.h"
#include "server/connection.h"
#include "upstream/resolve.h"
#include "upstream/upstream.h"

namespace trunkline::upstream {

// Whether a login waits for its turn at the server, as those of pools do: `LoginGate`.
enum class Pace : uint8_t { at_once, in_turn };

// Logs in to the first server of the upstream that can be reached, in their order and that of their
// addresses; the next is tried when one does not answer, breaks off, or says that it cannot be
// connected to now (57P03), as libpq does with a list of hosts. A server that refuses the login has
// the last word. Reports to the servers' health. Everything referred to outlives the task.
io::Task<std::expected<server::LoggedIn, server::Refusal>> log_in(
    UpstreamPtr upstream, const server::LoginContext& context, const server::LoginRequest& request,
    Resolver& resolver, Instant login_deadline, Pace pace = Pace::at_once);

// The same without logging in: a stream on which nothing has been said, for clients who log in by
// themselves.
struct Opened {
  tls::Stream stream;
  server::Endpoint endpoint;
};
io::Task<std::expected<Opened, server::Refusal>> open(UpstreamPtr upstream,
                                                      server::Encryption encryption,
                                                      const server::LoginContext& context,
                                                      Resolver& resolver, Instant login_deadline);

// Asks the first server that can be reached to cancel, in plain text: for keys that are the
// server's own. As `server::cancel` otherwise.
io::Task<Result<>> cancel(UpstreamPtr upstream, server::CancelKey key, io::Loop& loop,
                          tls::HandshakeGate& gate, Resolver& resolver, Instant deadline);

}  // namespace trunkline::upstream
