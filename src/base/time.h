#pragma once

#include <chrono>
#include <cstdint>

namespace trunkline {

// Time that never jumps; deadlines and measurements. A loop reads it once per batch of events
// (`io::Loop::now`).
using Clock = std::chrono::steady_clock;
using Duration = std::chrono::nanoseconds;
using Instant = std::chrono::time_point<Clock, Duration>;

// Time that people read; log lines and certificates only.
using WallClock = std::chrono::system_clock;

using namespace std::chrono_literals;

inline int64_t to_us(Duration d) {
  return std::chrono::duration_cast<std::chrono::microseconds>(d).count();
}

}  // namespace trunkline
