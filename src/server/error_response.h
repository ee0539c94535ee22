#pragma once

#include <string_view>

#include "base/error.h"

namespace trunkline::server {

// An ErrorResponse of the server as our Error: its message, and its SQLSTATE when it is one that we
// know by name. For the log; clients are shown the response itself. `body` may be malformed.
Error error_from_response(std::string_view body, Reason reason);

}  // namespace trunkline::server
