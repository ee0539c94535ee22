#include "session/relay_machine.h"

#include <utility>

#include "wire/messages.h"
#include "wire/protocol.h"

namespace trunkline::session {

namespace from_client_type = wire::client_message;
namespace from_server_type = wire::server_message;

namespace {

std::string_view c_string(std::string_view body) {
  return body.substr(0, body.find('\0'));
}

void pass_on(std::string_view& input, Outbox& out, size_t bytes) {
  out.add(input.substr(0, bytes));
  input.remove_prefix(bytes);
}

}  // namespace

RelayMachine::RelayMachine(config::Inspect inspect, RelayCounters counters, RelayEvents* events)
    : decodes_(inspect != config::Inspect::bytes),
      stats_(counters.postgres),
      cells_(counters.route),
      worker_requests_(counters.worker_requests),
      server_(counters.server),
      events_(events) {
  server_.enter(decodes_ ? ServerState::idle : ServerState::opaque);
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
  if (messages > 0) stats_.on_client_messages(messages);
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
  if (messages > 0) stats_.on_server_messages(messages);
  return verdict;
}

void RelayMachine::on_client_message(wire::Header header, Instant now) {
  std::optional<wire::Request> request = wire::request_of(header);
  if (!request) return;
  if (queue_.empty()) {
    if (queue_.idle()) server_.enter(ServerState::active);
    exchange_started_ = now;
    if (!stats_.in_transaction()) transaction_started_ = now;
  }
  queue_.push(*request, 0);
}

void RelayMachine::on_server_message(char type, std::string_view prefix, Instant now) {
  // Rows are most of all traffic and change nothing.
  if (type == from_server_type::kDataRow || type == from_server_type::kCopyData) return;
  wire::ResponseQueue::Attribution answer = queue_.on_message(type, prefix);
  switch (type) {
    case from_server_type::kReadyForQuery:
      on_ready_for_query(answer.status, now);
      break;
    case from_server_type::kErrorResponse: {
      wire::Severity severity = wire::ErrorFields(prefix).severity();
      server_said_fatal_ |= severity == wire::Severity::fatal || severity == wire::Severity::panic;
      stats_.on_error(severity);
      break;
    }
    case from_server_type::kNoticeResponse:
      stats_.on_notice(wire::ErrorFields(prefix).severity());
      break;
    case from_server_type::kCopyBothResponse:
      copying_both_ = true;
      break;
    // Something ran, and no tag says what. The server has begun a transaction for it, and will end
    // it.
    case from_server_type::kParseComplete:
    case from_server_type::kBindComplete:
    case from_server_type::kEmptyQueryResponse:
    case from_server_type::kPortalSuspended:
    case from_server_type::kFunctionCallResponse:
      stats_.on_untagged_result();
      break;
    case from_server_type::kCommandComplete:
      copying_both_ = false;
      on_command_complete(c_string(prefix), now);
      break;
    default:
      break;
  }
}

void RelayMachine::on_command_complete(std::string_view tag, Instant now) {
  policy::CommandKind command = wire::command_kind(tag);
  if (events_ != nullptr) [[unlikely]]
    events_->on_command_complete(command, tag);
  on_transactions_ended(stats_.on_command_complete(command), now);
}

void RelayMachine::on_ready_for_query(wire::TransactionStatus status, Instant now) {
  worker_requests_.add();
  observe::record(cells_ + RouteCells::kQuerySeconds, observe::kLatencyBuckets,
                  now - exchange_started_);
  exchange_started_ = now;  // of the next in the pipeline
  if (queue_.idle()) server_.enter(ServerState::idle);
  on_transactions_ended(stats_.on_ready_for_query(status), now);
}

void RelayMachine::on_transactions_ended(policy::TransactionsEnded ended, Instant now) {
  if (!ended) return;
  observe::record(cells_ + RouteCells::kTransactionSeconds, observe::kLatencyBuckets,
                  now - transaction_started_);
  transaction_started_ = now;
  if (events_ != nullptr) [[unlikely]]
    events_->on_transaction_end(ended);
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
  if (scanner.violation() == wire::Violation::unknown_type) stats_.on_unknown_message();
  return Verdict::violation;
}

}  // namespace trunkline::session
