#include "session/pooled.h"

#include <utility>

#include "session/relay.h"

namespace trunkline::session {

Session::Pooled::Pooled(Session& of, const route::Decision& decision, pool::PoolPtr its_pool,
                        const pool::Greetings::Greeting& greeting, std::string early)
    : Serving(of, decision),
      own({.session = of.id_,
           .keeps_connection = decision.route->pool.mode == config::PoolMode::session},
          greeting.settings, greeting.reported),
      pool(std::move(its_pool)) {
  if (!early.empty()) wake_up().begin(std::move(early));
}

Session::Pooled::~Pooled() {
  if (active) rest();
  if (self) *self = nullptr;
}

io::Task<std::unique_ptr<Error>> Session::Pooled::run() {
  io::Waiter& waiter = session.waiter_;
  session.client_.socket().bind(waiter, kClientShift);
  uint32_t woken = 0;
  for (;;) {
    bool again = wake_up().go_on(std::exchange(woken, 0));
    if (active->relay->has_ended()) co_return active->relay->finish();
    if (again) {
      co_await waiter.step_aside();
      continue;
    }
    if (active->relay->rests()) rest();
    woken = co_await waiter.wait(active ? active->relay->wanted()
                                        : wake::kClientReadable | wake::kMail);
    waiter.clear(woken & (wake::kMail | wake::kBuffer | wake::kDeadline));
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
                           .pool = pool,
                           .own = own,
                           .counters = counters(),
                           .events = listener(),
                           .statements = environment.statements};
  return active->relay.emplace(place, active->buffers, *this);
}

void Session::Pooled::rest() {
  session.environment_.relays.give_back(std::move(active));
}

void Session::Pooled::leave_server() {
  if (!active) return;
  session.server_response_ = active->relay->take_server_response();
  active->relay->abandon();
}

void Session::Pooled::cancel(std::move_only_function<void(bool sent)> done) {
  if (!active || active->relay->cancel_wait()) return done(true);
  const pool::Connection* connection = active->relay->server();
  if (connection == nullptr) return done(true);  // nothing runs: as PostgreSQL, nothing happens
  send_cancel(connection->server, std::move(done));
}

void Session::Pooled::send_cancel(const server::Connection& server) {
  send_cancel(server, [](bool) {});
}

// The connection stays with the session until the request has arrived: whoever came after would be
// hit by it.
void Session::Pooled::send_cancel(const server::Connection& server,
                                  std::move_only_function<void(bool)> done) {
  if (!self) self = std::make_shared<Pooled*>(this);
  active->relay->begin_cancel();
  session.send_cancel(server, [alive = self, tell = std::move(done)](bool sent) mutable {
    if (*alive != nullptr) (*alive)->active->relay->end_cancel();
    tell(sent);
  });
}

}  // namespace trunkline::session
