#include "session/pooled.h"

namespace trunkline::session {

Session::Pooled::Pooled(Session& of, const route::Decision& decision, pool::PoolPtr pool,
                        const pool::Greetings::Greeting& greeting, std::string early_bytes)
    : Serving(of, decision),
      machine({.session = of.id_,
               .keeps_connection = decision.route->pool.mode == config::PoolMode::session,
               .listening = decision.route->pool.mode == config::PoolMode::session ? nullptr : this,
               .process_id = &own_key.process_id},
              counters(), listener(), of.environment_.statements, greeting.settings,
              greeting.reported),
      relay({.client = of.client_,
             .waiter = of.waiter_,
             .slab = of.environment_.slab,
             .desk = of.environment_.desk,
             .pools = of.environment_.process.pools,
             .cells = cells},
            std::move(pool), machine,
            [this](const server::Connection& server) { send_cancel(server, [](bool) {}); }),
      early(std::move(early_bytes)) {}

Session::Pooled::~Pooled() {
  *self = nullptr;
}

void Session::Pooled::leave_server() {
  session.server_response_ = relay.take_server_response();
  relay.abandon();
}

void Session::Pooled::cancel(std::move_only_function<void(bool sent)> done) {
  if (relay.cancel_wait()) return done(true);
  const pool::Connection* connection = relay.server();
  if (connection == nullptr) return done(true);  // nothing runs: as PostgreSQL, nothing happens
  send_cancel(connection->server, std::move(done));
}

// The connection stays with the session until the request has arrived: whoever came after would be
// hit by it.
void Session::Pooled::send_cancel(const server::Connection& server,
                                  std::move_only_function<void(bool)> done) {
  relay.begin_cancel();
  session.send_cancel(server, [alive = self, tell = std::move(done)](bool sent) mutable {
    if (*alive != nullptr) (*alive)->relay.end_cancel();
    tell(sent);
  });
}

}  // namespace trunkline::session
