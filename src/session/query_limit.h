#pragma once

#include <cstdint>
#include <optional>

#include "base/error.h"
#include "base/time.h"
#include "config/model.h"
#include "observe/metrics.h"
#include "pool/query_rate.h"

namespace trunkline::session {

// How many queries a session may send: the buckets that its pool's configuration names, and what
// becomes of a query that comes too soon. Owned by the session's relay, on its worker's thread;
// asked for each query where there is a limit.
class QueryLimit {
 public:
  struct Buckets {
    pool::QueryRatePtr route;  // null: no limit
    pool::QueryRatePtr user;
  };

  // `wait_max` bounds a delay; `cells` are of `pool::kPoolMetrics`.
  QueryLimit(Buckets buckets, config::OverQueryLimit over, Duration wait_max, observe::Cell* cells)
      : buckets_(std::move(buckets)), over_(over), wait_max_(wait_max), cells_(cells) {}

  enum class Answer : uint8_t { go, wait, refuse };
  // May the query at hand go? While it waits, the answer is of that query; see `until`.
  Answer ask(Instant now);
  bool waits() const { return until_.has_value(); }
  Instant until() const { return *until_; }
  // The query that waits is not sent.
  void give_up() { until_.reset(); }
  // After `refuse`.
  Error error() const;

 private:
  std::optional<Instant> take(Instant now, Instant latest);

  Buckets buckets_;
  config::OverQueryLimit over_;
  Duration wait_max_;
  observe::Cell* cells_;
  std::optional<Instant> until_;
  bool user_refused_ = false;
};

}  // namespace trunkline::session
