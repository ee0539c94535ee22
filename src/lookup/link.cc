#include "lookup/link.h"

#include <array>
#include <cerrno>
#include <utility>

#include "auth/scram.h"
#include "server/cancel.h"
#include "tls/stream_io.h"
#include "wire/message_buffer.h"
#include "wire/messages.h"

namespace trunkline::lookup {

namespace {

// Of a server's message: a row with the longest password there can be has half of it.
constexpr size_t kMessageBytesMax = 128 * 1024;
constexpr Duration kCancelMax = 5s;

}  // namespace

io::Task<std::expected<std::unique_ptr<Link>, server::Refusal>> Link::open(
    Context context, upstream::UpstreamPtr upstream,
    std::shared_ptr<const config::AuthQuery> settings, std::string database, Instant deadline) {
  server::LoginContext login{.loop = context.loop,
                             .handshakes = context.handshakes,
                             .key_cache = context.key_cache,
                             .message_bytes_max = kMessageBytesMax};
  server::LoginRequest request{
      .credentials = {.user = settings->user},
      .parameters = {{"database", database}, {"application_name", "trunkline auth_query"}}};
  if (settings->password) request.credentials.password = settings->password->clone();
  upstream::ServerCount count(
      context.metrics.group(upstream::kServerConnections, {upstream->name()}), context.worker);
  auto server = co_await upstream::log_in(upstream, login, request, context.resolver, deadline);
  if (!server) co_return std::unexpected(std::move(server.error()));
  std::unique_ptr<Link> link(
      new Link(std::move(server->connection), std::move(database), std::move(count)));
  link->connection_.stream.wipe_plaintext(true);
  link->hear_greeting(server->greeting);
  link->count_.enter(upstream::ServerState::active);
  co_return link;
}

void Link::hear_greeting(std::string_view greeting) {
  wire::MessageBuffer messages(wire::kServerRules, greeting.size());
  messages.append(greeting);
  for (;;) {
    wire::MessageBuffer::Next next = messages.next();
    if (next.kind != wire::MessageBuffer::Next::Kind::message) return;
    auto status = next.type == wire::server_message::kParameterStatus
                      ? wire::parse_parameter_status(next.body)
                      : std::nullopt;
    if (status && status->name == "scram_iterations") {
      scram_iterations_ = auth::parse_scram_iterations(status->value);
    }
    messages.pop();
  }
}

io::Task<Link::End> Link::ask(std::string query, std::string user, Answer& answer,
                              Instant deadline) {
  tls::Stream& stream = connection_.stream;
  int sent = co_await tls::send_all(stream, query_for(query, user), deadline);
  // A server that has closed may have said why, and that is as good as nothing.
  if (sent != 0) co_return sent == -ETIMEDOUT ? End::timed_out : End::lost;
  wire::MessageBuffer buffer(wire::kServerRules, kMessageBytesMax);
  for (;;) {
    wire::MessageBuffer::Next next = buffer.next();
    if (next.kind == wire::MessageBuffer::Next::Kind::need_more) {
      std::array<char, 4096> chunk;
      ssize_t got = co_await tls::receive_some(stream, chunk, deadline);
      if (got <= 0) co_return got == -ETIMEDOUT ? End::timed_out : End::lost;
      buffer.append({chunk.data(), static_cast<size_t>(got)});
      wipe(chunk.data(), chunk.size());
      continue;
    }
    if (next.kind != wire::MessageBuffer::Next::Kind::message) co_return End::lost;
    Answer::Step step = answer.on_message(next.type, next.body);
    buffer.pop();
    if (step == Answer::Step::broken) co_return End::broken;
    if (step == Answer::Step::complete) co_return buffer.empty() ? End::complete : End::broken;
  }
}

io::Task<> Link::give_up(Context context) {
  bool encrypted = connection_.stream.is_encrypted();
  // Not known to work, and nothing depends on it.
  (void)co_await server::cancel(context.loop, connection_.endpoint, encrypted,
                                connection_.cancel_key, context.handshakes,
                                context.loop.now() + kCancelMax);
  close(true);
}

bool Link::pack(Instant now) {
  if (!connection_.stream.is_idle()) return false;
  count_.enter(upstream::ServerState::idle);
  idle_since_ = now;
  parcel_.emplace(std::move(connection_.stream).detach());
  return true;
}

void Link::unpack(const Context& context) {
  connection_.stream = tls::Stream(context.loop, std::move(*parcel_));
  parcel_.reset();
  count_.go_on(context.worker);
  count_.enter(upstream::ServerState::active);
}

}  // namespace trunkline::lookup
