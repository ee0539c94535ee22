#include "service/admin.h"

#include <string>

#include "base/time.h"
#include "observe/prometheus.h"

namespace trunkline::service {

namespace {

HttpResponse metrics(Control& control) {
  observe::Registry& registry = control.registry();
  registry.drop_unused(Clock::now());
  return {.body = observe::prometheus_text(registry.read(), control.metrics_prefix()),
          .content_type = std::string(observe::kPrometheusContentType)};
}

HttpResponse readyz(const Control& control) {
  if (control.draining()) return {.status = 503, .body = "draining\n"};
  upstream::Readiness readiness = control.readiness();
  if (readiness.ready) return {.body = "ok\n"};
  if (!readiness.text.ends_with('\n')) readiness.text += '\n';
  return {.status = 503, .body = std::move(readiness.text)};
}

}  // namespace

HttpRouter admin_router(Control& control) {
  HttpRouter router;
  router.add("GET", "/metrics", [&control](const HttpRequest&) { return metrics(control); });
  router.add("GET", "/healthz", [](const HttpRequest&) { return HttpResponse{.body = "ok\n"}; });
  router.add("GET", "/readyz", [&control](const HttpRequest&) { return readyz(control); });

  std::string index = "Trunkline\n\n";
  for (std::string_view path : router.paths()) index += std::string(path) + "\n";
  router.add("GET", "/", [index](const HttpRequest&) { return HttpResponse{.body = index}; });
  return router;
}

}  // namespace trunkline::service
