#include "session/pooled.h"

#include <array>

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
                               state.long_statements};
  static_assert(policies.size() == kPinSettings.size());
  Pins rejected;
  for (size_t i = 0; i < policies.size(); ++i) {
    if (policies[i] == config::StatePolicy::reject) rejected.add(pin_at(i));
  }
  return rejected;
}

}  // namespace

Session::Pooled::Pooled(Session& of, const route::Decision& decision, pool::PoolPtr pool,
                        const pool::Greetings::Greeting& greeting, std::string early_bytes)
    : Serving(of, decision),
      machine({.session = of.id_,
               .keeps_connection = decision.route->pool.mode == config::PoolMode::session,
               .refuses_blocks = decision.route->pool.mode == config::PoolMode::statement,
               .rejects = rejected_pins(decision.route->pool.unmovable_state),
               .pin_places = &pool->pin_places(),
               .pool_cells = pool->cells(of.environment_.worker),
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
  machine.forget_pins();
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
