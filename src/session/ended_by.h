#pragma once

#include <cerrno>
#include <memory>
#include <string_view>
#include <sys/types.h>

#include "base/error.h"

namespace trunkline::session {

// What the end of a stream means: `result` as of `io::Socket`.
inline Reason client_end(ssize_t result) {
  if (result == 0) return Reason::client_closed;
  return result == -ETIMEDOUT ? Reason::client_unreachable : Reason::client_io_error;
}
inline Reason server_end(ssize_t result) {
  if (result == 0) return Reason::server_closed;
  return result == -ETIMEDOUT ? Reason::server_unreachable : Reason::server_io_error;
}

// Why a relay has ended, when there is nothing to tell the client.
inline std::unique_ptr<Error> ended_by(Reason reason, Side side) {
  return std::make_unique<Error>(
      Error{.reason = reason, .side = side, .sqlstate = sqlstate::kSuccess, .message = ""});
}

// The server is gone without a word of its own.
inline std::unique_ptr<Error> ended_by_server(Reason reason) {
  return std::make_unique<Error>(Error{.reason = reason,
                                       .side = Side::server,
                                       .sqlstate = sqlstate::kConnectionFailure,
                                       .message = "server closed the connection unexpectedly"});
}

// What a server says when it ends a session: of one that was idle, and had begun with nothing.
inline bool ends_idle_session(std::string_view sqlstate) {
  return sqlstate == sqlstate::kAdminShutdown || sqlstate == sqlstate::kIdleSessionTimeout;
}

}  // namespace trunkline::session
