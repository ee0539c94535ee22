#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "pool/pool.h"
#include "session/query_limit.h"
#include "session/timeout_watch.h"

namespace trunkline::session {

// Which pool a session uses, and the limits that it has there, which go on while it rests. Of the
// session, on its worker's thread.
struct PoolUse {
  explicit PoolUse(pool::PoolPtr its_pool) : pool(std::move(its_pool)) {}

  pool::PoolPtr pool;
  std::optional<uint32_t> settings_version;  // that were looked at last
  std::unique_ptr<TimeoutWatch> watch;       // only where there are timeouts
  std::unique_ptr<QueryLimit> query_limit;   // only where there is one
  std::unique_ptr<pool::Place> place;        // of a server connection of its own
};

}  // namespace trunkline::session
