#pragma once

#include "observe/metrics.h"

namespace trunkline::lookup {

// Of one upstream. Offsets of cells in the group's block.
extern const observe::GroupDescriptor kAuthQueryMetrics;  // label: upstream
struct AuthQueryCells {
  static constexpr size_t kLookups = 0;
  static constexpr size_t kFailures = 1;
  static constexpr size_t kCacheHits = 2;
  static constexpr size_t kSeconds = 3;
};

}  // namespace trunkline::lookup
