#include "server/cancel.h"

#include <array>
#include <cerrno>
#include <utility>

#include "tls/stream_io.h"
#include "wire/builders.h"

namespace trunkline::server {

namespace {

Error unanswered(Reason reason, std::string message) {
  return {.reason = reason,
          .side = Side::server,
          .sqlstate = sqlstate::kConnectionFailure,
          .message = std::move(message)};
}

}  // namespace

io::Task<Result<>> cancel(io::Loop& loop, Endpoint endpoint, bool encrypted, CancelKey key,
                          tls::HandshakeGate& gate, Instant deadline) {
  Result<tls::Stream> stream =
      co_await open(loop, std::move(endpoint), encrypted ? Encryption::always : Encryption::never,
                    gate, deadline);
  if (!stream) co_return fail(std::move(stream.error()));
  std::string request;
  wire::append_cancel_request(request, key.process_id, key.secret);
  if (int sent = co_await tls::send_all(*stream, std::move(request), deadline); sent != 0) {
    co_return fail(unanswered(Reason::server_io_error, "could not send the cancel request"));
  }
  std::array<char, 64> ignored;
  ssize_t got = 0;
  do {
    got = co_await tls::receive_some(*stream, ignored, deadline);
  } while (got > 0);
  stream->close();
  // However else it ended, the server has.
  if (got != -ETIMEDOUT) co_return {};
  co_return fail(unanswered(Reason::server_unreachable,
                            "the server has not answered the cancel request in time"));
}

}  // namespace trunkline::server
