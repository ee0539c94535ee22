#pragma once

#include <cstdint>
#include <memory>

#include "base/intrusive_list.h"
#include "base/time.h"
#include "server/connection.h"

namespace trunkline::pool {

// A server connection that several sessions use, one after the other. Owned by whoever has it at
// the time: the session that uses it, the pool while it is idle, or the mail between two workers.
// Its stream belongs to the loop of the worker that holds it, and to none while it travels.
struct Connection : ListNode<> {
  server::Connection server;
  Instant idle_since = {};
  Instant retire_at = Instant::max();  // from then on it is closed when it is given back
  uint64_t generation = 0;             // of the pool when it was opened: see `Pool::renew`
};
using ConnectionPtr = std::unique_ptr<Connection>;

}  // namespace trunkline::pool
