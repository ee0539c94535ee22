#include "session/query_limit.h"

#include <algorithm>
#include <string>

#include "pool/metrics.h"

namespace trunkline::session {

QueryLimit::Answer QueryLimit::ask(Instant now) {
  if (until_) {
    if (*until_ > now) return Answer::wait;
    until_.reset();
    return Answer::go;
  }
  bool delays = over_ == config::OverQueryLimit::delay;
  std::optional<Instant> at = take(now, delays ? now + wait_max_ : now);
  if (!at) {
    cells_[pool::PoolCells::kRejected].add();
    return Answer::refuse;
  }
  if (*at <= now) return Answer::go;
  cells_[pool::PoolCells::kDelayed].add();
  until_ = at;
  return Answer::wait;
}

// Of both buckets or of none.
std::optional<Instant> QueryLimit::take(Instant now, Instant latest) {
  std::optional<Instant> of_route = now;
  if (buckets_.route) of_route = buckets_.route->take(now, latest);
  user_refused_ = false;
  if (!of_route || !buckets_.user) return of_route;
  std::optional<Instant> of_user = buckets_.user->take(now, latest);
  if (of_user) return std::max(*of_route, *of_user);
  user_refused_ = true;
  if (buckets_.route) buckets_.route->give_back();
  return std::nullopt;
}

Error QueryLimit::error() const {
  std::string setting =
      user_refused_ ? "max_queries_per_second_per_user" : "max_queries_per_second";
  return {.reason = Reason::client_limit,
          .side = Side::client,
          .retry = Retry::safe,
          .sqlstate = sqlstate::kConfigurationLimit,
          .message = user_refused_ ? "too many queries per second for this user"
                                   : "too many queries per second",
          .hint = "The limit is \"" + setting + "\" of the \"pool\"."};
}

}  // namespace trunkline::session
