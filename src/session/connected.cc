#include "session/connected.h"

#include <utility>

namespace trunkline::session {

Session::Connected::Connected(Session& session, const route::Decision& decision,
                              server::Connection connection, config::Inspect inspect)
    : route(decision.route),
      upstream(decision.upstream),
      server(std::move(connection)),
      postgres_group(session.environment_.process.metrics.group(policy::kPostgresStats,
                                                                {route->name, upstream->name()})),
      route_group(session.environment_.process.metrics.group(kRouteMetrics,
                                                             {route->name, upstream->name()})),
      cells(route_group->cells(session.environment_.worker)),
      stats(postgres_group->cells(session.environment_.worker)),
      machine(inspect, stats, cells),
      relay(session.client_, server.stream, machine, session.waiter_, session.environment_.slab,
            cells) {
  cells[RouteCells::kActive].add();
}

Session::Connected::~Connected() {
  cells[RouteCells::kActive].sub();
}

}  // namespace trunkline::session
