#include <algorithm>
#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "server/error_response.h"
#include "session/connected.h"
#include "session/server_parameters.h"
#include "session/session.h"
#include "session/while_client_stays.h"
#include "tls/stream_io.h"
#include "upstream/reach.h"
#include "wire/builders.h"
#include "wire/message_buffer.h"
#include "wire/messages.h"

// `auth: relay`: the client and the server do their own exchange, whatever method it is, and the
// proxy passes it through.
namespace trunkline::session {

namespace {

Error unavailable(std::string_view why, std::string hint) {
  return {.reason = Reason::relay_unavailable,
          .side = Side::internal,
          .sqlstate = sqlstate::kInvalidAuthorization,
          .message = fmt::format("\"auth: relay\" of this route cannot work here: {}", why),
          .hint = std::move(hint)};
}

Error broken(Side side) {
  bool client = side == Side::client;
  return {
      .reason = client ? Reason::client_protocol_error : Reason::server_protocol_error,
      .side = side,
      .sqlstate = sqlstate::kProtocolViolation,
      .message = client ? "expected password response" : "server broke the protocol during login"};
}

Error lost(Side side, ssize_t result) {
  bool client = side == Side::client;
  Error error{.reason = client ? Reason::client_closed : Reason::server_closed,
              .side = side,
              .message = ""};
  if (!client) {
    error.sqlstate = sqlstate::kConnectionFailure;
    error.message = "server closed the connection unexpectedly";
  }
  if (result == -ETIMEDOUT) {
    error.reason = Reason::login_timeout;
    error.sqlstate = sqlstate::kQueryCanceled;
    error.message = "canceling authentication due to timeout";
  }
  return error;
}

// The exchange in progress. Both directions are framed; only the few messages that matter are
// looked at.
class RelayedLogin {
 public:
  RelayedLogin(tls::Stream& client, tls::Stream& server, LoginCounts& counts,
               bool user_is_rewritten, size_t message_bytes_max)
      : client_(client),
        server_(server),
        counts_(counts),
        user_is_rewritten_(user_is_rewritten),
        from_client_(wire::kClientLoginRules, wire::kPasswordLengthMax),
        from_server_(wire::kServerRules, message_bytes_max) {}

  wire::MessageBuffer& from_client() { return from_client_; }
  wire::MessageBuffer& from_server() { return from_server_; }

  // Until ReadyForQuery, which stays in `to_client` with the parameters before it.
  io::Task<Result<>> run(io::Waiter& waiter, Instant deadline) {
    io::Timer timer(waiter, wake::kDeadline);
    timer.start(deadline);
    client_.socket().bind(waiter, kClientShift);
    server_.socket().bind(waiter, kServerShift);
    Result<> result = co_await exchange(waiter, deadline);
    client_.socket().unbind();
    server_.socket().unbind();
    waiter.clear(wake::kDeadline);
    co_return std::move(result);
  }

  // Before that, a login may be begun anew with another connection: the client does not notice.
  bool client_was_asked() const { return client_was_asked_; }

  std::string server_response;  // the server's refusal
  std::string parameters;       // ParameterStatus and notices, for the client
  server::CancelKey cancel_key;

 private:
  io::Task<Result<>> exchange(io::Waiter& waiter, Instant deadline) {
    for (;;) {
      if (Result<> taken = take_from_server(); !taken) co_return taken;
      if (Result<> taken = take_from_client(); !taken) co_return taken;
      counts_.bytes_to_client += to_client_.size();
      if (int sent = co_await tls::send_all(client_, std::exchange(to_client_, {}), deadline);
          sent != 0) {
        co_return fail(lost(Side::client, sent));
      }
      if (ready_) co_return Result<>{};
      if (int sent = co_await tls::send_all(server_, std::exchange(to_server_, Secret()), deadline);
          sent != 0) {
        co_return fail(lost(Side::server, sent));
      }
      // A client is listened to only while it owes an answer: what it sends ahead waits in its
      // socket, so that nothing can pile up here.
      bool client_is_ready = answer_owed_ && client_.readable();
      if (!answer_owed_ && client_.socket().hung_up() &&
          client_is_gone(client_, !from_client_.empty())) {
        co_return fail(lost(Side::client, 0));
      }
      if (!client_is_ready && !server_.readable()) {
        uint32_t wanted = wake::kServerReadable | wake::kDeadline | wake::kClientHangup;
        if (answer_owed_) wanted |= wake::kClientReadable;
        uint32_t woken = co_await waiter.wait(wanted);
        if ((woken & wake::kDeadline) != 0) co_return fail(lost(Side::client, -ETIMEDOUT));
        // A reset would be an event of its own.
        waiter.clear(wake::kClientHangup);
      }
      if (Result<> got = read(server_, from_server_, Side::server); !got) co_return got;
      if (!answer_owed_) continue;
      if (Result<> got = read(client_, from_client_, Side::client); !got) co_return got;
    }
  }

  static Result<> read(tls::Stream& stream, wire::MessageBuffer& buffer, Side side) {
    if (!stream.readable()) return {};
    std::array<char, 8192> chunk;
    ssize_t got = stream.recv(chunk);
    if (got == -EAGAIN) return {};
    if (got <= 0) return fail(lost(side, got));
    buffer.append({chunk.data(), static_cast<size_t>(got)});
    wipe(chunk.data(), static_cast<size_t>(got));
    return {};
  }

  Result<> take_from_server() {
    using Kind = wire::MessageBuffer::Next::Kind;
    while (!ready_) {
      wire::MessageBuffer::Next next = from_server_.next();
      if (next.kind == Kind::need_more) return {};
      if (next.kind != Kind::message) return fail(broken(Side::server));
      Result<> taken = on_server_message(next);
      if (!taken) return taken;
      from_server_.pop();
    }
    return {};
  }

  Result<> on_server_message(const wire::MessageBuffer::Next& next) {
    namespace from_server = wire::server_message;
    counts_.from_servers.add(next.type, next.body);
    bool last =
        next.type == from_server::kErrorResponse || next.type == from_server::kReadyForQuery;
    heard_bytes_ += last ? 0 : next.message.size();
    if (heard_bytes_ > server::Login::kGreetingBytesMax) return fail(broken(Side::server));
    switch (next.type) {
      case from_server::kAuthentication: {
        std::optional<wire::AuthenticationRequest> request = wire::parse_authentication(next.body);
        if (!request || authenticated_) return fail(broken(Side::server));
        if (request->code == wire::authentication::kMd5Password && user_is_rewritten_) {
          return fail(unavailable(
              "the server asks for md5, which depends on the user name, and the route rewrites it",
              "Give the route's \"login\" a password and set \"auth: terminate\", or use "
              "scram-sha-256."));
        }
        on_request(*request, next.message);
        return {};
      }
      case from_server::kErrorResponse:
        if (!wire::ErrorFields(next.body).get('M')) return fail(broken(Side::server));
        server_response = next.message;
        return fail(server::error_from_response(
            next.body, authenticated_ ? Reason::server_error : Reason::server_auth_failed));
      case from_server::kNegotiateProtocolVersion:
        return {};
      case from_server::kBackendKeyData: {
        std::optional<wire::BackendKeyData> key = wire::parse_backend_key_data(next.body);
        if (!key) return fail(broken(Side::server));
        cancel_key = {key->process_id, std::string(key->key)};
        return {};
      }
      case from_server::kParameterStatus:
      case from_server::kNoticeResponse:
        parameters += next.message;
        return {};
      case from_server::kReadyForQuery:
        if (!authenticated_ || !wire::parse_ready_for_query(next.body))
          return fail(broken(Side::server));
        ready_ = true;
        return {};
      default:
        return fail(broken(Side::server));
    }
  }

  void on_request(const wire::AuthenticationRequest& request, std::string_view message) {
    namespace code = wire::authentication;
    in_sasl_ = request.code == code::kSasl;
    authenticated_ |= request.code == code::kOk;
    answer_owed_ = request.code != code::kOk && request.code != code::kSaslFinal;
    client_was_asked_ |= answer_owed_;
    std::optional<std::vector<std::string_view>> offered;
    if (in_sasl_) offered = request.mechanisms();
    if (!offered) {
      to_client_ += message;
      return;
    }
    // Without TLS a client cannot bind to a channel, and libpq gives up when it is offered to.
    offers_plus_ = std::ranges::find(*offered, kPlus) != offered->end();
    if (!client_.is_encrypted()) std::erase(*offered, kPlus);
    wire::append_authentication_sasl(to_client_, *offered);
  }

  Result<> take_from_client() {
    using Kind = wire::MessageBuffer::Next::Kind;
    while (answer_owed_) {
      wire::MessageBuffer::Next next = from_client_.next();
      if (next.kind == Kind::need_more) return {};
      if (next.kind != Kind::message) return fail(broken(Side::client));
      counts_.on_client_message(next.message.size());
      if (std::exchange(in_sasl_, false)) {
        if (Result<> binding = check_binding(next.body); !binding) return binding;
      }
      to_server_ = Secret(next.message);
      answer_owed_ = false;
      from_client_.pop();
    }
    return {};
  }

  // With TLS on both sides the client binds its proof to our certificate, or claims that the server
  // did not offer to: the server then sees a man in the middle, which we are. Only with the
  // server's own certificate can it not tell.
  Result<> check_binding(std::string_view body) const {
    if (!client_.is_encrypted() || !server_.is_encrypted()) return {};
    ByteReader reader(body);
    std::string_view mechanism = reader.read_c_string().value_or("");
    std::string_view data = reader.read<uint32_t>() ? reader.rest() : "";
    bool binds = (data.starts_with('y') && offers_plus_) || data.starts_with('p');
    if (!mechanism.starts_with("SCRAM-") || !binds) return {};
    if (client_.end_point_hash() == server_.end_point_hash()) return {};
    return fail(
        unavailable("TLS ends here on both sides, so channel binding cannot reach the server",
                    "Set \"auth: terminate\" for the route, use the server's own certificate in "
                    "\"listen.tls\", or connect "
                    "with channel_binding=disable."));
  }

  tls::Stream& client_;
  tls::Stream& server_;
  LoginCounts& counts_;
  const bool user_is_rewritten_;
  wire::MessageBuffer from_client_;
  wire::MessageBuffer from_server_;
  std::string to_client_;
  Secret to_server_;  // one message of the client
  static constexpr std::string_view kPlus = "SCRAM-SHA-256-PLUS";

  size_t heard_bytes_ = 0;    // from the server
  bool answer_owed_ = false;  // the client's, to the server's last request
  bool client_was_asked_ = false;
  bool in_sasl_ = false;
  bool offers_plus_ = false;
  bool authenticated_ = false;
  bool ready_ = false;
};

}  // namespace

namespace {

std::string startup_message(const wire::StartupPacket& packet, const route::Decision& decision,
                            std::string_view user) {
  server::Login::Parameters parameters = server_parameters(packet, decision);
  std::vector<std::pair<std::string_view, std::string_view>> views = {{"user", user}};
  for (const auto& [name, value] : parameters) views.emplace_back(name, value);
  std::string message;
  wire::append_startup(message, wire::kProtocol30, views);
  return message;
}

}  // namespace

io::Task<Result<>> Session::start_relayed(StartupRequest& request,
                                          const route::Decision& decision) {
  route::Facts facts = route_facts();
  if (Result<> entered = enter_route(decision, facts); !entered) co_return entered;
  std::optional<server::Encryption> other;
  Result<> first =
      co_await try_relayed(request, decision, server::Encryption::as_configured, other);
  if (first || !other) co_return first;
  ShortString words = std::exchange(server_response_, {});
  Result<> second = co_await try_relayed(request, decision, *other, other);
  bool is_answer = second || !server_response_.empty() || second.error().side != Side::server;
  if (is_answer) co_return second;
  server_response_ = std::move(words);
  co_return first;  // the cause
}

// `other` is set when libpq would try once more, and the client has not been asked anything yet.
io::Task<Result<>> Session::try_relayed(StartupRequest& request, const route::Decision& decision,
                                        server::Encryption encryption,
                                        std::optional<server::Encryption>& other) {
  Instant deadline = began_ + login_->snapshot->login_timeout;
  server::TlsAttempts tls;
  server::LoginContext context = login_context();
  context.tls_attempts = &tls;
  // A stranger's name is counted under once there is a server of that name.
  std::optional<upstream::ServerCount> counted(
      environment_.count_server(decision.upstream->configured_name()));
  Instant connect_began = environment_.loop.now();
  auto reached =
      co_await while_client_stays(upstream::open(decision.upstream, encryption, context,
                                                 environment_.process.resolver, deadline),
                                  !request.early.reveal().empty());
  count_server_tls(decision, tls);
  if (!reached) co_return fail(std::move(reached.error()));
  auto& opened = *reached;
  if (!opened) {
    // Nobody has proven anything yet: where the servers are is not for everybody's eyes.
    Error& error = opened.error().error;
    error.detail = std::exchange(error.message, "could not connect to the server");
    co_return refused_by_server(std::move(opened.error()));
  }
  attribute_login(decision, true);
  counted.emplace(environment_.count_server(decision.upstream->name()));

  const std::string& user = decision.user ? *decision.user : request.packet.user;
  std::string startup = startup_message(request.packet, decision, user);
  if (int sent = co_await tls::send_all(opened->stream, std::move(startup), deadline); sent != 0) {
    co_return fail(lost(Side::server, sent));
  }
  RelayedLogin login(client_, opened->stream, *login_->counts, user != request.packet.user,
                     login_->snapshot->max_message_bytes);
  login.from_client().append(std::exchange(request.early, Secret()).reveal());
  Result<> done = co_await login.run(waiter_, deadline);
  if (!done) {
    server_response_ = std::move(login.server_response);
    if (!login.client_was_asked()) {
      other = server::second_try(opened->endpoint, {done.error(), std::string(server_response_)},
                                 opened->stream.is_encrypted());
    }
    std::string rest = login.from_client().take_rest();
    request.early = Secret(rest);
    wipe(rest);
    co_return done;
  }
  server::Connection connection{.stream = std::move(opened->stream),
                                .endpoint = std::move(opened->endpoint),
                                .cancel_key = std::move(login.cancel_key)};
  Connected& connected = connect_relay(decision, std::move(connection), std::move(*counted),
                                       decision.route->inspect, connect_began);
  connected.early->of_client = login.from_client().take_rest();
  connected.early->of_server = login.from_server().take_rest();
  co_return co_await open_session(std::move(login.parameters), request.packet, "relay");
}

}  // namespace trunkline::session
