#include "server/cancel.h"

#include <array>
#include <utility>

#include "tls/stream_io.h"
#include "wire/builders.h"

namespace trunkline::server {

io::Task<Result<>> cancel(io::Loop& loop, Endpoint endpoint, bool encrypted, CancelKey key,
                          tls::HandshakeGate& gate, Instant deadline) {
  Result<tls::Stream> stream =
      co_await open(loop, std::move(endpoint), encrypted ? Encryption::always : Encryption::never,
                    gate, deadline);
  if (!stream) co_return fail(std::move(stream.error()));
  std::string request;
  wire::append_cancel_request(request, key.process_id, key.secret);
  if (int sent = co_await tls::send_all(*stream, std::move(request), deadline); sent != 0) {
    co_return fail({.reason = Reason::server_io_error,
                    .side = Side::server,
                    .retry = Retry::safe,
                    .sqlstate = sqlstate::kConnectionFailure,
                    .message = "could not send the cancel request"});
  }
  std::array<char, 64> ignored;
  while (co_await tls::receive_some(*stream, ignored, deadline) > 0) {
  }
  stream->close();
  co_return {};
}

}  // namespace trunkline::server
