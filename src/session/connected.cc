#include "session/connected.h"

#include <utility>

namespace trunkline::session {

Session::Connected::Connected(Session& of, const route::Decision& decision,
                              server::Connection connection, ServerCount counted,
                              config::Inspect inspect)
    : session(of),
      route(decision.route),
      upstream(decision.upstream),
      server(std::move(connection)),
      server_count(std::move(counted)),
      postgres_group(of.environment_.process.metrics.group(policy::kPostgresStats,
                                                           {route->name, upstream->name()})),
      route_group(
          of.environment_.process.metrics.group(kRouteMetrics, {route->name, upstream->name()})),
      cells(route_group->cells(of.environment_.worker)),
      stats(postgres_group->cells(of.environment_.worker)),
      machine(inspect, {stats, cells, of.environment_.metrics.requests(), server_count},
              listener_of(*of.hooks_)),
      relay(of.client_, server.stream, machine, of.waiter_, of.environment_.slab, cells) {
  cells[RouteCells::kActive].add();
}

Session::Connected::~Connected() {
  cells[RouteCells::kActive].sub();
}

// Null keeps the relay free of calls that nobody wants.
RelayEvents* Session::Connected::listener_of(const policy::HookChain& hooks) {
  bool wanted = hooks.wants(policy::HookEvent::command_complete) ||
                hooks.wants(policy::HookEvent::transaction_end);
  return wanted ? this : nullptr;
}

void Session::Connected::on_command_complete(policy::CommandKind command, std::string_view tag) {
  session.hooks_->command_complete({.id = session.id_, .client = session.route_facts()}, command,
                                   tag);
}

void Session::Connected::on_transaction_end(policy::TransactionsEnded ended) {
  session.hooks_->transaction_end({.id = session.id_, .client = session.route_facts()}, ended);
}

}  // namespace trunkline::session
