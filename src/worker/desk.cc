#include "worker/desk.h"

#include <array>
#include <utility>

#include "base/random.h"
#include "observe/log.h"
#include "upstream/reach.h"
#include "worker/listening.h"

namespace trunkline::worker {

namespace {

// Of `max_lifetime`, in thousandths: connections that were opened together do not all end together.
uint32_t spared_of_lifetime() {
  constexpr uint64_t kMost = 100;
  thread_local FastRandom random(random_number());
  return static_cast<uint32_t>(random.below(kMost + 1));
}

}  // namespace

void Desk::open(pool::PoolPtr pool) {
  environment_.loop.spawn(log_in(std::move(pool)));
}

io::Task<> Desk::log_in(pool::PoolPtr pool) {
  Instant began = now();
  pool::Destination& destination = pool->destination();
  auto connection = std::make_unique<pool::Connection>();
  connection->generation = pool->generation();
  connection->count.emplace(environment_.count_server(destination.upstream()->name()));
  server::LoginContext context = environment_.login_context();
  Instant deadline = began + environment_.snapshot->login_timeout;
  server::LoginRequest request{.credentials = destination.credentials(),
                               .parameters = {{"database", destination.database()}}};
  std::expected<server::LoggedIn, server::Refusal> server =
      co_await upstream::log_in(destination.upstream(), context, request,
                                environment_.process.resolver, deadline, upstream::Pace::in_turn);
  if (!server) {
    connection.reset();
    observe::log(observe::Level::warn, "server login failed",
                 {{"upstream", destination.upstream()->name()},
                  {"database", destination.database()},
                  {"user", request.credentials.user},
                  {"message", server.error().error.message}});
    pool->not_opened(*this, server.error(), began);
    co_return;
  }
  connection->server = std::move(server->connection);
  connection->destination = &destination;
  connection->sender = environment_.process.pools.senders().enter(
      connection->server.endpoint.address.to_string(), connection->server.cancel_key.process_id);
  pool::note_unasked(*connection, server->greeting);
  pool::note_unasked(*connection, server->early);
  connection->opened = now();
  connection->spared = spared_of_lifetime();
  connection->count->enter(upstream::ServerState::idle);
  pool->opened(*this, std::move(connection));
}

void Desk::pack(pool::Connection& connection) {
  connection.count->leave();
  connection.parcel.emplace(std::move(connection.server.stream).detach());
}

void Desk::unpack(pool::Connection& connection) {
  connection.server.stream = tls::Stream(environment_.loop, std::move(*connection.parcel));
  connection.parcel.reset();
  connection.count->enter_on(worker());
}

// Servers say little to idle connections: that a setting of theirs has changed, or good-bye.
bool Desk::is_alive(pool::Connection& connection) {
  tls::Stream& stream = connection.server.stream;
  while (stream.readable() || stream.socket().hung_up()) {
    std::array<char, 4096> bytes;
    ssize_t got = stream.recv(bytes);
    if (got == -EAGAIN) return !stream.socket().hung_up();
    if (got <= 0 || !pool::note_unasked(connection, {bytes.data(), static_cast<size_t>(got)})) {
      return false;
    }
  }
  return true;
}

void Desk::close(pool::ConnectionPtr connection) {
  bool can_hear = connection->scanner.at_boundary() && !connection->server.stream.has_unsent();
  server::close(connection->server, can_hear);
}

void Desk::listen(pool::PoolPtr pool, pool::ListenerPtr listener) {
  environment_.loop.spawn(keep_listening(environment_, std::move(pool), std::move(listener)));
}

io::Task<> Desk::tend() {
  for (;;) {
    co_await environment_.loop.sleep_until(now() + kTendInterval);
    for (const pool::PoolPtr& pool : environment_.process.pools.all()) tend(*pool);
    if (worker() != 0) continue;
    environment_.process.pools.forget_unused(now());
    environment_.process.directories.tend(environment_.lookup_context());
  }
}

void Desk::tend(pool::Pool& pool) {
  std::shared_ptr<const config::Pool> settings = pool.destination().settings();
  uint32_t connections_min = pool.connections_min(now());
  pool.tend(*this, now() - settings->idle_timeout, connections_min);
  pool.open_reserve(*this, now() - settings->reserve_after);
  // One worker is enough; others take what it has opened.
  if (worker() == 0 && pool.connections() > 0) pool.fill(*this, connections_min);
}

void Desk::close_idle() {
  for (const pool::PoolPtr& pool : environment_.process.pools.all()) {
    pool->close_idle(*this);
    for (const pool::ListenerPtr& each : pool->destination().listeners()) each->retire(*this);
  }
}

}  // namespace trunkline::worker
