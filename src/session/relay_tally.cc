#include "session/relay_tally.h"

#include "wire/messages.h"

namespace trunkline::session {

namespace from_server_type = wire::server_message;

namespace {

std::string_view c_string(std::string_view body) {
  return body.substr(0, body.find('\0'));
}

}  // namespace

void RelayTally::on_server_message(char type, std::string_view prefix,
                                   wire::TransactionStatus status, Instant now) {
  switch (type) {
    case from_server_type::kReadyForQuery:
      on_ready_for_query(status, now);
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
      on_command_complete(c_string(prefix), now);
      break;
    default:
      break;
  }
}

void RelayTally::on_command_complete(std::string_view tag, Instant now) {
  policy::CommandKind command = wire::command_kind(tag);
  if (events_ != nullptr) [[unlikely]]
    events_->on_command_complete(command, tag);
  on_transactions_ended(stats_.on_command_complete(command), now);
}

void RelayTally::on_ready_for_query(wire::TransactionStatus status, Instant now) {
  worker_requests_.add();
  observe::record(cells_ + RouteCells::kQuerySeconds, observe::kLatencyBuckets,
                  now - exchange_started_);
  exchange_started_ = now;  // of the next in the pipeline
  on_transactions_ended(stats_.on_ready_for_query(status), now);
}

void RelayTally::on_transactions_ended(policy::TransactionsEnded ended, Instant now) {
  if (!ended) return;
  observe::record(cells_ + RouteCells::kTransactionSeconds, observe::kLatencyBuckets,
                  now - transaction_started_);
  transaction_started_ = now;
  if (events_ != nullptr) [[unlikely]]
    events_->on_transaction_end(ended);
}

}  // namespace trunkline::session
