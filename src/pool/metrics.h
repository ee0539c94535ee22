#pragma once

#include <cstddef>
#include <cstdint>

#include "observe/metrics.h"

namespace trunkline::pool {

// Why a pool closes a connection of its own.
enum class CloseReason : uint8_t {
  idle,        // `idle_timeout`
  lifetime,    // `max_lifetime`
  renewed,     // the servers give new ones other settings
  over_limit,  // a limit was lowered
  lost,        // the server has closed it
  unusable,    // a session has left what nothing takes away, or lost it
  evicted,     // another pool needs the room
  shutdown,
  kCount
};

// How long a session may take over what: see `config::PoolTimeouts`.
enum class Timeout : uint8_t { query, transaction, idle_in_transaction, client_idle, kCount };

// Why a session keeps its connection between transactions, as `session::Pin` counts them.
inline constexpr size_t kPinReasons = 11;

// Of one pool. Offsets of cells in the group's block.
extern const observe::GroupDescriptor kPoolMetrics;  // labels: route, database, user
struct PoolCells {
  static constexpr size_t kWaits = 0;
  static constexpr size_t kWaitSeconds = 1;
  static constexpr size_t kOpened = kWaitSeconds + observe::kLatencyBuckets.count + 2;
  static constexpr size_t kNotOpened = kOpened + 1;
  static constexpr size_t kClosed = kNotOpened + 1;  // one for each reason
  static constexpr size_t kGuards = kClosed + static_cast<size_t>(CloseReason::kCount);
  static constexpr size_t kPreparedAgain = kGuards + 1;
  static constexpr size_t kTimeouts = kPreparedAgain + 1;  // one for each
  static constexpr size_t kDelayed = kTimeouts + static_cast<size_t>(Timeout::kCount);
  static constexpr size_t kRejected = kDelayed + 1;
  static constexpr size_t kPins = kRejected + 1;          // one for each reason
  static constexpr size_t kPinned = kPins + kPinReasons;  // likewise
  static constexpr size_t kPinsRefused = kPinned + kPinReasons;
  static constexpr size_t kCells = kPinsRefused + 1;
};

}  // namespace trunkline::pool
