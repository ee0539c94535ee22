#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "upstream/login_gate.h"

namespace trunkline::upstream {

// What traffic and probes have seen of one server. Shared by every upstream object that has named
// this server since the start, so a reload does not forget it. Any thread; `answered` is one atomic
// exchange at most, `failed` takes a lock and belongs to the path where a connect has just failed.
class Health {
 public:
  struct Failure {
    Instant at;
    std::string why;
  };

  // The server accepted a connection. Keeps the later of two reports that cross each other.
  void answered(Instant at);
  void failed(Instant at, std::string_view why);

  std::optional<Instant> last_answer() const;
  std::optional<Failure> last_failure() const;

  // Of the pools.
  LoginGate& logins() { return logins_; }

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::min();

  std::atomic<int64_t> answer_ns_{kNever};
  mutable std::mutex mutex_;
  std::optional<Failure> failure_;
  LoginGate logins_;
};

}  // namespace trunkline::upstream
