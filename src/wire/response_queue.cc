#include "wire/response_queue.h"

#include <cassert>
#include <utility>

namespace trunkline::wire {
namespace {

bool is_extended(Request request) {
  switch (request) {
    case Request::parse:
    case Request::bind:
    case Request::describe:
    case Request::execute:
    case Request::close:
    case Request::bad_flush:
      return true;
    default:
      return false;
  }
}

bool ends_with_ready(Request request) {
  return request == Request::query || request == Request::function_call || request == Request::sync;
}

bool runs_statements(Request request) {
  return request == Request::query || request == Request::execute;
}

enum class Fit : uint8_t { unexpected, part, last };

// Whether a message may answer a request, and ends the answer. ErrorResponse, ReadyForQuery and
// what comes at any time are treated before.
Fit fit(char type, Request request) {
  auto last_of = [&](Request wanted) { return request == wanted ? Fit::last : Fit::unexpected; };
  // A simple Query goes on to its ReadyForQuery, over any number of statements.
  auto ends_statement = [&] {
    return request == Request::query ? Fit::part : last_of(Request::execute);
  };
  auto within_statement = [&] { return runs_statements(request) ? Fit::part : Fit::unexpected; };
  switch (type) {
    case server_message::kParseComplete:
      return last_of(Request::parse);
    case server_message::kBindComplete:
      return last_of(Request::bind);
    case server_message::kCloseComplete:
      return last_of(Request::close);
    case server_message::kParameterDescription:
      return request == Request::describe ? Fit::part : Fit::unexpected;
    case server_message::kNoData:
      return last_of(Request::describe);
    case server_message::kRowDescription:
      return request == Request::query ? Fit::part : last_of(Request::describe);
    case server_message::kDataRow:
    case server_message::kCopyInResponse:
    case server_message::kCopyOutResponse:
    case server_message::kCopyBothResponse:
    case server_message::kCopyData:
    case server_message::kCopyDone:
      return within_statement();
    case server_message::kCommandComplete:
    case server_message::kEmptyQueryResponse:
      return ends_statement();
    case server_message::kPortalSuspended:
      return last_of(Request::execute);
    case server_message::kFunctionCallResponse:
      return request == Request::function_call ? Fit::part : Fit::unexpected;
    default:
      return Fit::unexpected;
  }
}

bool is_asynchronous(char type) {
  return type == server_message::kNoticeResponse || type == server_message::kParameterStatus ||
         type == server_message::kNotificationResponse;
}

}  // namespace

std::optional<Request> request_of(Header header) {
  switch (header.type) {
    case client_message::kQuery:
      return Request::query;
    case client_message::kFunctionCall:
      return Request::function_call;
    case client_message::kParse:
      return Request::parse;
    case client_message::kBind:
      return Request::bind;
    case client_message::kDescribe:
      return Request::describe;
    case client_message::kExecute:
      return Request::execute;
    case client_message::kClose:
      return Request::close;
    case client_message::kSync:
      return Request::sync;
    case client_message::kCopyDone:
    case client_message::kCopyFail:
      return Request::copy_end;
    case client_message::kFlush:
      if (header.body_bytes() != 0) return Request::bad_flush;
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

bool ResponseQueue::push(Request request, Owner owner, uint8_t flags) {
  bool by_proxy = (flags & kByProxy) != 0;
  if (copying_in_ && !by_proxy) {
    if (request == Request::copy_end) {
      copying_in_ = false;
      return false;
    }
    // Documentation 54.2.6: the server ignores Flush and Sync in COPY IN mode.
    if (request == Request::bad_flush) return false;
    if (request == Request::sync) {
      ++ignored_syncs_;
      return false;
    }
  }
  if (request == Request::sync && !by_proxy) {
    skipping_ = unsynced_ = false;
  } else if (skipping_) {
    return false;
  }
  // Outside COPY the server ignores CopyDone; whether one comes is known only for what is queued.
  if (request == Request::copy_end && empty()) return false;
  if (is_extended(request) && !by_proxy) unsynced_ = true;
  append({.request = request, .flags = flags, .owner = owner});
  return true;
}

ResponseQueue::Attribution ResponseQueue::on_message(char type, std::string_view prefix) {
  Attribution result;
  if (!empty()) result.entry = run(0).entry;
  if (is_asynchronous(type)) return result;
  if (type == server_message::kReadyForQuery) {
    on_ready(prefix, result);
    return result;
  }
  // The server answers in order: a Sync that is still unanswered was ignored.
  stray_syncs_ = 0;
  if (type == server_message::kErrorResponse) {
    on_error(result);
    return result;
  }

  Fit fits = fit(type, result.entry.request);
  if (fits == Fit::unexpected || (result.entry.flags & kByProxy) != 0) {
    result.expected = false;
    return result;
  }
  head_started_ = true;
  if (type == server_message::kCopyInResponse) begin_copy_in();
  if (type == server_message::kCommandComplete) {
    result.tag = parse_command_tag(prefix);
    worked_ = true;
    head_copies_in_ = false;
    ignored_syncs_ = 0;
    if (result.tag.kind == CommandKind::commit || result.tag.kind == CommandKind::rollback) {
      last_ending_ = result.tag.kind;
    }
  } else if (type == server_message::kPortalSuspended ||
             type == server_message::kFunctionCallResponse) {
    worked_ = true;
  }
  if (fits == Fit::last) {
    result.done = true;
    finish_head();
  }
  return result;
}

void ResponseQueue::on_error(Attribution& result) {
  if (head_copies_in_) {
    stray_syncs_ = std::exchange(ignored_syncs_, 0);
    stray_owner_ = result.entry.owner;
  }
  head_copies_in_ = copying_in_ = false;
  head_started_ = true;
  // Unasked, it is the end of the connection, and no transaction's failure.
  if (empty()) return;
  failed_ = true;
  if (!is_extended(result.entry.request)) return;  // ReadyForQuery follows
  result.done = true;
  skip_to_sync();
}

// Documentation 54.2.3: the server reads and discards messages until a Sync, also a simple Query.
void ResponseQueue::skip_to_sync() {
  while (!empty() && run(0).entry.request != Request::sync) pop_run();
  skipping_ = empty();
  head_started_ = false;
}

void ResponseQueue::on_ready(std::string_view body, Attribution& result) {
  std::optional<TransactionStatus> now = parse_ready_for_query(body);
  bool answers = ends_with_ready(result.entry.request) && (result.entry.flags & kByProxy) == 0;
  // Query and FunctionCall are never answered with ReadyForQuery alone.
  bool stray =
      stray_syncs_ > 0 && (!answers || (result.entry.request != Request::sync && !head_started_));
  if (!now || (!answers && !stray)) {
    result.expected = false;
    return;
  }
  result.status = *now;
  result.end = end_of_transaction(*now);
  status_ = *now;
  worked_ = failed_ = false;
  last_ending_ = CommandKind::other;
  result.done = true;
  if (stray) {
    --stray_syncs_;
    result.entry = {.request = Request::sync, .owner = stray_owner_};
    return;
  }
  finish_head();
}

// Follows the status, because tags lie: ROLLBACK TO SAVEPOINT says ROLLBACK and ends nothing, and
// what completed before an error in one implicit transaction is undone with it.
TransactionEnd ResponseQueue::end_of_transaction(TransactionStatus now) const {
  if (now != TransactionStatus::idle) {
    bool chained = status_ == TransactionStatus::in_transaction &&
                   now == TransactionStatus::in_transaction && last_ending_ == CommandKind::commit;
    return chained ? TransactionEnd::commit : TransactionEnd::none;
  }
  if (status_ == TransactionStatus::idle && !worked_ && !failed_) return TransactionEnd::none;
  bool undone =
      failed_ || status_ == TransactionStatus::failed || last_ending_ == CommandKind::rollback;
  return undone ? TransactionEnd::rollback : TransactionEnd::commit;
}

bool ResponseQueue::in_transaction() const {
  if (status_ != TransactionStatus::idle || worked_ || failed_) return true;
  for (size_t i = 0; i < size_; ++i) {
    Request request = run(i).entry.request;
    if (runs_statements(request) || request == Request::function_call) return true;
  }
  return false;
}

// What was sent behind the COPY and before its CopyDone is read in COPY mode.
void ResponseQueue::begin_copy_in() {
  head_copies_in_ = true;
  if (run(0).count > 1) return;  // an equal request follows: the server will end the session
  Run head = run(0);
  while (size_ > 1) {
    Run& next = run(1);
    bool ignored = next.entry.request == Request::sync || next.entry.request == Request::bad_flush;
    if (!ignored && next.entry.request != Request::copy_end) return;
    uint32_t dropped = ignored ? next.count : 1;
    if (next.entry.request == Request::sync) ignored_syncs_ += dropped;
    outstanding_ -= dropped;
    next.count -= dropped;
    if (next.count == 0) {
      first_ = (first_ + 1) & (capacity_ - 1);
      --size_;
      run(0) = head;
    }
    if (!ignored) return;
  }
  copying_in_ = true;
}

std::optional<ResponseQueue::Entry> ResponseQueue::take_due() {
  if (empty() || (run(0).entry.flags & kByProxy) == 0) return std::nullopt;
  Entry entry = run(0).entry;
  finish_head();
  return entry;
}

void ResponseQueue::finish_head() {
  pop_one();
  head_started_ = false;
  // A CopyDone for which no COPY waited was ignored by the server.
  while (!empty() && run(0).entry.request == Request::copy_end) pop_run();
}

void ResponseQueue::append(const Entry& entry) {
  assert(!full());
  ++outstanding_;
  if (size_ > 0) {
    Run& last = run(size_ - 1);
    if (last.entry == entry) {
      ++last.count;
      return;
    }
  }
  if (size_ == capacity_) grow();
  ++size_;
  run(size_ - 1) = {.entry = entry, .count = 1};
}

void ResponseQueue::grow() {
  auto larger = std::make_unique<Run[]>(capacity_ * 2);
  for (size_t i = 0; i < size_; ++i) larger[i] = run(i);
  heap_ = std::move(larger);
  capacity_ *= 2;
  first_ = 0;
}

void ResponseQueue::pop_one() {
  --outstanding_;
  if (--run(0).count > 0) return;
  first_ = (first_ + 1) & (capacity_ - 1);
  --size_;
}

void ResponseQueue::pop_run() {
  outstanding_ -= run(0).count;
  first_ = (first_ + 1) & (capacity_ - 1);
  --size_;
}

void ResponseQueue::trim() {
  if (!heap_ || !empty()) return;
  heap_.reset();
  capacity_ = kInlineRuns;
  first_ = 0;
}

}  // namespace trunkline::wire
