#include <utility>

#include "pool/guard.h"
#include "session/ask_server.h"
#include "session/checkout.h"
#include "session/ended_by.h"
#include "session/pooled.h"
#include "session/session.h"
#include "session/startup_settings.h"
#include "session/while_client_stays.h"
#include "wire/builders.h"
#include "wire/protocol.h"

// The login of a session that shares server connections: it needs one only if nobody before has
// come with the same settings.
namespace trunkline::session {

namespace {

// What the server says against a setting, as it would at a login.
std::string as_fatal(std::string_view body) {
  std::string response;
  {
    wire::MessageBuilder message(response, wire::server_message::kErrorResponse);
    for (std::string_view rest = body; rest.size() > 1;) {
      size_t end = std::min(rest.find('\0'), rest.size());
      char code = rest[0];
      std::string_view text = rest.substr(1, end - 1);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      bool severity = code == 'S' || code == 'V';
      bool context = code == 'W' || code == 'P' || code == 'p' || code == 'q';
      if (code == '\0' || context) continue;
      message.byte(code).c_string(severity ? "FATAL" : text);
    }
    message.byte('\0');
  }
  return response;
}

// Sets what the session wants, on a connection that nobody uses. The refusal is the server's.
io::Task<std::expected<ServerAnswer, server::Refusal>> lay_on(pool::Connection& connection,
                                                              pool::SettingsPtr settings,
                                                              Instant deadline) {
  std::string request;
  auto cleanse = connection.unproven ? pool::Cleanse::everything : pool::Cleanse::nothing;
  pool::append_guard(request, connection, settings, cleanse);
  append_own_sync(request, connection);
  auto answer = co_await ask_server(connection, std::move(request), deadline);
  if (!answer && !answer.error().response.empty()) {
    answer.error().response = as_fatal(answer.error().response);
  }
  co_return answer;
}

}  // namespace

// What the client is to be told, from a server connection that has been set as the client wants it.
// `pool` is the one it comes from in the end.
io::Task<std::expected<pool::Greetings::Greeting, server::Refusal>> Session::learn_greeting(
    pool::PoolPtr& pool, pool::Settings settings, bool has_asked, Instant deadline) {
  constexpr int kAttemptsMax = 3;
  for (int attempt = 1;; ++attempt) {
    Checkout checkout(pool, environment_.desk, environment_.loop);
    auto taken = co_await while_client_stays(checkout.take(deadline), has_asked);
    if (!taken) co_return std::unexpected(server::Refusal{std::move(taken.error())});
    pool = checkout.pool();
    if (!*taken) co_return std::unexpected(std::move(taken->error()));
    pool::ConnectionPtr connection = std::move(**taken);
    pool::Greetings& greetings = pool->destination().greetings();
    uint64_t version = greetings.version();
    auto wanted = std::make_shared<const pool::Settings>(settings);
    connection->last_session = id_;
    auto laid_on = co_await while_client_stays(lay_on(*connection, wanted, deadline), has_asked);
    if (laid_on && *laid_on) {
      pool::Greetings::Greeting greeting =
          greetings.add(std::move(settings), connection->reported, version, (*laid_on)->notices);
      connection->settings = greeting.settings;
      co_await learn_defaults(pool, std::move(connection), deadline);
      co_return greeting;
    }
    pool->discard(environment_.desk, std::move(connection));
    if (!laid_on) co_return std::unexpected(server::Refusal{std::move(laid_on.error())});
    // The server has ended a connection that was idle, as others found out.
    bool is_ended = ends_idle_session(laid_on->error().error.detail);
    if (!is_ended || attempt == kAttemptsMax)
      co_return std::unexpected(std::move(laid_on->error()));
  }
}

// Nothing but a new connection can take these settings.
bool Session::needs_own_connection(const server::Refusal& refusal) {
  return refusal.error.detail == sqlstate::kCantChangeRuntimeParameter;
}

pool::PoolPtr Session::pool_of(const wire::StartupPacket& packet, const route::Decision& decision,
                               const auth::Credentials& credentials) {
  const upstream::Upstream& upstream = *decision.upstream;
  pool::Key key{.route = decision.route->name,
                .database = decision.database.value_or(packet.database),
                .user = credentials.user,
                .servers = upstream.is_filled_in() ? upstream.name() : ""};
  return environment_.process.pools.get(key, decision.upstream, decision.route->pool, credentials);
}

io::Task<Result<bool>> Session::start_pooled(const wire::StartupPacket& packet,
                                             const route::Decision& decision,
                                             const auth::Credentials& credentials,
                                             std::string early, std::string_view method) {
  std::optional<pool::Settings> settings = startup_settings(packet);
  if (!settings) co_return false;
  pool::PoolPtr pool = pool_of(packet, decision, credentials);
  bool may_ask = pool->idle() > 0;
  if (may_ask && pool->destination().defaults().is_due(environment_.loop.now())) {
    co_await check_defaults(pool);
  }
  std::optional<pool::Greetings::Greeting> greeting =
      pool->destination().greetings().find(*settings);
  if (!greeting) {
    auto learnt = co_await learn_greeting(pool, std::move(*settings), !early.empty(),
                                          began_ + login_->snapshot->login_timeout);
    if (!learnt) {
      if (needs_own_connection(learnt.error())) co_return false;
      co_return fail(std::move(refused_by_server(std::move(learnt.error())).error()));
    }
    greeting = std::move(*learnt);
  }
  serving_ =
      std::make_unique<Pooled>(*this, decision, std::move(pool), *greeting, std::move(early));
  std::string words = std::exchange(login_->before_error, {}) + *greeting->messages;
  Result<> opened = co_await open_session(std::move(words), packet, method);
  if (!opened) co_return fail(std::move(opened.error()));
  co_return true;
}

// Room for a connection of this client's own, which counts in the pool as the others do.
io::Task<Result<pool::Place>> Session::take_place(pool::PoolPtr pool, bool has_asked) {
  Checkout checkout(std::move(pool), environment_.desk, environment_.loop);
  auto taken = co_await while_client_stays(
      checkout.take_place(began_ + login_->snapshot->login_timeout), has_asked);
  if (!taken) co_return fail(std::move(taken.error()));
  if (!*taken) co_return fail(std::move(refused_by_server(std::move(taken->error())).error()));
  co_return std::move(**taken);
}

io::Task<Result<>> Session::start_with_own(Start start, pool::Place place) {
  auto connection = std::make_unique<pool::Connection>();
  connection->count.emplace(environment_.count_server(start.decision.upstream->name()));
  connection->generation = place.pool()->generation();
  connection->destination = &place.pool()->destination();
  connection->last_session = id_;
  connection->settings = std::make_shared<const pool::Settings>();  // on top of the login's
  Instant connect_began;
  Result<server::LoggedIn> server = co_await log_in_to_server(start, connect_began);
  if (!server) co_return fail(std::move(server.error()));
  connection->server = std::move(server->connection);
  connection->sender = environment_.process.pools.senders().enter(
      connection->server.endpoint.address.to_string(), connection->server.cancel_key.process_id);
  std::string greeting = server->greeting + server->early;
  if (!pool::note_unasked(*connection, greeting)) {
    co_return fail({.reason = Reason::server_protocol_error,
                    .side = Side::server,
                    .sqlstate = sqlstate::kProtocolViolation,
                    .message = "the server has said what it was not asked behind its login"});
  }
  serving_ = std::make_unique<Pooled>(*this, start.decision, std::move(place),
                                      std::move(connection), std::move(start.early));
  observe::record(serving_->cells() + RouteCells::kServerConnectSeconds, observe::kLatencyBuckets,
                  environment_.loop.now() - connect_began);
  co_return co_await open_session(std::exchange(login_->before_error, {}) + greeting, start.packet,
                                  start.method);
}

}  // namespace trunkline::session
