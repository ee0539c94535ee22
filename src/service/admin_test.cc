#include "service/admin.h"

#include <gtest/gtest.h>

#include "observe/prometheus.h"

namespace trunkline::service {
namespace {

constexpr observe::Descriptor kLogins[] = {{.name = "logins", .help = "Logins."}};
constexpr std::string_view kLabels[] = {"route"};
constexpr observe::GroupDescriptor kGroup{kLogins, kLabels};

struct FakeControl : Control {
  observe::Registry& registry() override { return metrics; }
  std::string_view metrics_prefix() const override { return "line"; }
  upstream::Readiness readiness() const override { return state; }
  bool draining() const override { return is_draining; }

  observe::Registry metrics{1};
  upstream::Readiness state{.ready = true, .text = ""};
  bool is_draining = false;
};

struct AdminTest : testing::Test {
  FakeControl control;
  HttpRouter router = admin_router(control);

  HttpResponse get(std::string_view path) {
    return router.handle({.method = "GET", .path = std::string(path)});
  }
};

TEST_F(AdminTest, MetricsAreThePrometheusTextWithThePrefix) {
  auto group = control.metrics.group(kGroup, {"main"});
  group->cells(0)->add(3);
  HttpResponse response = get("/metrics");
  EXPECT_EQ(response.status, 200U);
  EXPECT_EQ(response.content_type, observe::kPrometheusContentType);
  EXPECT_NE(response.body.find("line_logins_total{route=\"main\"} 3\n"), std::string::npos)
      << response.body;
}

TEST_F(AdminTest, HealthIsOfTheProcessAlone) {
  control.is_draining = true;
  control.state = {.ready = false, .text = "main: no server answers"};
  EXPECT_EQ(get("/healthz").status, 200U);
  EXPECT_EQ(get("/healthz").body, "ok\n");
}

TEST_F(AdminTest, ReadinessNamesWhatIsDown) {
  EXPECT_EQ(get("/readyz").status, 200U);
  control.state = {.ready = false, .text = "main: no server answers"};
  EXPECT_EQ(get("/readyz").status, 503U);
  EXPECT_EQ(get("/readyz").body, "main: no server answers\n");
  control.is_draining = true;
  EXPECT_EQ(get("/readyz").body, "draining\n");
  control.state.ready = true;
  EXPECT_EQ(get("/readyz").status, 503U);
}

TEST_F(AdminTest, TheIndexListsThePaths) {
  EXPECT_EQ(get("/").body, "Trunkline\n\n/healthz\n/metrics\n/readyz\n");
}

TEST_F(AdminTest, OtherPathsAndMethodsAreRefused) {
  EXPECT_EQ(get("/metrics/").status, 404U);
  HttpResponse response = router.handle({.method = "POST", .path = "/metrics"});
  EXPECT_EQ(response.status, 405U);
  EXPECT_EQ(response.allow, "GET, HEAD");
  EXPECT_EQ(router.handle({.method = "HEAD", .path = "/healthz"}).status, 200U);
}

}  // namespace
}  // namespace trunkline::service
