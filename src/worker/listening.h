#pragma once

#include "io/task.h"
#include "pool/pool.h"
#include "session/environment.h"

namespace trunkline::worker {

// Keeps a server connection that listens for the sessions of a pool: opens it, asks what they ask,
// hands out what comes, and opens another when it is lost, until nobody has listened for a while.
// On the listener's own worker, which outlives it; at most one at a time for each listener.
//
// It counts under no limit of pools: there is one for each pool whose clients listen.
io::Task<> keep_listening(session::Environment& environment, pool::PoolPtr pool,
                          pool::ListenerPtr listener);

}  // namespace trunkline::worker
