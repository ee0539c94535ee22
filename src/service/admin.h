#pragma once

#include <string_view>

#include "observe/metrics.h"
#include "service/http_router.h"
#include "upstream/probe.h"

namespace trunkline::service {

// What the services ask of the process, implemented by it. Called on the control thread.
class Control {
 public:
  virtual ~Control() = default;
  virtual observe::Registry& registry() = 0;
  virtual std::string_view metrics_prefix() const = 0;
  virtual upstream::Readiness readiness() const = 0;
  // On the way to the end of the process: no new client should come.
  virtual bool draining() const = 0;
};

// GET /metrics, /healthz (the process lives), /readyz (it can do its work) and / (what there is).
// `control` must outlive the router.
HttpRouter admin_router(Control& control);

}  // namespace trunkline::service
