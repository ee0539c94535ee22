#include "session/route_use.h"

#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "policy/postgres_stats.h"
#include "session/metrics.h"

namespace trunkline::session {
namespace {

upstream::UpstreamPtr upstream_named(const std::string& name) {
  tls::Findings findings;
  config::ServerTls without_tls{.mode = config::ServerTlsMode::disable};
  upstream::CompiledTls tls{.context = tls::ServerContext::compile(without_tls, "tls", findings),
                            .files = {}};
  return std::make_shared<upstream::Upstream>(name, config::Upstream{}, std::move(tls),
                                              std::vector<std::shared_ptr<upstream::Health>>{});
}

route::Decision to(const std::string& upstream) {
  auto route = std::make_shared<route::Route>();
  route->name = "all";
  return {.kind = route::Decision::Kind::forward,
          .route = std::move(route),
          .upstream = upstream_named(upstream)};
}

class RouteUseTest : public testing::Test {
 protected:
  observe::Registry metrics{2};
  RouteUses uses{metrics, 1};
};

TEST_F(RouteUseTest, is_shared_by_those_who_go_the_same_way) {
  route::Decision a = to("a");
  route::Decision b = a;
  b.upstream = upstream_named("b");
  RouteUsePtr use = uses.get(a);
  EXPECT_EQ(uses.get(a), use);
  EXPECT_NE(uses.get(b), use);
  EXPECT_EQ(use->route, a.route);
  EXPECT_EQ(use->upstream, a.upstream);
}

TEST_F(RouteUseTest, counts_where_its_worker_does) {
  RouteUsePtr use = uses.get(to("a"));
  use->cells[RouteCells::kActive].add(3);
  use->postgres_cells[policy::kSessions].add(4);
  EXPECT_EQ(metrics.group(kRouteMetrics, {"all", "a"})->cells(1)[RouteCells::kActive].get(), 3U);
  EXPECT_EQ(metrics.group(policy::kPostgresStats, {"all", "a"})->total(policy::kSessions), 4U);
}

TEST_F(RouteUseTest, keeps_nothing_that_no_session_has) {
  route::Decision decision = to("a");
  std::weak_ptr<const upstream::Upstream> upstream = decision.upstream;
  RouteUsePtr use = uses.get(decision);
  decision = {};
  EXPECT_FALSE(upstream.expired());
  use.reset();
  EXPECT_TRUE(upstream.expired());
  EXPECT_EQ(uses.in_use(), 0U);
}

}  // namespace
}  // namespace trunkline::session
