#include "server/connection.h"

#include <array>
#include <cerrno>
#include <cstring>

#include "tls/stream_io.h"
#include "wire/builders.h"
#include "wire/message_buffer.h"

namespace trunkline::server {

namespace {

Refusal lost(ssize_t result) {
  Error error{.reason = Reason::server_closed,
              .side = Side::server,
              .retry = Retry::safe,
              .sqlstate = sqlstate::kConnectionFailure,
              .message = "server closed the connection unexpectedly"};
  if (result == -ETIMEDOUT) {
    error.message = "timeout expired while logging in to the server";
  } else if (result < 0) {
    error.reason = Reason::server_io_error;
    error.message = std::strerror(static_cast<int>(-result));
  }
  return {std::move(error)};
}

Refusal broken(const wire::MessageBuffer::Next& next) {
  Error error{.reason = Reason::server_protocol_error,
              .side = Side::server,
              .sqlstate = sqlstate::kProtocolViolation,
              .message = "server broke the protocol during login"};
  if (next.kind == wire::MessageBuffer::Next::Kind::too_large) {
    error.message = "a message of the server during login is longer than \"max_message_size\"";
  }
  return {std::move(error)};
}

// The next whole message, or why there is none.
io::Task<std::expected<wire::MessageBuffer::Next, Refusal>> next_message(
    tls::Stream& stream, wire::MessageBuffer& buffer, Instant deadline) {
  using Kind = wire::MessageBuffer::Next::Kind;
  for (;;) {
    wire::MessageBuffer::Next next = buffer.next();
    if (next.kind == Kind::message) co_return next;
    if (next.kind != Kind::need_more) co_return std::unexpected(broken(next));
    std::array<char, 4096> chunk;
    ssize_t got = co_await tls::receive_some(stream, chunk, deadline);
    if (got <= 0) co_return std::unexpected(lost(got));
    buffer.append({chunk.data(), static_cast<size_t>(got)});
  }
}

io::Task<std::expected<LoggedIn, Refusal>> log_in(const LoginContext& context, tls::Stream stream,
                                                  Endpoint endpoint, const LoginRequest& request,
                                                  Instant deadline) {
  auth::ServerChannel channel{.endpoint_hash = stream.end_point_hash().value_or(""),
                              .channel_binding_required = request.channel_binding_required};
  Login login(request.credentials.clone(), std::move(channel), context.key_cache,
              request.parameters, context.tally);
  wire::MessageBuffer buffer(wire::kServerRules, context.message_bytes_max);
  Login::Step step = login.start();
  for (;;) {
    if (auto* send = std::get_if<Login::Send>(&step)) {
      int sent = co_await tls::send_all(stream, std::move(send->bytes), deadline);
      if (sent < 0 && sent != -EPIPE && sent != -ECONNRESET) co_return std::unexpected(lost(sent));
      // A server that has closed may have said why: that is read below.
    } else if (auto* derive = std::get_if<Login::Derive>(&step)) {
      auth::KeyDerivation done =
          co_await context.loop.offload([work = std::move(derive->work)]() mutable {
            work.run();
            return std::move(work);
          });
      step = login.on_derived(std::move(done));
      continue;
    } else if (std::holds_alternative<Login::Ready>(step)) {
      break;
    } else if (auto* refusal = std::get_if<Refusal>(&step)) {
      co_return std::unexpected(std::move(*refusal));
    }
    auto next = co_await next_message(stream, buffer, deadline);
    if (!next) co_return std::unexpected(std::move(next.error()));
    step = login.on_message(next->type, next->body, next->message);
    buffer.pop();
  }
  co_return LoggedIn{.connection = {.stream = std::move(stream),
                                    .endpoint = std::move(endpoint),
                                    .cancel_key = login.take_cancel_key()},
                     .greeting = login.take_greeting(),
                     .early = buffer.take_rest()};
}

struct Attempt {
  std::expected<LoggedIn, Refusal> result;
  bool encrypted = false;
};

io::Task<Attempt> attempt(const LoginContext& context, Endpoint endpoint, Encryption encryption,
                          const LoginRequest& request, Instant connect_deadline,
                          Instant login_deadline) {
  Result<tls::Stream> stream = co_await open(context.loop, endpoint, encryption, context.handshakes,
                                             connect_deadline, context.tls_attempts);
  if (!stream) co_return Attempt{std::unexpected(Refusal{std::move(stream.error())})};
  bool encrypted = stream->is_encrypted();
  co_return Attempt{
      co_await log_in(context, std::move(*stream), std::move(endpoint), request, login_deadline),
      encrypted};
}

}  // namespace

void close(Connection& connection, bool can_hear) {
  tls::Stream& stream = connection.stream;
  if (!stream.is_open()) return;
  std::string terminate;
  wire::append_terminate(terminate);
  iovec part{terminate.data(), terminate.size()};
  if (can_hear) stream.send({&part, 1});
  stream.close();
}

std::optional<Encryption> second_try(const Endpoint& endpoint, const Refusal& first,
                                     bool encrypted) {
  using Mode = config::ServerTlsMode;
  Mode mode = endpoint.tls->mode();
  if (endpoint.address.is_unix()) return std::nullopt;
  const Error& error = first.error;
  bool tls_failed = error.reason == Reason::server_tls_error;
  bool tls_refused = encrypted && error.detail == sqlstate::kInvalidAuthorization;
  if (mode == Mode::prefer && (tls_failed || tls_refused)) return Encryption::never;
  bool plain_refused =
      !encrypted && error.reason == Reason::server_auth_failed && !first.response.empty();
  if (mode == Mode::allow && plain_refused) return Encryption::always;
  return std::nullopt;
}

io::Task<std::expected<LoggedIn, Refusal>> connect_and_log_in(const LoginContext& context,
                                                              Endpoint endpoint,
                                                              const LoginRequest& request,
                                                              Instant connect_deadline,
                                                              Instant login_deadline) {
  Attempt first = co_await attempt(context, endpoint, Encryption::as_configured, request,
                                   connect_deadline, login_deadline);
  if (first.result) co_return std::move(first.result);
  Refusal& refusal = first.result.error();
  std::optional<Encryption> other = second_try(endpoint, refusal, first.encrypted);
  if (!other) co_return std::move(first.result);
  Attempt second = co_await attempt(context, std::move(endpoint), *other, request, connect_deadline,
                                    login_deadline);
  if (second.result || !(refusal.response.empty() || second.result.error().response.empty())) {
    co_return std::move(second.result);
  }
  co_return std::move(first.result);  // the cause
}

}  // namespace trunkline::server
