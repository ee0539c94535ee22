#include "session/relay_machine.h"

#include <utility>

#include "wire/messages.h"
#include "wire/protocol.h"

namespace trunkline::session {

namespace from_client_type = wire::client_message;
namespace from_server_type = wire::server_message;

namespace {

void pass_on(std::string_view& input, Outbox& out, size_t bytes) {
  out.add(input.substr(0, bytes));
  input.remove_prefix(bytes);
}

}  // namespace

RelayMachine::RelayMachine(config::Inspect inspect, RelayCounters counters,
                           upstream::ServerCount& server, RelayEvents* events)
    : decodes_(inspect != config::Inspect::bytes), server_(server), tally_(counters, events) {
  server_.enter(decodes_ ? upstream::ServerState::idle : upstream::ServerState::opaque);
}

RelayMachine::Verdict RelayMachine::from_client(std::string_view& input, Instant now, Outbox& out) {
  if (!decodes_) {
    out.add(std::exchange(input, {}));
    return Verdict::go_on;
  }
  uint64_t messages = 0;
  Verdict verdict = Verdict::go_on;
  while (verdict == Verdict::go_on) {
    pass_on(input, out, client_scanner_.whole_messages(input, [&](wire::Header header, auto) {
      if (queue_.full() || header.type == from_client_type::kTerminate) return false;
      ++messages;
      on_client_message(header, now);
      return true;
    }));
    if (input.empty()) break;
    if (full()) {
      ask_for_answers(out);
      verdict = Verdict::full;
      break;
    }
    wire::Piece piece = client_scanner_.next(input);
    if (piece.kind == wire::Piece::Kind::violation) {
      verdict = refuse(wire::Direction::from_client, piece);
      if (!violation_->message.empty()) ask_for_answers(out);
      break;
    }
    out.add(piece.carried);
    out.add(piece.bytes);
    input.remove_prefix(piece.consumed);
    if (piece.kind == wire::Piece::Kind::message) {
      ++messages;
      on_client_message(piece.header, now);
      if (piece.header.type == from_client_type::kTerminate) verdict = Verdict::terminate;
    }
  }
  if (messages > 0) tally_.on_client_messages(messages);
  return verdict;
}

RelayMachine::Verdict RelayMachine::from_server(std::string_view& input, Instant now, Outbox& out) {
  if (!decodes_) {
    out.add(std::exchange(input, {}));
    return Verdict::go_on;
  }
  uint64_t messages = 0;
  Verdict verdict = Verdict::go_on;
  for (;;) {
    pass_on(input, out, server_scanner_.whole_messages(input, [&](auto header, auto body) {
      ++messages;
      on_server_message(header.type, body, now);
      return true;
    }));
    if (input.empty()) break;
    wire::Piece piece = server_scanner_.next(input);
    if (piece.kind == wire::Piece::Kind::violation) {
      verdict = refuse(wire::Direction::from_server, piece);
      break;
    }
    out.add(piece.carried);
    out.add(piece.bytes);
    input.remove_prefix(piece.consumed);
    if (piece.kind == wire::Piece::Kind::message) {
      ++messages;
      on_server_message(piece.header.type, piece.prefix, now);
    }
  }
  if (messages > 0) tally_.on_server_messages(messages);
  return verdict;
}

void RelayMachine::on_client_message(wire::Header header, Instant now) {
  std::optional<wire::Request> request = wire::request_of(header);
  if (!request) return;
  if (queue_.empty()) {
    if (queue_.idle()) server_.enter(upstream::ServerState::active);
    tally_.on_exchange(now);
  }
  queue_.push(*request, 0);
}

void RelayMachine::on_server_message(char type, std::string_view prefix, Instant now) {
  // Rows are most of all traffic and change nothing.
  if (type == from_server_type::kDataRow || type == from_server_type::kCopyData) return;
  wire::ResponseQueue::Attribution answer = queue_.on_message(type, prefix);
  switch (type) {
    case from_server_type::kReadyForQuery:
      if (queue_.idle()) server_.enter(upstream::ServerState::idle);
      break;
    case from_server_type::kCopyBothResponse:
      copying_both_ = true;
      break;
    case from_server_type::kCommandComplete:
      copying_both_ = false;
      break;
    default:
      break;
  }
  tally_.on_server_message(type, prefix, answer.status, now);
}

bool RelayMachine::between_transactions() const {
  return decodes_ && queue_.idle() && client_scanner_.at_boundary() &&
         server_scanner_.at_boundary();
}

// The server may keep its answers back until Flush or Sync (documentation 54.2.3), which will not
// come while the client is not listened to. Where answers are due at once Flush does nothing.
void RelayMachine::ask_for_answers(Outbox& out) const {
  static constexpr std::string_view kFlush("H\0\0\0\4", 5);
  out.add(kFlush);
}

RelayMachine::Verdict RelayMachine::refuse(wire::Direction direction, const wire::Piece& piece) {
  auto& scanner = direction == wire::Direction::from_client ? client_scanner_ : server_scanner_;
  violation_ = std::make_unique<Error>(
      wire::violation_error(direction, scanner.violation(), piece.header.type));
  // PostgreSQL closes without a word when a length cannot be: nothing can be known to follow.
  if (wire::is_silent(scanner.violation())) violation_->message.clear();
  if (scanner.violation() == wire::Violation::unknown_type) tally_.on_unknown_message();
  return Verdict::violation;
}

}  // namespace trunkline::session
