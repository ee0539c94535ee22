#include "pool/query_rate.h"

#include <algorithm>

namespace trunkline::pool {

void QueryRate::set(uint32_t per_second) {
  interval_ns_.store(kBurstNs / std::max(per_second, 1U), std::memory_order_relaxed);
}

// The generic cell rate algorithm: each query moves the instant at which the bucket is full by one
// interval; it may go as soon as that instant is within a burst of now.
std::optional<Instant> QueryRate::take(Instant now, Instant latest) {
  const int64_t interval = interval_ns_.load(std::memory_order_relaxed);
  const int64_t now_ns = now.time_since_epoch().count();
  int64_t full_at = full_at_ns_.load(std::memory_order_relaxed);
  int64_t next;
  Instant at;
  do {
    next = std::max(full_at, now_ns) + interval;
    at = std::max(now, Instant(Duration(next - kBurstNs)));
    if (at > latest) return std::nullopt;
  } while (!full_at_ns_.compare_exchange_weak(full_at, next, std::memory_order_relaxed));
  return at;
}

void QueryRate::give_back() {
  full_at_ns_.fetch_sub(interval_ns_.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

QueryRatePtr QueryRates::get(const std::string& route, const std::string& user,
                             uint32_t per_second) {
  std::lock_guard lock(mutex_);
  constexpr size_t kSweepAt = 64;
  if (rates_.size() >= std::max(kSweepAt, 2 * swept_size_)) {
    std::erase_if(rates_, [](const auto& entry) { return entry.second.expired(); });
    swept_size_ = rates_.size();
  }
  std::weak_ptr<QueryRate>& known = rates_[{route, user}];
  QueryRatePtr rate = known.lock();
  if (rate == nullptr) {
    rate = std::make_shared<QueryRate>(per_second);
    known = rate;
  } else {
    rate->set(per_second);
  }
  return rate;
}

size_t QueryRates::size() const {
  std::lock_guard lock(mutex_);
  return rates_.size();
}

}  // namespace trunkline::pool
