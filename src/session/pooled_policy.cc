#include <algorithm>
#include <utility>

#include "session/pooled_machine.h"
#include "wire/builders.h"
#include "wire/messages.h"

// What a pool does not let its clients do, and how they are told.
namespace trunkline::session {

using sql::StatementKind;
using wire::Request;
using wire::TransactionStatus;

namespace {

Error block_error() {
  return {.reason = Reason::client_rejected,
          .side = Side::client,
          .sqlstate = sqlstate::kFeatureNotSupported,
          .message = "transaction blocks are not allowed in statement pooling mode",
          .hint = "With \"mode\" of the \"pool\" at \"transaction\" they are."};
}

}  // namespace

// Before anything of the text is sent.
std::optional<Error> PooledMachine::refusal_to_parse(const sql::TextFacts& facts) const {
  if (identity_.refuses_blocks && facts.has(StatementKind::begin)) return block_error();
  if (identity_.rejects.none() || facts.is_plain()) return std::nullopt;
  return refusal_of_state(foreseen_pins(facts));
}

std::optional<Error> PooledMachine::refusal_to_run(const sql::TextFacts& facts) {
  if (std::optional<Error> refused = refusal_to_parse(facts)) return refused;
  return may_pin(facts) ? refusal_of_place(foreseen_pins(facts)) : std::nullopt;
}

std::optional<Error> PooledMachine::refusal_of_long_text() {
  if (std::optional<Error> refused = refusal_of_state(Pin::long_statement)) return refused;
  return refusal_of_place(Pin::long_statement);
}

// Asked for each query, once; nullopt when it may go. Without a connection none is taken for a
// query that may not.
std::optional<PooledMachine::Verdict> PooledMachine::limit_queries(char message,
                                                                   std::string_view& input,
                                                                   Instant now, Pieces& out) {
  namespace type = wire::client_message;
  bool is_query =
      message == type::kQuery || message == type::kExecute || message == type::kFunctionCall;
  // In COPY mode nothing of it is understood, and behind an error all is skipped.
  bool is_lost = server_ != nullptr && (server_->queue.in_copy_in() || server_->queue.skips());
  if (!is_query || is_lost) return std::nullopt;
  if (!is_admitted_) {
    QueryLimit::Answer answer = query_limit_->ask(now);
    if (answer == QueryLimit::Answer::wait) return Verdict::too_soon;
    if (answer == QueryLimit::Answer::refuse) {
      Error error = query_limit_->error();
      if (server_ == nullptr) {
        refuse_next(error);
        return on_refused(message, input);
      }
      begin_unit(now, out);
      bool ends_with_ready = message != type::kExecute;
      return ends_with_ready ? refuse_query(error, input, out) : refuse_execute(error, input, out);
    }
  }
  is_admitted_ = true;  // it may yet have to wait for a connection, or for the listener
  return std::nullopt;
}

// The server is given something that fails instead, so that a transaction that is open fails as
// with any other error.
PooledMachine::Verdict PooledMachine::refuse_query(const Error& error, std::string_view& input,
                                                   Pieces& out) {
  std::string response;
  wire::append_error(response, error);
  let_fail(std::move(response), out);
  std::string sync;
  wire::append_sync(sync);
  out.add(scratch(sync));
  server_->queue.push(Request::sync, identity_.session);
  skip(input);
  return Verdict::go_on;
}

PooledMachine::Verdict PooledMachine::refuse_parse(const Error& error, std::string_view& input,
                                                   Pieces& out) {
  // A Parse that fails has dropped the unnamed one before it.
  if (reader_.front().body().starts_with('\0')) unnamed_ = nullptr;
  return refuse_execute(error, input, out);
}

PooledMachine::Verdict PooledMachine::refuse_execute(const Error& error, std::string_view& input,
                                                     Pieces& out) {
  std::string response;
  wire::append_error(response, error);
  let_fail(std::move(response), out);
  skip(input);
  return Verdict::go_on;
}

// A text that is not looked at has begun a block all the same: it is taken back. Who was told of an
// error already knows that it has come to nothing.
void PooledMachine::refuse_open_block(TransactionStatus status) {
  if (status != TransactionStatus::failed) wire::append_error(replacement_, block_error());
  wants_rollback_ = true;
  tally_.on_transaction_taken_back(now_);
}

}  // namespace trunkline::session
