#pragma once

#include <memory>
#include <optional>
#include <string>

#include "route/decision.h"
#include "session/environment.h"
#include "session/login_counts.h"

namespace trunkline::session {

// What a session needs until it relays, and at the end of one that never does. Apart from it, for
// thousands of sessions rest and do not log in. Owned by the session, on its worker's thread.
struct LoginState {
  std::shared_ptr<const Snapshot> snapshot;        // up to the end of the login
  std::shared_ptr<const route::Route> route = {};  // once it is decided
  std::optional<LoginCounts> counts = {};  // from the startup packet to the end of the login
  // Goes to the client ahead of a FATAL: PostgreSQL finds out that a database does not exist after
  // AuthenticationOk.
  std::string before_error = {};
};

}  // namespace trunkline::session
