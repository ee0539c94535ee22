#pragma once

#include <optional>
#include <string>
#include <utility>

#include "server/cancel.h"
#include "server/endpoint.h"
#include "server/login.h"
#include "tls/stream.h"

namespace trunkline::server {

// A connection that is logged in. A value, owned by whoever uses the server, on the thread of the
// stream's loop: while idle nothing else refers to it, and it may move to another worker.
struct Connection {
  tls::Stream stream;
  Endpoint endpoint;
  CancelKey cancel_key;
};

// Says good-bye, if the server can hear it, as far as there is room: one that does not read notices
// the close. Nothing happens when the stream is closed already.
void close(Connection& connection, bool can_hear);

struct LoggedIn {
  Connection connection;
  std::string greeting;  // for the client, see Login::take_greeting
  std::string early;     // what came behind ReadyForQuery
};

struct LoginRequest {
  auth::Credentials credentials;
  Login::Parameters parameters;
  bool channel_binding_required = false;
};

// What the attempts of a login share; all of it outlives them.
struct LoginContext {
  io::Loop& loop;
  tls::HandshakeGate& handshakes;
  auth::KeyCache& key_cache;
  size_t message_bytes_max;
  wire::MessageTally* tally = nullptr;  // of what the servers say, all attempts together
  TlsAttempts* tls_attempts = nullptr;  // of all of them together, for whoever counts
};

// With which encryption libpq would try once more after this refusal of a login that was
// `encrypted` or not: `prefer` without TLS when TLS fails, or may be why the login is refused;
// `allow` with TLS whatever the server refuses before it has let us in. A password that was wrong
// over TLS is not repeated in plain text.
std::optional<Encryption> second_try(const Endpoint& endpoint, const Refusal& first,
                                     bool encrypted);

// Connects to one endpoint and logs in. Follows the modes `prefer` and `allow` to their second try.
// On the thread of the context's loop. `connect_deadline` bounds connect and TLS, `login_deadline`
// the rest; `message_bytes_max` bounds a message of the server, `Login::kGreetingBytesMax` what is
// kept of them.
io::Task<std::expected<LoggedIn, Refusal>> connect_and_log_in(const LoginContext& context,
                                                              Endpoint endpoint,
                                                              const LoginRequest& request,
                                                              Instant connect_deadline,
                                                              Instant login_deadline);

}  // namespace trunkline::server
