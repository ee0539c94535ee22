#pragma once

#include <expected>
#include <string>
#include <vector>

#include "base/time.h"
#include "io/task.h"
#include "pool/connection.h"
#include "server/login.h"

namespace trunkline::session {

struct ServerAnswer {
  std::vector<std::vector<std::string>> rows;  // of columns of text; NULL is empty
  std::string notices;                         // NoticeResponse messages
};

// Asks something on a connection of a pool that nobody uses, where no relay does: during a login.
// `request` ends with a Sync or Query, and its parts stand in the connection's queue, to be
// swallowed. The refusal is the server's first error in its own words, or that it was lost: then
// the connection is useless, and so it is after the deadline.
io::Task<std::expected<ServerAnswer, server::Refusal>> ask_server(pool::Connection& connection,
                                                                  std::string request,
                                                                  Instant deadline);
void append_own_sync(std::string& request, pool::Connection& connection);

}  // namespace trunkline::session
