#include "tls/handshake.h"

#include <cerrno>
#include <cstring>
#include <openssl/x509_vfy.h>

namespace trunkline::tls {

namespace {

Error handshake_error(Side side, std::string message) {
  bool client = side == Side::client;
  return {.reason = client ? Reason::client_tls_error : Reason::server_tls_error,
          .side = side,
          .retry = client ? Retry::never : Retry::safe,
          .sqlstate = client ? sqlstate::kProtocolViolation : sqlstate::kCannotConnect,
          .message = "TLS handshake failed: " + std::move(message)};
}

Error timeout_error(Side side) {
  Error error = handshake_error(side, "the peer did not answer in time");
  if (side == Side::client) error.reason = Reason::login_timeout;
  return error;
}

// What ended the handshake; a failed verification is told by its own cause, which the queue of
// errors does not hold.
std::string failure_text(const Layer& layer, int result) {
  if (result == -EPROTO) {
    // OpenSSL keeps a result of `require` too, which does not care.
    bool verifies = (SSL_get_verify_mode(layer.ssl()) & SSL_VERIFY_PEER) != 0;
    long verified = SSL_get_verify_result(layer.ssl());
    if (!verifies || verified == X509_V_OK) return layer.error_text();
    return std::string("certificate verify failed: ") + X509_verify_cert_error_string(verified);
  }
  if (result == -ECONNRESET) return "the peer closed the connection";
  return std::strerror(-result);
}

// Until what was encrypted has left. The error is a negative errno.
io::Task<int> drain(Stream& stream, Instant deadline) {
  while (stream.has_unsent()) {
    if (stream.socket().loop().now() >= deadline) co_return -ETIMEDOUT;
    co_await stream.socket().wait_writable(deadline);
    ssize_t flushed = stream.flush();
    if (flushed < 0 && flushed != -EAGAIN) co_return static_cast<int>(flushed);
  }
  co_return 0;
}

io::Task<Result<>> run_handshake(Stream& stream, HandshakeGate& gate, Instant deadline, Side side) {
  Layer& layer = *stream.layer();
  for (;;) {
    co_await gate.enter();
    if (stream.socket().loop().now() >= deadline) co_return fail(timeout_error(side));
    int result = layer.handshake(stream.socket());
    if (result != 0 && result != -EAGAIN) {
      co_return fail(handshake_error(side, failure_text(layer, result)));
    }
    int drained = co_await drain(stream, deadline);
    if (drained == -ETIMEDOUT) co_return fail(timeout_error(side));
    if (drained != 0) co_return fail(handshake_error(side, std::strerror(-drained)));
    if (result == 0) co_return Result<>{};
    if (!stream.readable()) co_await stream.socket().wait_readable(deadline);
  }
}

}  // namespace

io::Task<Result<>> accept_tls(Stream& stream, std::shared_ptr<const ClientContext> context,
                              std::string prefix, HandshakeGate& gate, Instant deadline) {
  SslPtr ssl = context->new_ssl();
  if (!ssl) co_return fail(handshake_error(Side::client, take_openssl_error()));
  stream.start_tls(std::move(ssl), std::move(prefix));
  co_return co_await run_handshake(stream, gate, deadline, Side::client);
}

io::Task<Result<>> connect_tls(Stream& stream, std::shared_ptr<const ServerContext> context,
                               std::string host, HandshakeGate& gate, Instant deadline) {
  SslPtr ssl = context->new_ssl(host);
  if (!ssl) co_return fail(handshake_error(Side::server, take_openssl_error()));
  stream.start_tls(std::move(ssl), "");
  Result<> result = co_await run_handshake(stream, gate, deadline, Side::server);
  if (!result) co_return result;
  co_return context->check(stream.layer()->ssl(), host);
}

}  // namespace trunkline::tls
