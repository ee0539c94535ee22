#include "session/greeting.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "session/proxy_protocol.h"
#include "tls/handshake.h"
#include "tls/stream_io.h"
#include "wire/first_bytes.h"

namespace trunkline::session {

namespace {

Error silent(Reason reason, std::string detail) {
  return {.reason = reason,
          .side = Side::client,
          .sqlstate = sqlstate::kProtocolViolation,
          .message = "",
          .detail = std::move(detail)};
}

Error read_failed(ssize_t result) {
  if (result == -ETIMEDOUT)
    return silent(Reason::login_timeout, "no startup packet within login_timeout");
  if (result == 0) return silent(Reason::client_not_session, "closed before a startup packet");
  return silent(Reason::client_io_error, "lost before a startup packet");
}

// Reads what may be read and appends it to `pending`; 0 or what receive_some says.
io::Task<ssize_t> read_more(tls::Stream& client, std::string& pending, size_t bytes_max,
                            Instant deadline) {
  std::array<char, 4096> chunk;
  ssize_t got = co_await tls::receive_some(
      client, std::span(chunk).first(std::min(bytes_max, chunk.size())), deadline);
  if (got > 0) pending.append(chunk.data(), static_cast<size_t>(got));
  if (got > 0) wipe(chunk.data(), static_cast<size_t>(got));
  co_return got;
}

// The ClientHello of a client that is passed through, in `pending` as far as it has come.
io::Task<FirstRequest> read_client_hello(tls::Stream& client, std::string pending, bool direct,
                                         Instant deadline) {
  using Status = tls::ClientHelloParser::Status;
  tls::ClientHelloParser parser;
  Status status = parser.feed(pending);
  while (status == Status::need_more) {
    size_t seen = pending.size();
    ssize_t got = co_await read_more(client, pending, tls::kClientHelloBytesMax, deadline);
    if (got <= 0) co_return NoRequest{read_failed(got)};
    status = parser.feed(std::string_view(pending).substr(seen));
  }
  if (status != Status::done) {
    co_return NoRequest{silent(Reason::client_tls_error, "no readable TLS ClientHello")};
  }
  co_return PassthroughRequest{
      .hello = parser.hello(), .bytes = std::move(pending), .direct = direct};
}

// PostgreSQL 17, 54.2.11: whoever begins with TLS directly must name the protocol.
Result<> check_direct_tls(const tls::Stream& client) {
  if (client.negotiated_alpn() == tls::kAlpnPostgresql) return {};
  return fail(
      silent(Reason::client_tls_error,
             "received direct SSL connection request without ALPN protocol negotiation extension"));
}

class Greeter {
 public:
  Greeter(tls::Stream& client, const Listener& listener, Environment& environment, Instant deadline,
          std::string pending)
      : client_(client),
        listener_(listener),
        environment_(environment),
        deadline_(deadline),
        first_bytes_(offers_tls(listener)),
        pending_(std::move(pending)) {}

  io::Task<FirstRequest> run() {
    using Action = wire::FirstBytes::Action;
    for (;;) {
      wire::FirstBytes::Step step = first_bytes_.step(pending_);
      switch (step.action) {
        case Action::need_more: {
          ssize_t got =
              co_await read_more(client_, pending_, first_bytes_.max_read(pending_), deadline_);
          if (got <= 0) co_return NoRequest{read_failed(got)};
          break;
        }
        case Action::answer:
          pending_.erase(0, step.consumed);
          if (co_await tls::send_all(client_, std::string(1, step.reply), deadline_) < 0) {
            co_return NoRequest{silent(Reason::client_io_error, "lost before a startup packet")};
          }
          break;
        case Action::accept_tls:
        case Action::direct_tls: {
          if (listener_.tls_mode == config::ClientTlsMode::passthrough)
            co_return co_await pass_through(step);
          Result<> shaken = co_await accept_tls(step);
          if (!shaken) co_return NoRequest{std::move(shaken.error())};
          break;
        }
        case Action::startup: {
          Result<wire::StartupPacket> packet = wire::parse_startup(step.body);
          if (!packet) co_return NoRequest{std::move(packet.error())};
          Secret early(std::string_view(pending_).substr(step.consumed));
          wipe(pending_);
          co_return StartupRequest{std::move(*packet), step.consumed, std::move(early)};
        }
        case Action::cancel:
          co_return CancelRequest{step.cancel.process_id, std::string(step.cancel.key)};
        case Action::fatal:
          // PostgreSQL notices what was stuffed behind an encryption request when it has answered
          // it.
          if (step.reply != 0) {
            co_await tls::send_all(client_, std::string(1, step.reply), deadline_);
          }
          co_return NoRequest{std::move(step.error)};
        case Action::close:
          step.error.detail = std::exchange(step.error.message, "");
          co_return NoRequest{std::move(step.error)};
      }
    }
  }

  wire::FirstPacket first_packet() const { return first_bytes_.first_packet(); }

 private:
  // PostgreSQL has no TLS on unix sockets.
  static bool offers_tls(const Listener& listener) {
    return listener.tls_mode != config::ClientTlsMode::disable && !listener.is_unix;
  }

  io::Task<FirstRequest> pass_through(const wire::FirstBytes::Step& step) {
    bool direct = step.action == wire::FirstBytes::Action::direct_tls;
    if (!direct) {
      pending_.clear();
      if (co_await tls::send_all(client_, std::string(1, step.reply), deadline_) < 0) {
        co_return NoRequest{silent(Reason::client_io_error, "lost before TLS")};
      }
    }
    co_return co_await read_client_hello(client_, std::move(pending_), direct, deadline_);
  }

  io::Task<Result<>> accept_tls(const wire::FirstBytes::Step& step) {
    bool direct = step.action == wire::FirstBytes::Action::direct_tls;
    std::string replay(step.replay);
    pending_.clear();
    if (!direct && co_await tls::send_all(client_, std::string(1, step.reply), deadline_) < 0) {
      co_return fail(silent(Reason::client_io_error, "lost before TLS"));
    }
    Result<> shaken = co_await tls::accept_tls(client_, listener_.tls, std::move(replay),
                                               environment_.handshakes, deadline_);
    if (!shaken) {
      Error error = std::move(shaken.error());
      error.detail = std::exchange(error.message, "");  // there is no channel to tell the client
      co_return fail(std::move(error));
    }
    if (direct) {
      if (Result<> named = check_direct_tls(client_); !named)
        co_return fail(std::move(named.error()));
    }
    client_.wipe_plaintext(true);
    first_bytes_.tls_started();
    co_return {};
  }

  tls::Stream& client_;
  const Listener& listener_;
  Environment& environment_;
  const Instant deadline_;
  wire::FirstBytes first_bytes_;
  std::string pending_;  // read and not consumed
};

}  // namespace

io::Task<FirstRequest> greet(tls::Stream& client, io::SocketAddress& peer, const Listener& listener,
                             Environment& environment, Instant deadline) {
  std::string pending;
  if (listener.proxy_protocol.mode != config::ProxyProtocolMode::off) {
    Result<std::string> behind =
        co_await read_proxy_header(client, peer, listener.proxy_protocol, deadline);
    if (!behind) co_return NoRequest{std::move(behind.error())};
    pending = std::move(*behind);
  }
  Greeter greeter(client, listener, environment, deadline, std::move(pending));
  FirstRequest request = co_await greeter.run();
  environment.metrics.first_packets(greeter.first_packet()).add();
  co_return std::move(request);
}

}  // namespace trunkline::session
