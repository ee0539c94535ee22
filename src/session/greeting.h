#pragma once

#include <string>
#include <variant>

#include "base/error.h"
#include "base/time.h"
#include "io/address.h"
#include "io/task.h"
#include "session/environment.h"
#include "tls/client_hello.h"
#include "tls/stream.h"
#include "wire/startup.h"

namespace trunkline::session {

// A client that asks for a session.
struct StartupRequest {
  wire::StartupPacket packet;
  size_t packet_bytes;  // with its length
  Secret early;         // what came behind the packet already; it may be a password
};

// A client that asks to cancel another session's query; it is answered with a close.
struct CancelRequest {
  uint32_t process_id;
  std::string key;
};

// A client whose TLS is not ours to end.
struct PassthroughRequest {
  tls::ClientHello hello;
  std::string bytes;  // of its TLS, as they came
  bool direct;        // without an SSLRequest before
};

// Nobody to talk to, or not any longer. A message in the error is for the client.
struct NoRequest {
  Error error;
};

using FirstRequest = std::variant<StartupRequest, CancelRequest, PassthroughRequest, NoRequest>;

// Everything from the first byte to the request: PROXY header, encryption requests, TLS. `peer`
// becomes the address of the PROXY header where there is one. Run by the session on its worker's
// thread. Holds at most what a header, a startup packet or a ClientHello may have, and one read
// more. Everything referred to outlives the task.
io::Task<FirstRequest> greet(tls::Stream& client, io::SocketAddress& peer, const Listener& listener,
                             Environment& environment, Instant deadline);

}  // namespace trunkline::session
