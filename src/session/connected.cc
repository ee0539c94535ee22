#include "session/connected.h"

#include <string_view>
#include <vector>

#include "pool/metrics.h"

namespace trunkline::session {

Session::Connected::Connected(Session& of, const route::Decision& decision,
                              server::Connection connection, upstream::ServerCount counted,
                              config::Inspect inspect)
    : Serving(of, decision),
      server(std::move(connection)),
      server_count(std::move(counted)),
      machine(inspect, counters(), server_count, listener()),
      relay(of.client_, server.stream, machine, of.waiter_, of.environment_.slab, cells()) {}

void Session::Connected::cancel(std::move_only_function<void(CancelOutcome)> done) {
  if (server.cancel_key.secret.empty()) return done(CancelOutcome::failed);
  session.send_cancel(server, std::move(done));
}

void Session::Connected::leave_server() {
  if (!server.stream.is_open()) return;
  server::close(server, relay.server_can_hear());
  server_count.leave();
}

// A command of replication has no limit in PostgreSQL, and what of the rest is SQL nobody looks at
// here. It has no place in the pool, whose limits and counters these are.
void Session::Connected::watch_idle(const wire::StartupPacket& packet) {
  const route::Route& route = *use->route;
  config::PoolTimeouts limits{.idle_in_transaction = route.pool.timeouts.idle_in_transaction,
                              .client_idle = route.pool.timeouts.client_idle};
  if (route.pool.mode == config::PoolMode::none || limits == config::PoolTimeouts{}) return;
  std::string user(route.login ? std::string_view(route.login->user) : packet.user);
  std::vector<std::string> labels = {route.name, std::string(packet.database), std::move(user)};
  Environment& environment = session.environment_;
  relay.watch_idle(limits, environment.process.metrics.group(pool::kPoolMetrics, labels),
                   environment.worker);
}

}  // namespace trunkline::session
