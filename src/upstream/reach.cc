#include "upstream/reach.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

namespace trunkline::upstream {

namespace {

bool may_try_next(const server::Refusal& refusal) {
  // The detail of a server's own error is its SQLSTATE.
  return refusal.error.retry == Retry::safe || refusal.error.detail == sqlstate::kCannotConnectNow;
}

server::Refusal unresolved(std::string why) {
  return {{.reason = Reason::server_connect_failed,
           .side = Side::server,
           .retry = Retry::safe,
           .sqlstate = sqlstate::kCannotConnect,
           .message = std::move(why)}};
}

// Walks servers and addresses with `attempt(endpoint, connect_deadline)` until one answers.
template <typename Value, typename Attempt>
io::Task<std::expected<Value, server::Refusal>> try_in_order(UpstreamPtr upstream, io::Loop& loop,
                                                             Resolver& resolver,
                                                             Instant login_deadline,
                                                             Attempt attempt,
                                                             Pace pace = Pace::at_once) {
  server::Refusal last = unresolved("upstream \"" + upstream->name() + "\" has no server");
  for (const Server& server : upstream->servers()) {
    auto addresses = co_await resolver.resolve(loop, server.address, login_deadline);
    if (!addresses) {
      server.health->failed(loop.now(), addresses.error());
      last = unresolved(std::move(addresses.error()));
      if (loop.now() >= login_deadline) co_return std::unexpected(std::move(last));
      continue;
    }
    std::optional<LoginGate::Place> place;
    LoginGate* gate = pace == Pace::in_turn ? &server.health->logins() : nullptr;
    if (gate != nullptr) {
      auto entered = co_await gate->enter(loop, upstream->settings().max_logins, login_deadline);
      if (!entered) {
        last = std::move(entered.error());
        if (loop.now() >= login_deadline) co_return std::unexpected(std::move(last));
        continue;
      }
      place.emplace(std::move(*entered));
    }
    for (const io::SocketAddress& address : *addresses) {
      Instant connect_deadline = std::min(loop.now() + upstream->connect_timeout(), login_deadline);
      server::Endpoint endpoint{
          .address = address, .host = server.address.host, .tls = upstream->tls()};
      std::expected<Value, server::Refusal> result =
          co_await attempt(std::move(endpoint), connect_deadline);
      if (result || !may_try_next(result.error())) {
        server.health->answered(loop.now());
        if (gate != nullptr) gate->succeeded();
        co_return std::move(result);
      }
      server.health->failed(loop.now(), result.error().error.message);
      last = std::move(result.error());
      if (loop.now() >= login_deadline) break;
    }
    if (gate != nullptr) gate->failed(loop.now(), last);
    if (loop.now() >= login_deadline) co_return std::unexpected(std::move(last));
  }
  co_return std::unexpected(std::move(last));
}

}  // namespace

io::Task<std::expected<server::LoggedIn, server::Refusal>> log_in(
    UpstreamPtr upstream, const server::LoginContext& context, const server::LoginRequest& request,
    Resolver& resolver, Instant login_deadline, Pace pace) {
  auto attempt = [&](server::Endpoint endpoint, Instant connect_deadline) {
    return server::connect_and_log_in(context, std::move(endpoint), request, connect_deadline,
                                      login_deadline);
  };
  co_return co_await try_in_order<server::LoggedIn>(std::move(upstream), context.loop, resolver,
                                                    login_deadline, attempt, pace);
}

namespace {

io::Task<std::expected<Opened, server::Refusal>> open_one(const server::LoginContext& context,
                                                          server::Endpoint endpoint,
                                                          server::Encryption encryption,
                                                          Instant deadline) {
  Result<tls::Stream> stream = co_await server::open(
      context.loop, endpoint, encryption, context.handshakes, deadline, context.tls_attempts);
  if (!stream && encryption == server::Encryption::as_configured) {
    auto other = server::second_try(endpoint, {stream.error()}, false);
    if (other) {
      stream = co_await server::open(context.loop, endpoint, *other, context.handshakes, deadline,
                                     context.tls_attempts);
    }
  }
  if (!stream) co_return std::unexpected(server::Refusal{std::move(stream.error())});
  co_return Opened{std::move(*stream), std::move(endpoint)};
}

}  // namespace

io::Task<std::expected<Opened, server::Refusal>> open(UpstreamPtr upstream,
                                                      server::Encryption encryption,
                                                      const server::LoginContext& context,
                                                      Resolver& resolver, Instant login_deadline) {
  auto attempt = [&](server::Endpoint endpoint, Instant connect_deadline) {
    return open_one(context, std::move(endpoint), encryption, connect_deadline);
  };
  co_return co_await try_in_order<Opened>(std::move(upstream), context.loop, resolver,
                                          login_deadline, attempt);
}

namespace {

io::Task<std::expected<std::monostate, server::Refusal>> cancel_at(io::Loop& loop,
                                                                   server::Endpoint endpoint,
                                                                   server::CancelKey key,
                                                                   tls::HandshakeGate& gate,
                                                                   Instant deadline) {
  Result<> sent =
      co_await server::cancel(loop, std::move(endpoint), false, std::move(key), gate, deadline);
  if (!sent) co_return std::unexpected(server::Refusal{std::move(sent.error())});
  co_return std::monostate{};
}

}  // namespace

io::Task<Result<>> cancel(UpstreamPtr upstream, server::CancelKey key, io::Loop& loop,
                          tls::HandshakeGate& gate, Resolver& resolver, Instant deadline) {
  auto attempt = [&](server::Endpoint endpoint, Instant connect_deadline) {
    return cancel_at(loop, std::move(endpoint), key, gate, connect_deadline);
  };
  auto sent =
      co_await try_in_order<std::monostate>(std::move(upstream), loop, resolver, deadline, attempt);
  if (!sent) co_return fail(std::move(sent.error().error));
  co_return Result<>{};
}

}  // namespace trunkline::upstream
