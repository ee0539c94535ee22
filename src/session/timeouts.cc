#include "session/timeouts.h"

#include <algorithm>
#include <string>
#include <utility>

namespace trunkline::session {

Instant Timeouts::note(const Activity& activity, Instant now) {
  if (activity.doing != activity_.doing) since_ = now;
  activity_ = activity;
  return next().at;
}

Timeouts::Deadline Timeouts::next() const {
  Deadline first;
  auto consider = [&](const std::optional<Duration>& limit, Instant begun, Expired what) {
    if (limit && begun + *limit < first.at) first = {begun + *limit, what};
  };
  switch (activity_.doing) {
    case Doing::resting:
      consider(limits_.client_idle, std::max(since_, heard_), Expired::client_idle);
      break;
    case Doing::asking:
      if (activity_.exchange_began != told_of_query_) {
        consider(limits_.query, activity_.exchange_began, Expired::query);
      }
      consider(limits_.transaction, activity_.transaction_began, Expired::transaction);
      break;
    case Doing::idle_in_transaction:
      consider(limits_.idle_in_transaction, std::max(since_, activity_.exchange_began),
               Expired::idle_in_transaction);
      consider(limits_.transaction, activity_.transaction_began, Expired::transaction);
      break;
    case Doing::waiting:
      break;
  }
  return first;
}

std::optional<Timeouts::Expired> Timeouts::take_expired(Instant now) {
  Deadline first = next();
  if (first.at > now) return std::nullopt;
  if (first.what == Expired::query) told_of_query_ = activity_.exchange_began;
  return first.what;
}

Error timeout_error(Timeouts::Expired what) {
  struct Words {
    Reason reason;
    std::string_view sqlstate;
    std::string_view cause;
    std::string_view setting;
  };
  auto words = [&]() -> Words {
    switch (what) {
      case Timeouts::Expired::transaction:
        return {Reason::transaction_timeout, sqlstate::kTransactionTimeout, "transaction timeout",
                "transaction_timeout"};
      case Timeouts::Expired::idle_in_transaction:
        return {Reason::idle_in_transaction_timeout, sqlstate::kIdleInTransactionTimeout,
                "idle-in-transaction timeout", "idle_in_transaction_timeout"};
      case Timeouts::Expired::client_idle:
        return {Reason::client_idle_timeout, sqlstate::kIdleSessionTimeout, "idle-session timeout",
                "client_idle_timeout"};
      case Timeouts::Expired::query:
      case Timeouts::Expired::kCount:
        break;
    }
    std::unreachable();
  }();
  return {.reason = words.reason,
          .side = Side::client,
          .sqlstate = words.sqlstate,
          .message = "terminating connection due to " + std::string(words.cause),
          .hint = "The limit is \"" + std::string(words.setting) + "\" of the \"pool\"."};
}

}  // namespace trunkline::session
