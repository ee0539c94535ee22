#include "server/endpoint.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "io/socket.h"
#include "tls/handshake.h"
#include "tls/stream_io.h"
#include "wire/builders.h"

namespace trunkline::server {

namespace {

Error open_error(Reason reason, const Endpoint& endpoint, std::string_view what) {
  return {.reason = reason,
          .side = Side::server,
          .retry = Retry::safe,
          .sqlstate = sqlstate::kCannotConnect,
          .message = "connection to server at \"" + endpoint.address.to_string() +
                     "\" failed: " + std::string(what)};
}

Error lost(const Endpoint& endpoint, ssize_t result) {
  if (result == 0)
    return open_error(Reason::server_closed, endpoint, "server closed the connection unexpectedly");
  if (result == -ETIMEDOUT)
    return open_error(Reason::server_connect_failed, endpoint, "timeout expired");
  return open_error(Reason::server_io_error, endpoint, std::strerror(static_cast<int>(-result)));
}

// Sends SSLRequest and reads exactly one byte: what a man in the middle puts behind it must not be
// taken for the server's (CVE-2021-23222). True when the server goes on with TLS.
io::Task<Result<bool>> request_tls(tls::Stream& stream, const Endpoint& endpoint,
                                   Instant deadline) {
  std::string request;
  wire::append_ssl_request(request);
  if (int sent = co_await tls::send_all(stream, std::move(request), deadline); sent < 0) {
    co_return fail(lost(endpoint, sent));
  }
  char reply;
  ssize_t got = co_await tls::receive_some(stream, {&reply, 1}, deadline);
  if (got <= 0) co_return fail(lost(endpoint, got));
  if (reply == wire::kTlsYes) co_return true;
  if (reply == wire::kEncryptionNo) co_return false;
  // The text of an error here is unauthenticated: it is not shown (CVE-2024-10977).
  co_return fail(open_error(Reason::server_tls_error, endpoint,
                            reply == 'E' ? "server sent an error response during SSL exchange"
                                         : "received invalid response to SSL negotiation"));
}

Error no_tls(const Endpoint& endpoint, Encryption encryption) {
  if (encryption == Encryption::of_client) {
    return open_error(Reason::server_tls_error, endpoint,
                      "server does not support SSL, which passthrough needs");
  }
  Error error = open_error(Reason::server_tls_error, endpoint,
                           "server does not support SSL, but SSL was required");
  error.hint =
      "Set the upstream's \"tls.mode\" to \"prefer\" or \"disable\", or turn on ssl at the server.";
  return error;
}

// Puts TLS on a fresh connection. False: the server has none, and that is all right.
io::Task<Result<bool>> encrypt(tls::Stream& stream, const Endpoint& endpoint, Encryption encryption,
                               tls::HandshakeGate& gate, Instant deadline) {
  using config::TlsNegotiation;
  bool of_client = encryption == Encryption::of_client;
  if (of_client || endpoint.tls->negotiation() == TlsNegotiation::starttls) {
    Result<bool> agreed = co_await request_tls(stream, endpoint, deadline);
    if (!agreed) co_return agreed;
    bool optional = encryption == Encryption::as_configured &&
                    endpoint.tls->mode() < config::ServerTlsMode::require;
    if (!*agreed && !optional) co_return fail(no_tls(endpoint, encryption));
    if (!*agreed || of_client) co_return agreed;
  }
  Result<> shaken = co_await tls::connect_tls(stream, endpoint.tls, endpoint.host, gate, deadline);
  if (shaken) co_return true;
  Error error = std::move(shaken.error());
  error.message =
      "connection to server at \"" + endpoint.address.to_string() + "\" failed: " + error.message;
  co_return fail(std::move(error));
}

bool wants_tls(const Endpoint& endpoint, Encryption encryption) {
  switch (encryption) {
    case Encryption::never:
      return false;
    case Encryption::of_client:
      return true;  // a unix socket answers no
    case Encryption::always:
      return !endpoint.address.is_unix();
    case Encryption::as_configured:
      return !endpoint.address.is_unix() && endpoint.tls->mode() >= config::ServerTlsMode::prefer;
  }
  std::unreachable();
}

}  // namespace

io::Task<Result<tls::Stream>> open(io::Loop& loop, Endpoint endpoint, Encryption encryption,
                                   tls::HandshakeGate& gate, Instant deadline,
                                   TlsAttempts* attempts) {
  std::expected<io::Socket, int> socket = co_await io::connect(loop, endpoint.address, deadline);
  if (!socket) {
    co_return fail(open_error(
        Reason::server_connect_failed, endpoint,
        socket.error() == -ETIMEDOUT ? "timeout expired" : std::strerror(-socket.error())));
  }
  tls::Stream stream(std::move(*socket));
  if (!wants_tls(endpoint, encryption)) co_return std::move(stream);
  Result<bool> encrypted = co_await encrypt(stream, endpoint, encryption, gate, deadline);
  if (attempts != nullptr && encryption != Encryption::of_client) {
    ++(encrypted && *encrypted ? attempts->succeeded : attempts->failed);
  }
  if (!encrypted) co_return fail(std::move(encrypted.error()));
  co_return std::move(stream);
}

}  // namespace trunkline::server
