#include "session/connected.h"

namespace trunkline::session {

Session::Connected::Connected(Session& of, const route::Decision& decision,
                              server::Connection connection, upstream::ServerCount counted,
                              config::Inspect inspect)
    : Serving(of, decision),
      server(std::move(connection)),
      server_count(std::move(counted)),
      machine(inspect, counters(), server_count, listener()),
      relay(of.client_, server.stream, machine, of.waiter_, of.environment_.slab, cells()) {}

void Session::Connected::cancel(std::move_only_function<void(bool sent)> done) {
  if (server.cancel_key.secret.empty()) return done(false);
  session.send_cancel(server, std::move(done));
}

void Session::Connected::leave_server() {
  if (!server.stream.is_open()) return;
  server::close(server, relay.server_can_hear());
  server_count.leave();
  place.leave();
}

}  // namespace trunkline::session
