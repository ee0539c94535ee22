#include "config/sections.h"

namespace trunkline::config {

namespace {

void load_unmovable_state(const Value& value, Pool& pool) {
  Mapping mapping(value, "pool.unmovable_state");
  UnmovableState& state = pool.unmovable_state;
  mapping.read("temporary_objects", state.temporary_objects);
  mapping.read("held_cursors", state.held_cursors);
  mapping.read("advisory_locks", state.advisory_locks);
  mapping.read("random_seed", state.random_seed);
  mapping.read("sequences", state.sequences);
  mapping.read("unknown_settings", state.unknown_settings);
  mapping.read("session_authorization", state.session_authorization);
  mapping.read("long_statements", state.long_statements);
  mapping.read("process_state", state.process_state);
}

}  // namespace

void load_pool(const Value& value, Pool& pool) {
  Mapping mapping(value, "pool");
  pool.at = value.at();
  mapping.read("mode", pool.mode);
  mapping.read_integer("size", pool.size, 1, kConnectionsMax);
  mapping.read_integer("min_size", pool.min_size, 0, kConnectionsMax);
  mapping.read_integer("guaranteed_size", pool.guaranteed_size, 0, kConnectionsMax);
  mapping.read_integer("reserve_size", pool.reserve_size, 0, kConnectionsMax);
  mapping.read("reserve_after", pool.reserve_after, kTimeoutMin, kTimeoutMax);
  mapping.read("wait_timeout", pool.wait_timeout, kTimeoutMin, kTimeoutMax);
  mapping.read("idle_timeout", pool.idle_timeout, kTimeoutMin, kTimeoutMax);
  mapping.read("max_lifetime", pool.max_lifetime, kTimeoutMin, kTimeoutMax);
  mapping.read("query_timeout", pool.timeouts.query, kTimeoutMin, kTimeoutMax);
  mapping.read("transaction_timeout", pool.timeouts.transaction, kTimeoutMin, kTimeoutMax);
  mapping.read("idle_in_transaction_timeout", pool.timeouts.idle_in_transaction, kTimeoutMin,
               kTimeoutMax);
  mapping.read("client_idle_timeout", pool.timeouts.client_idle, kTimeoutMin, kTimeoutMax);
  mapping.read_integer("max_queries_per_second", pool.max_queries_per_second, 1, kQueriesMax);
  mapping.read_integer("max_queries_per_second_per_user", pool.max_queries_per_second_per_user, 1,
                       kQueriesMax);
  mapping.read("over_query_limit", pool.over_query_limit);
  mapping.read_integer("max_pinned", pool.max_pinned, 1, kConnectionsMax);
  if (auto state = mapping.find("unmovable_state")) load_unmovable_state(*state, pool);
  for (std::string_view name : {"min_size", "guaranteed_size"}) {
    uint32_t connections = name == "min_size" ? pool.min_size : pool.guaranteed_size;
    if (connections <= pool.size) continue;
    value.error("`" + std::string(name) + "` is " + std::to_string(connections) +
                ", more than `size`, which is " + std::to_string(pool.size));
  }
}

}  // namespace trunkline::config
