#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/time.h"

namespace trunkline::pool {

// A token bucket for queries: as many at once as in a second, then one each interval. Exact for all
// threads together, without a lock: all that a bucket has to remember is when it will be full
// again, one atomic word.
class QueryRate {
 public:
  explicit QueryRate(uint32_t per_second) { set(per_second); }

  // At a reload: what has been taken stays taken.
  void set(uint32_t per_second);

  // Takes a token, perhaps one that is there only later: from then on the query may go. nullopt,
  // and nothing is taken, when that would be after `latest`.
  std::optional<Instant> take(Instant now, Instant latest);
  // The token was not used.
  void give_back();

 private:
  static constexpr int64_t kBurstNs = 1'000'000'000;

  std::atomic<int64_t> interval_ns_;
  std::atomic<int64_t> full_at_ns_ = INT64_MIN;
};

using QueryRatePtr = std::shared_ptr<QueryRate>;

// The buckets of the process, of routes and of users on routes: they live as long as somebody has
// them. Any thread; asked at logins and after a reload, never for a query.
class QueryRates {
 public:
  // `user` is empty for the route as a whole.
  QueryRatePtr get(const std::string& route, const std::string& user, uint32_t per_second);
  size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::weak_ptr<QueryRate>> rates_;
  size_t swept_size_ = 0;  // how many there were after the last sweep
};

}  // namespace trunkline::pool
