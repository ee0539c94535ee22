#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace trunkline {

// How long to leave alone what fails again and again: twice as long each time, up to `kPauseMax`.
// Plain data.
class Backoff {
 public:
  static constexpr Duration kPauseMin = 50ms;
  static constexpr Duration kPauseMax = 2s;

  void failed(Instant now) {
    constexpr uint32_t kDoublings = 6;
    pause_until_ =
        now + std::min<Duration>(kPauseMin * (1 << std::min(failures_, kDoublings)), kPauseMax);
    ++failures_;
  }
  void succeeded() { *this = {}; }

  // Since the last success.
  bool has_failed() const { return failures_ > 0; }
  Instant pause_until() const { return pause_until_; }

 private:
  uint32_t failures_ = 0;
  Instant pause_until_{};
};

}  // namespace trunkline
