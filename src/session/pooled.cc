#include "session/pooled.h"

#include <array>
#include <utility>

#include "session/relay.h"

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

Session::Pooled::Pooled(Session& of, const route::Decision& decision, pool::PoolPtr its_pool,
                        const pool::Greetings::Greeting& greeting, std::string early)
    : Serving(of, decision),
      own({.session = of.id_,
           .generation = its_pool->generation(),
           .keeps_connection = decision.route->pool.mode == config::PoolMode::session,
           .refuses_blocks = decision.route->pool.mode == config::PoolMode::statement,
           .rejects = rejected_pins(decision.route->pool.unmovable_state),
           .pin_places = &its_pool->pin_places(),
           .pool_cells = its_pool->cells(of.environment_.worker),
           .listening = decision.route->pool.mode == config::PoolMode::session ? nullptr : this,
           .process_id = &own_key.process_id},
          greeting.settings, greeting.reported),
      pool(std::move(its_pool)) {
  if (!early.empty()) wake_up().begin(std::move(early));
}

Session::Pooled::Pooled(Session& of, const route::Decision& decision, pool::Place place,
                        pool::ConnectionPtr connection, std::string early)
    : Serving(of, decision),
      own({.session = of.id_,
           .generation = connection->generation,
           .keeps_connection = true,
           .pool_cells = place.pool()->cells(of.environment_.worker),
           .process_id = &own_key.process_id},
          connection->settings, std::make_shared<const pool::Reported>(connection->reported)),
      pool(place.pool()) {
  pool.place = std::make_unique<pool::Place>(std::move(place));
  PooledRelay& relay = wake_up();
  relay.adopt(std::move(connection));
  if (!early.empty()) relay.begin(std::move(early));
}

Session::Pooled::~Pooled() {
  if (active) rest();
  if (self) *self = nullptr;
}

// At rest it waits for its client, for others, and for a timeout of the client's own.
io::Task<std::unique_ptr<Error>> Session::Pooled::run() {
  io::Waiter& waiter = session.waiter_;
  session.client_.socket().bind(waiter, kClientShift);
  uint32_t woken = 0;
  for (;;) {
    PooledRelay& relay = wake_up();
    if (end_asked) relay.ask_to_end(std::move(*std::exchange(end_asked, nullptr)), true);
    bool again = relay.go_on(std::exchange(woken, 0));
    if (relay.has_ended()) co_return relay.finish();
    if (again) {
      co_await waiter.step_aside();
      continue;
    }
    if (relay.rests()) rest();
    woken = co_await waiter.wait(active ? active->relay->wanted()
                                        : wake::kClientReadable | wake::kMail | wake::kTimeout);
    waiter.clear(woken & (wake::kMail | wake::kBuffer | wake::kDeadline | wake::kTimeout |
                          wake::kClientHangup));
  }
}

PooledRelay& Session::Pooled::wake_up() {
  if (active) return *active->relay;
  Environment& environment = session.environment_;
  active = environment.relays.take();
  PooledRelay::Place place{.client = session.client_,
                           .waiter = session.waiter_,
                           .slab = environment.slab,
                           .desk = environment.desk,
                           .pools = environment.process.pools,
                           .cells = cells,
                           .use = pool,
                           .own = own,
                           .counters = counters(),
                           .events = listener(),
                           .statements = environment.statements};
  return active->relay.emplace(place, active->buffers, *this);
}

void Session::Pooled::rest() {
  session.environment_.relays.give_back(std::move(active));
}

// One that rests is in no hurry: it ends in its own turn, so that thousands that are asked at once
// do not all need a relay at once.
void Session::Pooled::ask_to_end(Error error, bool when_idle) {
  if (active) return active->relay->ask_to_end(std::move(error), when_idle);
  end_asked = std::make_unique<Error>(std::move(error));
  session.waiter_.raise(wake::kMail);
}

// None is known before the first query, but of a connection of its own.
std::string Session::Pooled::server_address() const {
  const pool::Connection* connection = active ? active->relay->server() : nullptr;
  return connection == nullptr ? "" : connection->server.endpoint.address.to_string();
}

void Session::Pooled::leave_server() {
  if (!active) return;
  session.server_response_ = active->relay->take_server_response();
  active->relay->abandon();
}

void Session::Pooled::cancel(std::move_only_function<void(CancelOutcome)> done) {
  if (!active || active->relay->cancel_wait()) return done(CancelOutcome::sent);
  const pool::Connection* connection = active->relay->server();
  // Nothing runs: as in PostgreSQL, nothing happens.
  if (connection == nullptr) return done(CancelOutcome::sent);
  send_cancel(connection->server, std::move(done));
}

void Session::Pooled::send_cancel(const server::Connection& server) {
  send_cancel(server, [](CancelOutcome) {});
}

// The connection stays with the session until the request has arrived: whoever came after would be
// hit by it.
void Session::Pooled::send_cancel(const server::Connection& server,
                                  std::move_only_function<void(CancelOutcome)> done) {
  if (!self) self = std::make_shared<Pooled*>(this);
  active->relay->begin_cancel();
  uint32_t process_id = server.cancel_key.process_id;
  session.send_cancel(
      server, [alive = self, process_id, tell = std::move(done)](CancelOutcome outcome) mutable {
        bool may_come = outcome == CancelOutcome::unanswered;
        if (*alive != nullptr) (*alive)->active->relay->end_cancel(process_id, may_come);
        tell(outcome);
      });
}

}  // namespace trunkline::session
