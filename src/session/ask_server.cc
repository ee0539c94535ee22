#include "session/ask_server.h"

#include <array>
#include <utility>

#include "session/ended_by.h"
#include "tls/stream_io.h"
#include "wire/builders.h"
#include "wire/message_buffer.h"
#include "wire/messages.h"
#include "wire/protocol.h"

namespace trunkline::session {

namespace type = wire::server_message;

namespace {

constexpr size_t kAnswerBytesMax = 64 * 1024;

server::Refusal lost() {
  return {*ended_by_server(Reason::server_closed)};
}

}  // namespace

void append_own_sync(std::string& request, pool::Connection& connection) {
  wire::append_sync(request);
  connection.queue.push(wire::Request::sync, 0, wire::ResponseQueue::kSwallow);
}

io::Task<std::expected<ServerAnswer, server::Refusal>> ask_server(pool::Connection& connection,
                                                                  std::string request,
                                                                  Instant deadline) {
  tls::Stream& stream = connection.server.stream;
  if (co_await tls::send_all(stream, std::move(request), deadline) != 0) {
    co_return std::unexpected(lost());
  }
  wire::MessageBuffer buffer(wire::kServerRules, kAnswerBytesMax);
  std::optional<server::Refusal> refusal;
  ServerAnswer answer;
  for (;;) {
    wire::MessageBuffer::Next next = buffer.next();
    if (next.kind == wire::MessageBuffer::Next::Kind::need_more) {
      std::array<char, 4096> chunk;
      ssize_t got = co_await tls::receive_some(stream, chunk, deadline);
      if (got <= 0) co_return std::unexpected(refusal ? std::move(*refusal) : lost());
      buffer.append({chunk.data(), static_cast<size_t>(got)});
      continue;
    }
    if (next.kind != wire::MessageBuffer::Next::Kind::message) co_return std::unexpected(lost());
    connection.queue.on_message(next.type, next.body);
    if (next.type == type::kParameterStatus) {
      auto status = wire::parse_parameter_status(next.body);
      if (status) connection.reported.set(status->name, status->value);
    } else if (next.type == type::kDataRow) {
      std::vector<std::string_view> columns = wire::row_of_text(next.body);
      answer.rows.emplace_back(columns.begin(), columns.end());
    } else if (next.type == type::kNoticeResponse) {
      wire::MessageBuilder(answer.notices, next.type).bytes(next.body);
    } else if (next.type == type::kErrorResponse && !refusal) {
      wire::ErrorFields fields(next.body);
      refusal = server::Refusal{{.reason = Reason::server_error,
                                 .side = Side::server,
                                 .sqlstate = sqlstate::kInvalidParameterValue,
                                 .message = std::string(fields.message()),
                                 .detail = std::string(fields.sqlstate())},
                                std::string(next.body)};
    }
    bool ready = next.type == type::kReadyForQuery;
    buffer.pop();
    if (ready) break;
  }
  if (refusal) co_return std::unexpected(std::move(*refusal));
  co_return answer;
}

}  // namespace trunkline::session
