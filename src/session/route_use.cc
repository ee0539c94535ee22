#include "session/route_use.h"

#include <array>
#include <string>
#include <vector>

#include "policy/postgres_stats.h"
#include "session/metrics.h"

namespace trunkline::session {

namespace {

Pins rejected_pins(const config::UnmovableState& state) {
  using enum config::StatePolicy;
  // In the order of `kPinSettings`. What only code that is not seen leaves cannot be foreseen.
  const std::array policies = {state.temporary_objects,
                               state.held_cursors,
                               state.advisory_locks,
                               pin,
                               pin,
                               state.random_seed,
                               state.sequences,
                               state.unknown_settings,
                               state.session_authorization,
                               state.long_statements,
                               state.process_state};
  static_assert(policies.size() == kPinSettings.size());
  Pins rejected;
  for (size_t i = 0; i < policies.size(); ++i) {
    if (policies[i] == config::StatePolicy::reject) rejected.add(pin_at(i));
  }
  return rejected;
}

}  // namespace

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
               .cells = nullptr,
               .rejects = rejected_pins(decision.route->pool.unmovable_state)});
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
