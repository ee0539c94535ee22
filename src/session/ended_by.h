#pragma once

#include <memory>
#include <string_view>

#include "base/error.h"

namespace trunkline::session {

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
