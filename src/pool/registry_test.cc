#include "pool/registry.h"

#include <string>

#include "pool/pool_for_tests.h"

namespace trunkline::pool {
namespace {

class RegistryTest : public testing::Test {
 protected:
  PoolPtr get(const Key& key, uint32_t size = 5) {
    return registry.get(key, main, {.mode = config::PoolMode::transaction, .size = size},
                        {.user = key.user});
  }
  // How many connections the pool may still open.
  uint32_t room(const PoolPtr& pool) {
    auto others = std::exchange(desk.opening, {});
    pool->fill(desk, 100);
    auto opened = static_cast<uint32_t>(desk.opening.size());
    for (PoolPtr& each : std::exchange(desk.opening, std::move(others))) {
      each->not_opened(desk, {}, {});
    }
    return opened;
  }

  Ledger ledger;
  PlainDesk desk;
  Registry registry{ledger, 1};
  upstream::UpstreamPtr main = upstream_named("main");
};

TEST_F(RegistryTest, one_pool_for_each_route_database_and_user) {
  PoolPtr pool = get({"route", "db", "joe"});
  EXPECT_EQ(get({"route", "db", "joe"}), pool);
  EXPECT_NE(get({"other", "db", "joe"}), pool);
  EXPECT_NE(get({"route", "other", "joe"}), pool);
  EXPECT_NE(get({"route", "db", "ann"}), pool);
  EXPECT_NE(get({"route", "db", "joe", "a.internal:5432"}), pool);
  EXPECT_EQ(registry.all().size(), 5u);
  EXPECT_EQ(pool->destination().database(), "db");
  EXPECT_EQ(pool->destination().credentials().user, "joe");
}

TEST_F(RegistryTest, a_limit_of_a_server_holds_over_all_upstreams_that_name_it) {
  auto upstream_at = [](const std::string& name, std::vector<config::ServerAddress> servers) {
    return upstream_of({.servers = std::move(servers)}, name);
  };
  config::ServerAddress a{.host = "a"};
  config::ServerAddress b{.host = "b"};
  config::Pool settings{.mode = config::PoolMode::transaction, .size = 5};
  registry.set_shares({.per_server = 4});
  PoolPtr both = registry.get({"both", "db", "joe"}, upstream_at("both", {a, b, a}), settings, {});
  PoolPtr last = registry.get({"last", "db", "joe"}, upstream_at("last", {b}), settings, {});
  EXPECT_EQ(room(both), 4u);
  both->fill(desk, 3);
  EXPECT_EQ(ledger.used({CapName::Kind::server, "a:5432"}), 3u) << "once, though it is named twice";
  EXPECT_EQ(ledger.used({CapName::Kind::server, "b:5432"}), 3u) << "it may lead there";
  EXPECT_EQ(room(last), 1u);
  registry.set_shares({.per_server = 5});
  EXPECT_EQ(room(last), 2u) << "a reload";
  registry.set_shares({});
  EXPECT_EQ(room(last), 5u);
  PoolPtr later = registry.get({"later", "db", "joe"}, upstream_at("later", {a}), settings, {});
  EXPECT_EQ(room(later), 5u);
  for (PoolPtr& each : std::exchange(desk.opening, {})) each->not_opened(desk, {}, {});
}

TEST_F(RegistryTest, the_password_shown_last_is_kept) {
  Key key{"route", "db", "joe"};
  PoolPtr pool =
      registry.get(key, main, {.size = 1}, {.user = "joe", .password = Secret("before")});
  registry.get(key, main, {.size = 1}, {.user = "joe", .password = Secret("after")});
  EXPECT_EQ(pool->destination().credentials().password.reveal(), "after");
}

TEST_F(RegistryTest, a_pool_whose_route_leads_elsewhere_is_replaced) {
  Key key{"route", "db", "joe"};
  PoolPtr before = get(key);
  main = upstream_named("main");  // as a reload makes it
  PoolPtr after = get(key);
  EXPECT_NE(after, before);
  EXPECT_EQ(after->destination().upstream(), main);
  EXPECT_EQ(get(key), after);
  EXPECT_EQ(registry.all().size(), 2u) << "the old one's connections are still looked after";
  before.reset();
  registry.forget_unused(desk.time);
  EXPECT_EQ(registry.all().size(), 1u);
}

TEST_F(RegistryTest, sessions_go_over_when_a_reload_changes_the_upstream) {
  Key key{"route", "db", "joe"};
  PoolPtr before = get(key);
  PoolPtr elsewhere = registry.get({"other", "db", "joe"}, upstream_named("other"), {}, {});
  main = upstream_named("main");
  registry.apply("route", {.size = 7}, main);
  PoolPtr after = before->successor();
  ASSERT_NE(after, nullptr);
  EXPECT_EQ(after->destination().upstream(), main);
  EXPECT_EQ(after->destination().credentials().user, "joe");
  EXPECT_EQ(room(after), 7u);
  EXPECT_EQ(get(key), after);
  EXPECT_EQ(elsewhere->successor(), nullptr);
  registry.apply("route", {.size = 7}, main);
  EXPECT_EQ(after->successor(), nullptr) << "nothing has changed";
}

TEST_F(RegistryTest, a_route_that_leads_to_another_upstream_leaves_sessions_where_they_are) {
  Key key{"route", "db", "joe"};
  PoolPtr before = get(key);
  main = upstream_named("another");
  registry.apply("route", {.size = 5}, main);
  EXPECT_EQ(before->successor(), nullptr);
  EXPECT_NE(get(key), before);
  EXPECT_EQ(before->successor(), nullptr) << "until their next login";
}

TEST_F(RegistryTest, a_login_from_before_a_reload_does_not_bring_the_old_upstream_back) {
  Key key{"route", "db", "joe"};
  upstream::UpstreamPtr old = main;
  PoolPtr before = get(key);
  main = upstream_named("main");
  registry.apply("route", {.size = 5}, main);
  PoolPtr after = get(key);
  EXPECT_EQ(registry.get(key, old, {.size = 5}, {.user = "joe"}), after);
  EXPECT_EQ(after->successor(), nullptr);
}

TEST_F(RegistryTest, a_replaced_pool_keeps_no_minimum) {
  Key key{"route", "db", "joe"};
  PoolPtr before = registry.get(key, main, {.size = 5, .min_size = 2}, {.user = "joe"});
  registry.apply("route", {.size = 5, .min_size = 2}, upstream_named("main"));
  EXPECT_EQ(before->destination().settings()->min_size, 0u);
  EXPECT_EQ(before->successor()->destination().settings()->min_size, 2u);
}

TEST_F(RegistryTest, forgets_only_what_nobody_uses) {
  PoolPtr used = get({"route", "db", "used"});
  get({"route", "db", "unused"});
  PoolPtr connected = get({"route", "db", "connected"});
  connected->fill(desk, 1);
  PoolPtr opening = std::move(desk.opening.back());
  desk.opening.clear();
  connected.reset();
  registry.forget_unused(desk.time);
  EXPECT_EQ(registry.all().size(), 2u);
  EXPECT_EQ(get({"route", "db", "used"}), used);
  EXPECT_EQ(get({"route", "db", "connected"}), opening);
  opening->not_opened(desk, {}, {});
  opening.reset();
  used.reset();
  registry.forget_unused(desk.time);
  EXPECT_TRUE(registry.all().empty());
}

TEST_F(RegistryTest, who_comes_without_a_secret_takes_nobodys) {
  Key key{"route", "db", "joe"};
  PoolPtr pool = registry.get(key, main, {.size = 1}, {.user = "joe", .password = Secret("shown")});
  registry.get(key, main, {.size = 1}, {.user = "joe"});
  EXPECT_EQ(pool->destination().credentials().password.reveal(), "shown") << "trust, peer, cert";
}

TEST_F(RegistryTest, a_replaced_pool_keeps_nothing_free) {
  registry.set_shares({.per_upstream = {{"main", 3}}});
  Key key{"route", "db", "joe"};
  config::Pool settings{.mode = config::PoolMode::transaction, .size = 2, .guaranteed_size = 2};
  PoolPtr before = registry.get(key, main, settings, {.user = "joe"});
  main = upstream_named("main");
  registry.apply("route", settings, main);
  before->successor()->fill(desk, 2);
  EXPECT_EQ(desk.opening.size(), 2u);
  EXPECT_EQ(room(get({"other", "db", "joe"})), 1u) << "nothing more is promised";
  for (PoolPtr& each : std::exchange(desk.opening, {})) each->not_opened(desk, {}, {});
}

TEST_F(RegistryTest, a_pool_and_those_that_it_has_replaced_have_one_size) {
  Key key{"route", "db", "joe"};
  PoolPtr before = get(key, 3);
  before->fill(desk, 2);
  main = upstream_named("main");
  PoolPtr after = get(key, 3);
  EXPECT_EQ(room(after), 1u);
  for (PoolPtr& each : std::exchange(desk.opening, {})) each->not_opened(desk, {}, {});
  EXPECT_EQ(room(after), 3u);
}

TEST_F(RegistryTest, a_limit_that_a_reload_has_taken_away_holds_nobody_who_comes_later) {
  registry.set_shares({.per_database = 1});
  EXPECT_EQ(room(get({"route", "db", "joe"})), 1u);
  registry.forget_unused(desk.time);
  registry.set_shares({});
  EXPECT_EQ(room(get({"route", "db", "joe"})), 5u);
}

TEST_F(RegistryTest, keeps_in_mind_over_a_reload_that_clients_ask_for_sequences) {
  Key key{"route", "db", "joe"};
  get(key)->destination().on_sequence_asked();
  main = upstream_named("main");
  EXPECT_TRUE(get(key)->destination().asks_for_sequences());
}

TEST_F(RegistryTest, shared_limits_hold_over_all_pools_they_name) {
  registry.set_shares({.per_upstream = {{"main", 4}}, .per_database = 3, .per_user = 2});
  PoolPtr pool = get({"route", "db", "joe"});
  EXPECT_EQ(room(pool), 2u) << "of the user";
  PoolPtr same_database = get({"route", "db", "ann"});
  pool->fill(desk, 100);
  EXPECT_EQ(room(same_database), 1u) << "of the database";
  same_database->fill(desk, 100);
  PoolPtr same_upstream = get({"route", "other", "sue"});
  EXPECT_EQ(room(same_upstream), 1u) << "of the upstream";
  for (PoolPtr& each : std::exchange(desk.opening, {})) each->not_opened(desk, {}, {});
}

TEST_F(RegistryTest, shared_limits_follow_a_reload) {
  PoolPtr pool = get({"route", "db", "joe"});
  EXPECT_EQ(room(pool), 5u);
  registry.set_shares({.per_upstream = {{"main", 1}}});
  EXPECT_EQ(room(pool), 1u);
  registry.set_shares({.per_database = 2});
  EXPECT_EQ(room(pool), 2u) << "that of the upstream is gone";
  registry.set_shares({.per_user = 3});
  EXPECT_EQ(room(pool), 3u);
  registry.set_shares({});
  EXPECT_EQ(room(pool), 5u);
}

TEST_F(RegistryTest, settings_of_a_route_reach_its_pools_and_no_others) {
  PoolPtr pool = get({"route", "db", "joe"});
  PoolPtr other = get({"other", "db", "joe"});
  registry.apply("route", {.size = 7, .wait_timeout = 3s}, main);
  EXPECT_EQ(room(pool), 7u);
  EXPECT_EQ(pool->destination().settings()->wait_timeout, 3s);
  EXPECT_EQ(room(other), 5u);
}

TEST_F(RegistryTest, limits_of_queries_and_pins_follow_a_reload) {
  PoolPtr pool = get({"route", "db", "joe"});
  EXPECT_EQ(pool->pin_places().max(), 5u) << "as many as its size";
  EXPECT_EQ(pool->query_rates().route, nullptr);
  uint32_t version = pool->destination().settings_version();
  registry.apply("route",
                 {.size = 7,
                  .max_queries_per_second = 10,
                  .max_queries_per_second_per_user = 5,
                  .max_pinned = 3},
                 main);
  EXPECT_NE(pool->destination().settings_version(), version);
  EXPECT_EQ(pool->pin_places().max(), 3u);
  Pool::QueryRates rates = pool->query_rates();
  ASSERT_NE(rates.route, nullptr);
  PoolPtr other = registry.get({"route", "other", "joe"}, main,
                               {.max_queries_per_second = 10, .max_queries_per_second_per_user = 5},
                               {.user = "joe"});
  EXPECT_EQ(other->query_rates().route, rates.route) << "one bucket for the route";
  EXPECT_EQ(other->query_rates().user, rates.user) << "and one for the user there";
  registry.apply("route", {.size = 7}, main);
  EXPECT_EQ(pool->query_rates().user, nullptr);
}

}  // namespace
}  // namespace trunkline::pool
