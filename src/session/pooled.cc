#include "session/pooled.h"

#include <utility>

#include "session/relay.h"

namespace trunkline::session {

namespace {

// Another round at once, after the others have had theirs.
constexpr uint32_t kAtOnce = 0;

}  // namespace

Session::Pooled::Pooled(Session& of, const route::Decision& decision, pool::PoolPtr its_pool,
                        const pool::Greetings::Greeting& greeting, std::string early)
    : Serving(of, decision),
      own(its_pool->generation(), greeting.settings, greeting.reported),
      pool(std::move(its_pool)) {
  if (!early.empty()) wake_up().begin(std::move(early));
}

// Thousands of them rest: what is added here is added to each.
static_assert(sizeof(SessionSettings) <= 56);
static_assert(sizeof(PooledClient) <= 120);
static_assert(sizeof(PoolUse) <= 48);

Session::Pooled::Pooled(Session& of, const route::Decision& decision, pool::Place place,
                        pool::ConnectionPtr connection, std::string early)
    : Serving(of, decision),
      own(connection->generation, connection->settings,
          std::make_shared<const pool::Reported>(connection->reported)),
      pool(place.pool()) {
  pool.place = std::make_unique<pool::Place>(std::move(place));
  PooledRelay& relay = wake_up();
  relay.adopt(std::move(connection));
  if (!early.empty()) relay.begin(std::move(early));
}

Session::Pooled::~Pooled() {
  static_assert(sizeof(Pooled) <= 288);
  if (active) rest();
  if (self) *self = nullptr;
}

// At rest it waits for its client, for others, and for a timeout of the client's own.
io::Task<std::unique_ptr<Error>> Session::Pooled::run() {
  session.client_.socket().bind(session.waiter_, kClientShift);
  uint32_t woken = 0;
  while (std::optional<uint32_t> wanted = go_on(woken)) {
    woken = 0;
    if (*wanted == kAtOnce) {
      co_await session.waiter_.step_aside();
    } else {
      woken = co_await session.waiter_.wait(*wanted);
    }
  }
  co_return active->relay->finish();
}

// What to wait for before the next round; nullopt: the relay has ended. Not in the coroutine, whose
// frame all that rest have.
std::optional<uint32_t> Session::Pooled::go_on(uint32_t woken) {
  session.waiter_.clear(woken & (wake::kMail | wake::kBuffer | wake::kDeadline | wake::kTimeout |
                                 wake::kClientHangup));
  PooledRelay& relay = wake_up();
  if (std::unique_ptr<Error> asked = std::move(session.end_asked_)) {
    relay.ask_to_end(std::move(*asked), true);
  }
  bool again = relay.go_on(woken);
  if (relay.has_ended()) return std::nullopt;
  if (again) return kAtOnce;
  if (!relay.rests()) return relay.wanted();
  rest();
  return wake::kClientReadable | wake::kMail | wake::kTimeout;
}

PooledRelay& Session::Pooled::wake_up() {
  if (active) return *active->relay;
  Environment& environment = session.environment_;
  config::PoolMode mode = use->route->pool.mode;
  bool has_own = pool.place != nullptr;  // nobody else's is touched by what it does
  bool keeps = has_own || mode == config::PoolMode::session;
  active = environment.relays.take();
  PooledRelay::Place place{
      .client = session.client_,
      .waiter = session.waiter_,
      .slab = environment.slab,
      .desk = environment.desk,
      .pools = environment.process.pools,
      .cells = cells(),
      .use = pool,
      .own = own,
      .identity = {.session = session.id_,
                   .keeps_connection = keeps,
                   .refuses_blocks = !has_own && mode == config::PoolMode::statement,
                   .rejects = has_own ? Pins{} : use->rejects,
                   .pin_places = has_own ? nullptr : &pool.pool->pin_places(),
                   .pool_cells = pool.pool->cells(environment.worker),
                   .listening = keeps ? nullptr : this,
                   .process_id = &own_key.process_id},
      .counters = counters(),
      .events = listener(),
      .statements = environment.statements};
  return active->relay.emplace(place, active->buffers, *this);
}

void Session::Pooled::rest() {
  session.environment_.relays.give_back(std::exchange(active, nullptr));
}

// One that rests is in no hurry: it ends in its own turn, so that thousands that are asked at once
// do not all need a relay at once.
void Session::Pooled::ask_to_end(Error error, bool when_idle) {
  if (active) return active->relay->ask_to_end(std::move(error), when_idle);
  session.end_asked_ = std::make_unique<Error>(std::move(error));
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
