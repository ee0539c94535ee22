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
static_assert(sizeof(PoolUse) <= 40);

Session::Pooled::~Pooled() {
  static_assert(sizeof(Pooled) <= 280);
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
                   .keeps_connection = mode == config::PoolMode::session,
                   .refuses_blocks = mode == config::PoolMode::statement,
                   .rejects = use->rejects,
                   .pin_places = &pool.pool->pin_places(),
                   .pool_cells = pool.pool->cells(environment.worker),
                   .listening = mode == config::PoolMode::session ? nullptr : this,
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
