#include "upstream/health.h"

namespace trunkline::upstream {

void Health::answered(Instant at) {
  int64_t now_ns = at.time_since_epoch().count();
  int64_t known_ns = answer_ns_.load(std::memory_order_relaxed);
  while (known_ns < now_ns &&
         !answer_ns_.compare_exchange_weak(known_ns, now_ns, std::memory_order_relaxed)) {
  }
}

void Health::failed(Instant at, std::string_view why) {
  std::lock_guard lock(mutex_);
  if (failure_ && failure_->at > at) return;
  failure_ = Failure{at, std::string(why)};
}

std::optional<Instant> Health::last_answer() const {
  int64_t known_ns = answer_ns_.load(std::memory_order_relaxed);
  if (known_ns == kNever) return std::nullopt;
  return Instant(Duration(known_ns));
}

std::optional<Health::Failure> Health::last_failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace trunkline::upstream
