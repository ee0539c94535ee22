#pragma once

#include <memory>

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

}  // namespace trunkline::session
