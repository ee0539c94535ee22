#include "session/query_limit.h"

#include <gtest/gtest.h>
#include <memory>

#include "pool/metrics.h"
#include "session/pooled_for_tests.h"

namespace trunkline::session {
namespace {

using Answer = QueryLimit::Answer;
using Verdict = PooledMachine::Verdict;
using config::OverQueryLimit;
using pool::PoolCells;

constexpr Instant kNow{1000s};

class QueryLimitTest : public PooledTest {
 protected:
  QueryLimit limit(uint32_t per_second, OverQueryLimit over) {
    return {{.route = std::make_shared<pool::QueryRate>(per_second), .user = nullptr},
            over,
            1s,
            cells.cells(0)};
  }

  observe::Group cells{pool::kPoolMetrics, nullptr, 1};
};

TEST_F(QueryLimitTest, a_query_that_comes_too_soon_waits_for_its_turn) {
  QueryLimit two = limit(2, OverQueryLimit::delay);
  EXPECT_EQ(two.ask(kNow), Answer::go);
  EXPECT_EQ(two.ask(kNow), Answer::go);
  EXPECT_EQ(two.ask(kNow), Answer::wait);
  EXPECT_EQ(two.until(), kNow + 500ms);
  EXPECT_EQ(two.ask(kNow + 499ms), Answer::wait) << "of the same query";
  EXPECT_EQ(two.ask(kNow + 500ms), Answer::go);
  EXPECT_FALSE(two.waits());
  EXPECT_EQ(cells.total(PoolCells::kDelayed), 1u);
}

TEST_F(QueryLimitTest, or_is_refused) {
  QueryLimit one = limit(1, OverQueryLimit::reject);
  EXPECT_EQ(one.ask(kNow), Answer::go);
  EXPECT_EQ(one.ask(kNow), Answer::refuse);
  EXPECT_EQ(one.error().sqlstate, "53400");
  EXPECT_EQ(one.error().hint, R"(The limit is "max_queries_per_second" of the "pool".)");
  EXPECT_EQ(one.ask(kNow + 1s), Answer::go);
  EXPECT_EQ(cells.total(PoolCells::kRejected), 1u);
}

TEST_F(QueryLimitTest, a_delay_has_a_bound) {
  QueryLimit one = limit(1, OverQueryLimit::delay);
  QueryLimit other = one;
  EXPECT_EQ(one.ask(kNow), Answer::go);
  EXPECT_EQ(one.ask(kNow), Answer::wait);
  EXPECT_EQ(other.ask(kNow), Answer::refuse) << "it would be two seconds";
}

TEST_F(QueryLimitTest, what_the_user_may_not_does_not_count_for_the_route) {
  auto route = std::make_shared<pool::QueryRate>(2);
  auto user = std::make_shared<pool::QueryRate>(1);
  QueryLimit both({.route = route, .user = user}, OverQueryLimit::reject, 1s, cells.cells(0));
  EXPECT_EQ(both.ask(kNow), Answer::go);
  EXPECT_EQ(both.ask(kNow), Answer::refuse);
  EXPECT_EQ(both.error().message, "too many queries per second for this user");
  EXPECT_TRUE(route->take(kNow, kNow)) << "there is still the second of the route's";
}

TEST_F(QueryLimitTest, delays_before_a_connection_is_taken) {
  QueryLimit one = limit(1, OverQueryLimit::delay);
  a.limit_queries(one);
  EXPECT_EQ(a.client(query("select 1")), Verdict::need_server);
  EXPECT_EQ(a.go_on(), Verdict::need_server) << "it has its token";
  a.use(*connection);
  EXPECT_EQ(a.go_on(), Verdict::go_on);
  a.server(done("SELECT 1") + ready());
  a.leave();
  EXPECT_EQ(a.client(query("select 1")), Verdict::too_soon);
  EXPECT_EQ(a.go_on(), Verdict::too_soon);
  a.now += 1s;
  EXPECT_EQ(a.go_on(), Verdict::need_server);
}

TEST_F(QueryLimitTest, refuses_without_a_connection) {
  QueryLimit one = limit(1, OverQueryLimit::reject);
  a.limit_queries(one);
  a.use(*connection);
  run(a, "select 1", "SELECT 1");
  a.leave();
  EXPECT_EQ(a.client(query("select 1")), Verdict::go_on);
  std::string refusal;
  wire::append_error(refusal, one.error());
  EXPECT_EQ(a.own_answers(), refusal + ready());
}

TEST_F(QueryLimitTest, a_refusal_fails_the_transaction_it_is_in) {
  QueryLimit one = limit(1, OverQueryLimit::reject);
  a.use(*connection);
  run(a, "begin", "BEGIN", 'T');
  a.limit_queries(one);
  run(a, "select 1", "SELECT 1", 'T');
  a.client(query("select 1"));
  EXPECT_EQ(a.heard(), binding("", "trunkline_0") + kSync);
  std::string refusal;
  wire::append_error(refusal, one.error());
  EXPECT_EQ(a.server(failed("26000", "no such statement") + ready('E')), refusal + ready('E'));
}

TEST_F(QueryLimitTest, each_execute_of_a_batch_is_a_query) {
  QueryLimit two = limit(2, OverQueryLimit::reject);
  a.limit_queries(two);
  a.use(*connection);
  std::string one = binding("", "") + execute();
  a.client(parse("", "select 1") + one + one + one + kSync);
  EXPECT_EQ(a.heard(), parse("", "select 1") + one + one + binding("", "") +
                           binding("", "trunkline_0") + kSync);
}

}  // namespace
}  // namespace trunkline::session
