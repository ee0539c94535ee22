#include <gtest/gtest.h>

#include "config/test_support.h"

namespace trunkline::config {
namespace {

std::string with_pool(const std::string& pool) {
  return kMinimal + "pool: {" + pool + "}\nusers: [{name: joe}]\n";
}
std::string with_route(const std::string& route, const std::string& more = "") {
  return kMinimal + more + "routes: [{upstream: main, " + route + "}]\nusers: [{name: joe}]\n";
}

TEST(Pools, without_the_key_each_session_has_a_connection_of_its_own) {
  Config config = config_of(kMinimal);
  EXPECT_EQ(config.pool.mode, PoolMode::none);
  ASSERT_EQ(config.routes.size(), 1u);
  EXPECT_EQ(config.routes[0].pool.mode, PoolMode::none);
  EXPECT_FALSE(config.max_connections_per_database);
  EXPECT_FALSE(config.max_connections_per_user);
  EXPECT_FALSE(config.upstreams.at("main").max_connections);
}

TEST(Pools, every_key_arrives) {
  Config config = config_of(
      with_pool("mode: transaction, size: 9, min_size: 1, guaranteed_size: 2, reserve_size: 3, "
                "reserve_after: 4s, wait_timeout: 5s, idle_timeout: 6s, max_lifetime: 7s"));
  ASSERT_EQ(config.routes.size(), 1u);
  for (const Pool& pool : {config.pool, config.routes[0].pool}) {
    EXPECT_EQ(pool.mode, PoolMode::transaction);
    EXPECT_EQ(pool.size, 9u);
    EXPECT_EQ(pool.min_size, 1u);
    EXPECT_EQ(pool.guaranteed_size, 2u);
    EXPECT_EQ(pool.reserve_size, 3u);
    EXPECT_EQ(pool.reserve_after, 4s);
    EXPECT_EQ(pool.wait_timeout, 5s);
    EXPECT_EQ(pool.idle_timeout, 6s);
    EXPECT_EQ(pool.max_lifetime, 7s);
  }
}

TEST(Pools, may_hand_connections_on_after_each_statement) {
  EXPECT_EQ(config_of(with_pool("mode: statement")).routes[0].pool.mode, PoolMode::statement);
  Config config = config_of(with_route("pool: {mode: statement}", "pool: {mode: transaction}\n"));
  EXPECT_EQ(config.routes[0].pool.mode, PoolMode::statement);
}

TEST(Pools, have_no_timeouts_but_those_they_are_given) {
  EXPECT_EQ(config_of(with_pool("mode: session")).pool.timeouts, PoolTimeouts{});
  Config config =
      config_of(with_pool("mode: session, query_timeout: 1s, transaction_timeout: 2s, "
                          "idle_in_transaction_timeout: 3s, client_idle_timeout: 1d"));
  PoolTimeouts all{.query = 1s, .transaction = 2s, .idle_in_transaction = 3s, .client_idle = 24h};
  EXPECT_EQ(config.pool.timeouts, all);
  EXPECT_EQ(config.routes[0].pool.timeouts, all);
}

TEST(Pools, a_route_may_change_a_timeout_or_take_it_away) {
  Config config =
      config_of(with_route("pool: {query_timeout: none, client_idle_timeout: 5s}",
                           "pool: {mode: session, query_timeout: 1s, transaction_timeout: 2s}\n"));
  PoolTimeouts expected{.transaction = 2s, .client_idle = 5s};
  EXPECT_EQ(config.routes[0].pool.timeouts, expected);
  EXPECT_EQ(errors_of(with_pool("query_timeout: 0s")),
            "3:23: error: pool.query_timeout: found `0s`; allowed: from 1ms to 1d\n");
  EXPECT_EQ(errors_of(with_pool("query_timeout: 5")),
            "3:23: error: pool.query_timeout: found `5`; the unit is missing; allowed: a "
            "number with ms, s, m, h or d, such as 30s\n");
}

TEST(Pools, timeouts_without_a_pool_are_refused_or_warned_of) {
  EXPECT_EQ(
      errors_of(with_route("pool: {query_timeout: 1s}")),
      "3:10: error: routes[0]: the timeouts and limits of queries of `pool` hold for sessions "
      "that share server connections, and this route has `mode: none`\n");
  Config config =
      config_of(with_route("pool: {mode: none}", "pool: {mode: transaction, query_timeout: 1s}\n"));
  ASSERT_EQ(config.warnings.size(), 1u);
  EXPECT_EQ(config.warnings[0].key, "routes[0]");
}

TEST(Pools, limits_of_queries_and_pins_arrive) {
  Config config =
      config_of(with_pool("mode: transaction, max_queries_per_second: 1, "
                          "max_queries_per_second_per_user: 2, "
                          "over_query_limit: reject, max_pinned: 3"));
  const Pool& pool = config.routes[0].pool;
  EXPECT_EQ(pool.max_queries_per_second, 1u);
  EXPECT_EQ(pool.max_queries_per_second_per_user, 2u);
  EXPECT_EQ(pool.over_query_limit, OverQueryLimit::reject);
  EXPECT_EQ(pool.max_pinned, 3u);
  EXPECT_EQ(Pool{}.max_queries_per_second, std::nullopt);
  EXPECT_EQ(Pool{}.over_query_limit, OverQueryLimit::delay);
  EXPECT_EQ(Pool{}.max_pinned, std::nullopt);
}

TEST(Pools, limits_of_queries_need_a_pool) {
  EXPECT_EQ(
      errors_of(with_route("pool: {max_queries_per_second: 1}")),
      "3:10: error: routes[0]: the timeouts and limits of queries of `pool` hold for sessions "
      "that share server connections, and this route has `mode: none`\n");
}

TEST(Pools, each_kind_of_unmovable_state_has_its_policy) {
  const std::pair<const char*, StatePolicy UnmovableState::*> kinds[] = {
      {"temporary_objects", &UnmovableState::temporary_objects},
      {"held_cursors", &UnmovableState::held_cursors},
      {"advisory_locks", &UnmovableState::advisory_locks},
      {"random_seed", &UnmovableState::random_seed},
      {"sequences", &UnmovableState::sequences},
      {"unknown_settings", &UnmovableState::unknown_settings},
      {"session_authorization", &UnmovableState::session_authorization},
      {"long_statements", &UnmovableState::long_statements},
      {"process_state", &UnmovableState::process_state}};
  for (const auto& [name, member] : kinds) {
    std::string key(name);
    Config config =
        config_of(with_pool("mode: transaction, unmovable_state: {" + key + ": reject}"));
    for (const auto& [other, state] : kinds) {
      EXPECT_EQ(config.pool.unmovable_state.*state,
                key == other ? StatePolicy::reject : StatePolicy::pin)
          << key << " and " << other;
    }
  }
  EXPECT_EQ(errors_of(with_pool("unmovable_state: {sequences: virtualise}")),
            "3:37: error: pool.unmovable_state.sequences: found `virtualise`; allowed: pin or "
            "reject\n");
}

TEST(Pools, logins_to_a_server_are_bounded) {
  EXPECT_EQ(config_of(kMinimal).upstreams.at("main").max_logins, 20u);
  Config config = config_of(kListen + "upstreams: {main: {servers: {host: db}, max_logins: 3}}\n");
  EXPECT_EQ(config.upstreams.at("main").max_logins, 3u);
}

TEST(Pools, shared_limits_arrive) {
  Config config = config_of(kListen +
                            "upstreams: {main: {servers: {host: db}, max_connections: 3}}\n"
                            "max_connections_per_database: 1\nmax_connections_per_user: 2\n");
  EXPECT_EQ(config.max_connections_per_database, 1u);
  EXPECT_EQ(config.max_connections_per_user, 2u);
  EXPECT_EQ(config.upstreams.at("main").max_connections, 3u);
}

TEST(Pools, a_route_overrides_what_it_says_and_keeps_the_rest) {
  Config config = config_of(
      with_route("pool: {size: 7}", "pool: {mode: transaction, size: 5, wait_timeout: 9s}\n"));
  ASSERT_EQ(config.routes.size(), 1u);
  EXPECT_EQ(config.routes[0].pool.mode, PoolMode::transaction);
  EXPECT_EQ(config.routes[0].pool.size, 7u);
  EXPECT_EQ(config.routes[0].pool.wait_timeout, 9s);
  EXPECT_EQ(config.pool.size, 5u);
}

TEST(Pools, a_route_may_do_without) {
  Config config =
      config_of(with_route("pool: {mode: none}", "pool: {mode: transaction, size: 5}\n"));
  ASSERT_EQ(config.routes.size(), 1u);
  EXPECT_EQ(config.routes[0].pool.mode, PoolMode::none);
}

TEST(Pools, minimum_and_guarantee_are_at_most_the_size) {
  EXPECT_EQ(errors_of(with_pool("size: 5, min_size: 5, guaranteed_size: 5")), "");
  EXPECT_EQ(errors_of(with_pool("size: 5, min_size: 6")),
            "3:7: error: pool: `min_size` is 6, more than `size`, which is 5\n");
  EXPECT_EQ(errors_of(with_pool("size: 5, guaranteed_size: 6")),
            "3:7: error: pool: `guaranteed_size` is 6, more than `size`, which is 5\n");
  // Also when the one comes from the file and the other from the route.
  EXPECT_EQ(errors_of(with_route("pool: {size: 1}", "pool: {size: 5, min_size: 2}\n")),
            "4:33: error: routes[0].pool: `min_size` is 2, more than `size`, which is 1\n");
}

TEST(Pools, minimum_and_guarantee_are_at_most_what_is_shared) {
  for (std::string own : {"min_size", "guaranteed_size"}) {
    for (std::string limit : {"max_connections_per_database", "max_connections_per_user",
                              "max_connections_per_server"}) {
      EXPECT_EQ(
          errors_of(limit + ": 4\n" + with_pool("mode: transaction, size: 5, " + own + ": 5")),
          "3:19: error: `" + own + "` of the pool is 5, more than `" + limit + "`, which is 4\n");
    }
  }
}

TEST(Pools, what_is_of_no_effect_is_said) {
  auto warns = [](const std::string& text, const std::string& of) {
    return warnings_of(text).contains(of);
  };
  EXPECT_TRUE(warns(with_pool("size: 5"), "pool: of no effect"));
  EXPECT_FALSE(warns(with_pool("mode: none"), "of no effect"));
  EXPECT_FALSE(warns(with_pool("mode: transaction, size: 5"), "of no effect"));
  EXPECT_TRUE(warns(with_route("auth: relay", "pool: {mode: transaction}\n"), "of no effect"));
  EXPECT_TRUE(warns(kMinimal + "max_connections_per_user: 3\n", "of no effect"));
  EXPECT_TRUE(warns(with_pool("mode: transaction, reserve_size: 1, wait_timeout: 3s"),
                    "the reserve of the pool is never used"));
  EXPECT_TRUE(warns(with_pool("mode: session, max_pinned: 1"), "`max_pinned` counts for nothing"));
}

TEST(Pools, and_what_is_not_looked_at_exclude_each_other) {
  for (std::string word : {"bytes", "messages"}) {
    EXPECT_EQ(errors_of(with_route("inspect: " + word + ", pool: {mode: session}")),
              "3:10: error: routes[0]: `inspect: " + word +
                  "` and a `pool` exclude each other: whose settings and statements are whose is "
                  "seen in the statements\n");
  }
  EXPECT_EQ(errors_of(with_route("inspect: statements, pool: {mode: session}")), "");
  EXPECT_EQ(errors_of(with_route("inspect: bytes, pool: {mode: none}")), "");
  EXPECT_EQ(errors_of(with_route("inspect: statements")),
            "3:10: error: routes[0]: `inspect: statements` needs a `pool` so far\n");
}

TEST(Pools, and_a_login_that_the_client_itself_makes_exclude_each_other) {
  EXPECT_EQ(errors_of(with_route("auth: relay, pool: {mode: transaction}")),
            "3:10: error: routes[0]: `pool` and `auth: relay` exclude each other: a login that the "
            "client itself makes is for one session; use `auth: terminate`\n");
  // The file's own is for those routes that can.
  Config config = config_of(with_route("auth: relay", "pool: {mode: transaction}\n"));
  ASSERT_EQ(config.routes.size(), 1u);
  EXPECT_EQ(config.routes[0].pool.mode, PoolMode::none);
}

TEST(Pools, a_route_that_rejects_has_none) {
  EXPECT_NE(errors_of(kMinimal + "routes: [{reject: no, pool: {size: 1}}]\n")
                .find("a route that rejects cannot have `pool`\n"),
            std::string::npos);
  Config config = config_of(kMinimal +
                            "pool: {mode: transaction}\n"
                            "routes: [{reject: no, match: {user: joe}}, {upstream: main}]\n");
  ASSERT_EQ(config.routes.size(), 2u);
  EXPECT_EQ(config.routes[1].pool.mode, PoolMode::transaction);
}

}  // namespace
}  // namespace trunkline::config
