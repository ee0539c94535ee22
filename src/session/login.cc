#include <algorithm>
#include <utility>

#include "config/names.h"
#include "observe/log.h"
#include "route/explain.h"
#include "session/connected.h"
#include "session/server_parameters.h"
#include "session/session.h"
#include "session/while_client_stays.h"
#include "tls/stream_io.h"
#include "upstream/reach.h"
#include "wire/builders.h"

// The login of a client that the proxy authenticates itself (`auth: terminate`), and what all
// logins share.
namespace trunkline::session {

namespace {

Error client_lost() {
  return {.reason = Reason::client_io_error, .side = Side::client, .message = ""};
}

// What there is to log in to the server with: `login` of the route, else what the client has shown.
auth::Credentials server_credentials(const route::Decision& decision, const Snapshot& snapshot,
                                     auth::Credentials of_client) {
  if (!decision.route->login) return of_client;
  const route::Login& login = *decision.route->login;
  auth::Credentials credentials{.user = decision.user.value_or(login.user)};
  // Who goes on as himself may have shown more than `users` holds: his password, or a SCRAM key.
  if (!login.password && credentials.user == of_client.user) return of_client;
  if (login.password) {
    credentials.password = login.password->clone();
  } else if (const auth::UserRecord* user = snapshot.auth->users.find(credentials.user)) {
    // `login: {user: app}` alone: with the password that `users` has for it.
    if (const auto* plain = user->as<auth::PlainPassword>())
      credentials.password = plain->text.clone();
    if (const auto* md5 = user->as<auth::Md5Password>()) credentials.md5 = md5->stored.clone();
  }
  return credentials;
}

}  // namespace

// Of a client that is passed through nothing is known but its TLS.
route::Facts Session::route_facts() const {
  bool passed_through = user_.empty() && listener_->tls_mode == config::ClientTlsMode::passthrough;
  route::Facts facts{.tls = passed_through || client_.is_encrypted(), .listener = listener_->name};
  if (!sni_.empty()) facts.sni = sni_;
  if (!user_.empty()) {
    facts.user = user_;
    facts.database = database_;
    facts.application_name = application_name_;
  }
  if (peer_.is_ip()) facts.source = peer_.ip_address();
  return facts;
}

io::Task<Result<>> Session::log_in() {
  Instant deadline = began_ + login_->snapshot->login_timeout;
  FirstRequest request = co_await greet(client_, peer_, *listener_, environment_, deadline);
  sni_ = client_.sni();
  Result<> result;
  if (auto* startup = std::get_if<StartupRequest>(&request)) {
    result = co_await start(std::move(*startup));
  } else if (auto* cancel_request = std::get_if<CancelRequest>(&request)) {
    result = fail(co_await forward_cancel(std::move(*cancel_request)));
  } else if (auto* passthrough = std::get_if<PassthroughRequest>(&request)) {
    result = co_await pass_through(std::move(*passthrough));
  } else {
    result = fail(std::move(std::get<NoRequest>(request).error));
  }
  login_->snapshot.reset();
  co_return std::move(result);
}

// A place under the limits; the first thing a client gets, and whatever becomes of it.
Result<> Session::admit() {
  std::optional<IpAddress> source;
  if (peer_.is_ip()) source = peer_.ip_address();
  if (Result<> allowed = check_login_rate(source); !allowed) return allowed;
  Result<policy::Ticket> ticket = environment_.process.limits.admit(source);
  if (!ticket) return fail(std::move(ticket.error()));
  ticket_ = std::move(*ticket);
  return {};
}

// Guessing passwords is slow work from one address; so is keeping the proxy busy with logins.
Result<> Session::check_login_rate(const std::optional<IpAddress>& address) const {
  if (!address) return {};
  policy::Source source(*address);
  if (environment_.process.login_rate.allow(source, environment_.loop.now())) return {};
  return fail({.reason = Reason::client_limit_logins,
               .side = Side::client,
               .sqlstate = sqlstate::kTooManyConnections,
               .message = "too many logins from " + source.to_string(),
               .hint = "The limit is set by \"max_logins_per_second_per_source\"."});
}

Result<> Session::check_startup(const wire::StartupPacket& packet) const {
  if (Result<> user = wire::check_user(packet); !user) return user;
  bool needs_tls = listener_->tls_mode == config::ClientTlsMode::require && !listener_->is_unix;
  if (!needs_tls || client_.is_encrypted()) return {};
  return fail({.reason = Reason::client_rejected,
               .side = Side::client,
               .sqlstate = sqlstate::kInvalidAuthorization,
               .message = "connection requires TLS",
               .hint = "Connect with sslmode=require or stronger."});
}

io::Task<Result<>> Session::start(StartupRequest request) {
  login_->counts.emplace();
  login_->counts->on_client_message(request.packet_bytes);
  Instant deadline = began_ + login_->snapshot->login_timeout;
  wire::Negotiation negotiation = wire::negotiate(request.packet);
  if (negotiation.must_answer) {
    std::string answer;
    wire::append_negotiate_protocol_version(answer, negotiation.version(),
                                            request.packet.protocol_options);
    login_->counts->bytes_to_client += answer.size();
    if (co_await tls::send_all(client_, std::move(answer), deadline) != 0)
      co_return fail(client_lost());
  }
  user_ = request.packet.user;
  database_ = request.packet.database;
  application_name_ = request.packet.application_name;
  if (Result<> checked = check_startup(request.packet); !checked) co_return checked;
  if (Result<> admitted = admit(); !admitted) co_return admitted;
  count_handshake(request.packet);

  route::Facts facts = route_facts();
  if (Result<> allowed = hooks_->startup({.id = id_, .client = facts}); !allowed) co_return allowed;
  route::Decision decision = co_await login_->snapshot->routes->route(facts);
  attribute_login(decision, false);
  if (decision.kind == route::Decision::Kind::forward &&
      decision.route->auth == config::AuthMode::relay) {
    co_return co_await start_relayed(request, decision);
  }
  co_return co_await start_terminated(request, decision);
}

// A client that nothing matches has proven who it is before it learns so.
Result<> Session::check_decision(const route::Decision& decision, const route::Facts& facts) const {
  if (decision.kind == route::Decision::Kind::forward) return {};
  observe::log(observe::Level::warn, "no route",
               {{"session", id_}, {"why", decision.why}, {"looked_at", route::looked_at(facts)}});
  return fail({.reason = Reason::client_rejected,
               .side = Side::client,
               .sqlstate = decision.sqlstate,
               .message = decision.text});
}

Result<> Session::enter_route(const route::Decision& decision, const route::Facts& facts) {
  login_->route = decision.route;
  Result<> entered =
      environment_.process.limits.enter(ticket_, {.route = decision.route->name,
                                                  .route_max = decision.route->max_clients,
                                                  .user = user_,
                                                  .database = database_});
  if (!entered) return entered;
  return hooks_->route({.id = id_, .client = facts}, decision);
}

io::Task<Result<>> Session::start_terminated(StartupRequest& request,
                                             const route::Decision& decision) {
  Instant deadline = began_ + login_->snapshot->login_timeout;
  wire::MessageBuffer input(wire::kClientLoginRules, wire::kPasswordLengthMax);
  input.append(std::exchange(request.early, Secret()).reveal());
  ClientFacts client{.stream = client_,
                     .peer = peer_,
                     .startup = request.packet,
                     .is_unix = listener_->is_unix,
                     .decision = decision};
  Result<AuthenticatedClient> authenticated = co_await authenticate(
      client, input, *login_->snapshot, environment_, *login_->counts, deadline);
  if (!authenticated) co_return fail(std::move(authenticated.error()));
  // From here on an error is one of the session, not of the login: PostgreSQL shows it behind
  // AuthenticationOk.
  if (!authenticated->sasl_final.empty()) {
    wire::append_authentication_sasl_final(login_->before_error, authenticated->sasl_final);
  }
  wire::append_authentication_ok(login_->before_error);

  route::Facts facts = route_facts();
  std::string_view method = config::to_word(authenticated->method);
  if (Result<> allowed = hooks_->authenticated({.id = id_, .client = facts}, method); !allowed) {
    co_return allowed;
  }
  if (Result<> routed = check_decision(decision, facts); !routed) co_return routed;
  attribute_login(decision, true);
  if (Result<> entered = enter_route(decision, facts); !entered) co_return entered;

  auth::Credentials credentials =
      server_credentials(decision, *login_->snapshot, std::move(authenticated->credentials));
  bool pooled = decision.route->pool.mode != config::PoolMode::none &&
                request.packet.replication == wire::ReplicationMode::none;
  std::string early = input.take_rest();
  Start start{.decision = decision,
              .packet = request.packet,
              .credentials = std::move(credentials),
              .early = std::move(early),
              .method = method};
  if (!pooled) co_return co_await start_connected(std::move(start));
  Result<bool> started =
      co_await start_pooled(request.packet, decision, start.credentials, start.early, method);
  if (!started) co_return fail(std::move(started.error()));
  if (*started) co_return Result<>{};
  auto room = co_await take_place(pool_of(request.packet, decision, start.credentials),
                                  !start.early.empty());
  if (!room) co_return fail(std::move(room.error()));
  co_return co_await start_with_own(std::move(start), std::move(*room));
}

io::Task<Result<server::LoggedIn>> Session::log_in_to_server(Start& start, Instant& connect_began) {
  server::TlsAttempts tls;
  server::LoginContext context = login_context();
  context.tls_attempts = &tls;
  server::LoginRequest login{.credentials = std::move(start.credentials),
                             .parameters = server_parameters(start.packet, start.decision)};
  connect_began = environment_.loop.now();
  auto server = co_await while_client_stays(
      upstream::log_in(start.decision.upstream, context, login, environment_.process.resolver,
                       began_ + login_->snapshot->login_timeout),
      !start.early.empty());
  count_server_tls(start.decision, tls);
  if (!server) co_return fail(std::move(server.error()));
  if (!*server) co_return fail(refused_by_server(std::move(server->error())).error());
  co_return std::move(**server);
}

// With a server connection of its own.
io::Task<Result<>> Session::start_connected(Start start) {
  const route::Decision& decision = start.decision;
  upstream::ServerCount counted = environment_.count_server(decision.upstream->name());
  Instant connect_began;
  Result<server::LoggedIn> server = co_await log_in_to_server(start, connect_began);
  if (!server) co_return fail(std::move(server.error()));
  Connected& connected = connect_relay(decision, std::move(server->connection), std::move(counted),
                                       decision.route->inspect, connect_began);
  if (start.packet.replication != wire::ReplicationMode::none) connected.watch_idle(start.packet);
  connected.early->of_client = std::move(start.early);
  connected.early->of_server = std::move(server->early);
  std::string greeting = std::exchange(login_->before_error, {}) + server->greeting;
  co_return co_await open_session(std::move(greeting), start.packet, start.method);
}

// Of all servers that were tried, whatever became of the login.
void Session::count_server_tls(const route::Decision& decision, server::TlsAttempts attempts) {
  if (attempts.succeeded + attempts.failed == 0) return;
  auto group = environment_.process.metrics.group(
      policy::kPostgresStats, {decision.route->name, decision.upstream->name()});
  policy::PostgresStats stats(group->cells(environment_.worker));
  for (; attempts.succeeded > 0; --attempts.succeeded) stats.on_server_tls(true);
  for (; attempts.failed > 0; --attempts.failed) stats.on_server_tls(false);
}

// The client is shown the server's own words where there are some.
Result<> Session::refused_by_server(server::Refusal refusal) {
  server_response_ = std::move(refusal.response);
  return fail(std::move(refusal.error));
}

server::LoginContext Session::login_context() const {
  server::LoginContext context = environment_.login_context();
  context.message_bytes_max = login_->snapshot->max_message_bytes;  // of its own time
  if (login_->counts) context.tally = &login_->counts->from_servers;
  return context;
}

Session::Connected& Session::connect_relay(const route::Decision& decision,
                                           server::Connection connection,
                                           upstream::ServerCount counted, config::Inspect inspect,
                                           Instant connect_began) {
  auto connected = std::make_unique<Connected>(*this, decision, std::move(connection),
                                               std::move(counted), inspect);
  Connected& made = *connected;
  serving_ = std::move(connected);
  observe::record(serving_->cells() + RouteCells::kServerConnectSeconds, observe::kLatencyBuckets,
                  environment_.loop.now() - connect_began);
  return made;
}

// Sends the client the last of its login: a key of ours to cancel with, and ReadyForQuery.
io::Task<Result<>> Session::open_session(std::string greeting, const wire::StartupPacket& packet,
                                         std::string_view method) {
  CancelRegistry::Target target{.worker = environment_.worker, .session = id_};
  CancelRegistry& cancels = environment_.process.cancels;
  server::CancelKey key = cancels.issue(target, wire::negotiate(packet).long_cancel_key());
  serving_->own_key = cancels.place_of(key);
  wire::append_backend_key_data(greeting, key.process_id, key.secret);
  wire::append_ready_for_query(greeting, wire::TransactionStatus::idle);
  client_.wipe_plaintext(false);
  login_->counts->bytes_to_client += greeting.size();
  count_login();
  Instant deadline = began_ + login_->snapshot->login_timeout;
  if (co_await tls::send_all(client_, std::move(greeting), deadline) != 0)
    co_return fail(client_lost());

  record_login(method,
               client_.is_encrypted() ? policy::Encryption::terminated : policy::Encryption::none);
  co_return Result<>{};
}

void Session::count_handshake(const wire::StartupPacket& packet) {
  std::string protocol = std::to_string(packet.major) + "." +
                         (packet.minor > 3 ? "other" : std::to_string(packet.minor));
  environment_.metrics.count_handshake("protocol", protocol);
  if (!client_.is_encrypted()) return;
  environment_.metrics.count_handshake("sni", sni_.empty() ? "no" : "yes");
  environment_.metrics.count_handshake("alpn", client_.negotiated_alpn().empty() ? "no" : "yes");
}

// The session is open: what is counted and logged once.
void Session::record_login(std::string_view method, policy::Encryption encryption) {
  serving_->stats.on_session_start(encryption);
  Duration duration = environment_.loop.now() - began_;
  observe::record(serving_->cells() + RouteCells::kLoginSeconds, observe::kLatencyBuckets,
                  duration);
  if (!observe::log_enabled(observe::Level::info)) return;
  observe::log(observe::Level::info, "session opened",
               {{"session", id_},
                {"client", peer_.to_string()},
                {"user", user_},
                {"database", database_},
                {"application_name", application_name_},
                {"method", method},
                {"tls", client_.tls_version()},
                {"sni", sni_},
                {"route", serving_->use->route->name},
                {"upstream", serving_->use->upstream->name()},
                {"server", serving_->server_address()},
                {"login_ms", duration}});
}

}  // namespace trunkline::session
