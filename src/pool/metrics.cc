#include "pool/metrics.h"

#include <iterator>

namespace trunkline::pool {

namespace {

using observe::Descriptor;
using observe::Type;
using observe::Unit;

constexpr Descriptor closed(std::string_view reason) {
  return {.name = "pool_connections_closed",
          .help = "Server connections that the pool has closed, by reason.",
          .label = "reason",
          .label_value = reason};
}
constexpr Descriptor timeout(std::string_view which) {
  return {.name = "pool_timeouts",
          .help = "Sessions and requests that took too long, by the setting.",
          .label = "timeout",
          .label_value = which};
}
constexpr Descriptor pins(std::string_view reason) {
  return {.name = "pool_pins",
          .help = "Sessions that began to keep their server connection, by reason.",
          .label = "reason",
          .label_value = reason};
}
constexpr Descriptor pinned(std::string_view reason) {
  return {.name = "pool_pinned",
          .help = "Sessions that keep their server connection now, by reason.",
          .type = Type::gauge,
          .label = "reason",
          .label_value = reason};
}

constexpr Descriptor kRows[] = {
    {"pool_waits", "Sessions that found no server connection and joined the line."},
    {"pool_wait_duration", "In the line, of those who got a connection.", Type::histogram,
     Unit::seconds},
    {"pool_connections_opened", "Logins to servers."},
    {"pool_connections_not_opened", "Logins to servers that failed."},
    closed("idle"),
    closed("lifetime"),
    closed("renewed"),
    closed("over_limit"),
    closed("lost"),
    closed("unusable"),
    closed("evicted"),
    closed("shutdown"),
    {"pool_guards", "Times that a connection was given a session's settings, or wiped."},
    {"pool_statements_prepared_again",
     "Statements that a connection had to be taught because their session had come to it."},
    timeout("query_timeout"),
    timeout("transaction_timeout"),
    timeout("idle_in_transaction_timeout"),
    timeout("client_idle_timeout"),
    {"pool_queries_delayed", "Queries that came too soon and had to wait."},
    {"pool_queries_rejected", "Queries that came too soon and were refused."},
    pins("temporary_objects"),
    pins("held_cursors"),
    pins("advisory_locks"),
    pins("listen"),
    pins("prepared_statements"),
    pins("random_seed"),
    pins("sequences"),
    pins("unknown_settings"),
    pins("session_authorization"),
    pins("long_statements"),
    pins("process_state"),
    pinned("temporary_objects"),
    pinned("held_cursors"),
    pinned("advisory_locks"),
    pinned("listen"),
    pinned("prepared_statements"),
    pinned("random_seed"),
    pinned("sequences"),
    pinned("unknown_settings"),
    pinned("session_authorization"),
    pinned("long_statements"),
    pinned("process_state"),
    {"pool_pins_refused", "Statements that were refused because they would pin their session."},
};
static_assert(observe::cell_offset(kRows, std::size(kRows)) == PoolCells::kCells);
static_assert(observe::cell_offset(kRows, 4) == PoolCells::kClosed);
constexpr std::string_view kLabels[] = {"route", "database", "user"};

}  // namespace

const observe::GroupDescriptor kPoolMetrics{kRows, kLabels};

}  // namespace trunkline::pool
