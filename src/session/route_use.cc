#include "session/route_use.h"

#include <string>
#include <vector>

#include "policy/postgres_stats.h"
#include "session/metrics.h"

namespace trunkline::session {

RouteUsePtr RouteUses::get(const route::Decision& decision) {
  Key key{decision.route.get(), decision.upstream.get()};
  if (auto found = in_use_.find(key); found != in_use_.end()) return found->second.lock();
  std::vector<std::string> labels = {decision.route->name, decision.upstream->name()};
  auto made = std::make_unique<RouteUse>(
      RouteUse{.route = decision.route,
               .upstream = decision.upstream,
               .postgres_group = metrics_.group(policy::kPostgresStats, labels),
               .route_group = metrics_.group(kRouteMetrics, labels),
               .postgres_cells = nullptr,
               .cells = nullptr});
  made->postgres_cells = made->postgres_group->cells(worker_);
  made->cells = made->route_group->cells(worker_);
  RouteUsePtr use(made.release(), [this, key](const RouteUse* last) {
    in_use_.erase(key);
    delete last;
  });
  in_use_.emplace(key, use);
  return use;
}

}  // namespace trunkline::session
