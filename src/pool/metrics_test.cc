#include "pool/metrics.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "observe/prometheus.h"
#include "pool/pool_for_tests.h"
#include "pool/registry.h"

namespace trunkline::pool {
namespace {

class PoolMetricsTest : public testing::Test {
 protected:
  PoolPtr get(const config::Pool& settings = {.mode = config::PoolMode::transaction, .size = 2}) {
    return pools.get({"all", "db", "joe"}, main, settings, {.user = "joe"});
  }
  std::string text() { return observe::prometheus_text(metrics.read(), "trunkline"); }
  bool shows(const std::string& name, const std::string& more, const std::string& value) {
    return text().contains("trunkline_pool_" + name +
                           "{route=\"all\",database=\"db\",user=\"joe\"" + more + "} " + value +
                           "\n");
  }

  observe::Registry metrics{1};
  Ledger ledger;
  PlainDesk desk;
  Registry pools{ledger, 1, &metrics};
  upstream::UpstreamPtr main = upstream_named("main");
};

TEST_F(PoolMetricsTest, follow_a_connection_from_its_login_to_its_close) {
  PoolPtr pool = get();
  EXPECT_TRUE(shows("size", "", "2"));
  FakeRequest request(desk);
  pool->wait(request);
  EXPECT_TRUE(shows("waits_total", "", "1"));
  EXPECT_TRUE(shows("waiting", "", "1"));
  EXPECT_TRUE(shows("connections", ",state=\"login\"", "1"));
  desk.time += 3s;
  pool->opened(desk, desk.connection(*pool));
  EXPECT_TRUE(shows("connections_opened_total", "", "1"));
  EXPECT_TRUE(shows("wait_duration_seconds_count", "", "1"));
  EXPECT_TRUE(shows("wait_duration_seconds_sum", "", "3"));
  EXPECT_TRUE(shows("waiting", "", "0"));
  EXPECT_TRUE(shows("connections", ",state=\"active\"", "1"));
  pool->give_back(desk, std::move(request.connection));
  EXPECT_TRUE(shows("connections", ",state=\"idle\"", "1"));
  EXPECT_TRUE(shows("connections", ",state=\"active\"", "0"));
  pool->tend(desk, desk.time + 1s, 0);
  EXPECT_TRUE(shows("connections_closed_total", ",reason=\"idle\"", "1"));
  EXPECT_TRUE(shows("connections", ",state=\"idle\"", "0"));
  desk.opening.clear();
}

TEST_F(PoolMetricsTest, tell_why_a_connection_was_closed) {
  PoolPtr pool = get();
  auto put = [&](Duration age = {}) {
    pool->fill(desk, 1);
    ConnectionPtr made = desk.connection(*pool);
    made->opened = desk.time - age;
    pool->opened(desk, std::move(made));
    desk.opening.clear();
  };
  put(config::Pool{}.max_lifetime);
  EXPECT_TRUE(shows("connections_closed_total", ",reason=\"lifetime\"", "1"));
  put();
  desk.alive = false;
  pool->tend(desk, {}, 0);
  EXPECT_TRUE(shows("connections_closed_total", ",reason=\"lost\"", "1"));
  desk.alive = true;
  put();
  pool->renew(desk);
  EXPECT_TRUE(shows("connections_closed_total", ",reason=\"renewed\"", "1"));
  put();
  pool->discard(desk, pool->take(desk));
  EXPECT_TRUE(shows("connections_closed_total", ",reason=\"unusable\"", "1"));
  put();
  pool->evict();
  EXPECT_TRUE(shows("connections_closed_total", ",reason=\"evicted\"", "1"));
  put();
  pool->close_idle(desk);
  EXPECT_TRUE(shows("connections_closed_total", ",reason=\"shutdown\"", "1"));
  pool->fill(desk, 1);
  pool->not_opened(desk, {}, {});
  EXPECT_TRUE(shows("connections_not_opened_total", "", "1"));
  desk.opening.clear();
}

TEST_F(PoolMetricsTest, of_a_pool_and_the_one_in_its_place_are_shown_once) {
  PoolPtr before = get();
  main = upstream_named("main");
  PoolPtr after = get();
  EXPECT_NE(before, after);
  std::string shown = text();
  size_t first = shown.find("trunkline_pool_size{");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(shown.find("trunkline_pool_size{", first + 1), std::string::npos);
}

TEST_F(PoolMetricsTest, gauges_end_with_the_pool) {
  get();
  EXPECT_TRUE(text().contains("trunkline_pool_waiting{"));
  pools.forget_unused(desk.time);
  EXPECT_FALSE(text().contains("trunkline_pool_waiting{"));
}

TEST(PinPlaces, are_as_many_as_there_may_be) {
  PinPlaces places;
  places.set_max(2);
  EXPECT_TRUE(places.try_take());
  EXPECT_TRUE(places.try_take());
  EXPECT_FALSE(places.try_take());
  places.take();
  EXPECT_EQ(places.taken(), 3u) << "of whom nobody saw it coming";
  places.leave();
  places.leave();
  EXPECT_TRUE(places.try_take());
}

}  // namespace
}  // namespace trunkline::pool
