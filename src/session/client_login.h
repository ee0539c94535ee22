#pragma once

#include <string>

#include "auth/client_auth.h"
#include "auth/credentials.h"
#include "base/error.h"
#include "base/time.h"
#include "io/address.h"
#include "io/task.h"
#include "route/decision.h"
#include "session/environment.h"
#include "session/login_counts.h"
#include "tls/stream.h"
#include "wire/message_buffer.h"
#include "wire/startup.h"

namespace trunkline::session {

struct AuthenticatedClient {
  config::AuthMethod method;
  auth::Credentials credentials;  // what there is to log in to the server as the client
  std::string sasl_final;         // to be sent ahead of AuthenticationOk, unless empty
};

// What there is to know of a client before it says its password.
struct ClientFacts {
  tls::Stream& stream;
  const io::SocketAddress& peer;
  const wire::StartupPacket& startup;
  bool is_unix;
  const route::Decision& decision;  // where its password may be looked up
};

// Authenticates a client by the rules of the snapshot, as PostgreSQL would: up to AuthenticationOk,
// which the caller sends when the server is there. `input` holds what the client has sent ahead,
// and bounds what is kept of it to one password message. A user that is not in `users` is looked up
// in the database of the route's `auth_query`, if it has one. Run by the session on its worker's
// thread; key derivation and the look-up of a peer's name go to blocking threads. Everything
// referred to outlives the task. The error is for the client.
io::Task<Result<AuthenticatedClient>> authenticate(ClientFacts facts, wire::MessageBuffer& input,
                                                   const Snapshot& snapshot,
                                                   Environment& environment, LoginCounts& counts,
                                                   Instant deadline);

}  // namespace trunkline::session
