#include "wire/response_queue.h"

#include <cassert>
#include <utility>

namespace trunkline::wire {
namespace {

bool ends_with_ready(Request request) {
  return request == Request::query || request == Request::function_call || request == Request::sync;
}

// Sets of requests, one bit for each.
using Requests = uint16_t;
constexpr Requests bit(Request request) {
  return static_cast<Requests>(1U << static_cast<unsigned>(request));
}
constexpr Requests kStatements = bit(Request::query) | bit(Request::execute);

// Which requests a message may be part of the answer to, and which answers it ends. ErrorResponse,
// ReadyForQuery and what comes at any time are treated before.
struct Fits {
  std::array<Requests, 256> part{};
  std::array<Requests, 256> last{};

  constexpr void within(std::string_view types, Requests requests) {
    for (char type : types) part[static_cast<uint8_t>(type)] |= requests;
  }
  constexpr void ends(std::string_view types, Requests requests) {
    for (char type : types) last[static_cast<uint8_t>(type)] |= requests;
  }
};

constexpr Fits fits() {
  Fits fits;
  fits.ends("1", bit(Request::parse));
  fits.ends("2", bit(Request::bind));
  fits.ends("3", bit(Request::close));
  fits.within("t", bit(Request::describe));
  fits.ends("nT", bit(Request::describe));
  // A simple Query goes on to its ReadyForQuery, over any number of statements.
  fits.within("TCI", bit(Request::query));
  fits.ends("CIs", bit(Request::execute));
  fits.within("DGHWdc", kStatements);
  fits.within("V", bit(Request::function_call));
  return fits;
}
constinit const Fits kFits = fits();

bool is_asynchronous(char type) {
  return type == server_message::kNoticeResponse || type == server_message::kParameterStatus ||
         type == server_message::kNotificationResponse;
}

}  // namespace

std::optional<Request> request_of(Header header) {
  static constexpr auto kRequests = [] {
    std::array<Request, 256> requests{};
    requests[client_message::kQuery] = Request::query;
    requests[client_message::kFunctionCall] = Request::function_call;
    requests[client_message::kParse] = Request::parse;
    requests[client_message::kBind] = Request::bind;
    requests[client_message::kDescribe] = Request::describe;
    requests[client_message::kExecute] = Request::execute;
    requests[client_message::kClose] = Request::close;
    requests[client_message::kSync] = Request::sync;
    requests[client_message::kCopyDone] = Request::copy_end;
    requests[client_message::kCopyFail] = Request::copy_end;
    requests[client_message::kFlush] = Request::bad_flush;
    return requests;
  }();
  Request request = kRequests[static_cast<uint8_t>(header.type)];
  if (request == Request::none) return std::nullopt;
  if (request == Request::bad_flush && header.body_bytes() == 0) return std::nullopt;
  return request;
}

bool ResponseQueue::push_special(Request request, Owner owner, uint8_t flags) {
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
  if (!by_proxy) unsynced_ = is_extended(request) || (unsynced_ && !ends_with_ready(request));
  assert(!full());
  append({.request = request, .flags = flags, .owner = owner});
  return true;
}

ResponseQueue::Attribution ResponseQueue::on_message(char type, std::string_view prefix) {
  Attribution result;
  if (!empty()) result.entry = run(0).entry();
  if (type == server_message::kReadyForQuery) {
    on_ready(prefix, result);
    return result;
  }
  Requests request = bit(result.entry.request);
  bool ends = (kFits.last[static_cast<uint8_t>(type)] & request) != 0;
  bool fits = ends || (kFits.part[static_cast<uint8_t>(type)] & request) != 0;
  if (!fits || (result.entry.flags & kByProxy) != 0) [[unlikely]] {
    on_other(type, result);
    return result;
  }
  // The server answers in order: a Sync that is still unanswered was ignored.
  stray_syncs_ = 0;
  head_started_ = true;
  if (type == server_message::kCopyInResponse) begin_copy_in();
  if (type == server_message::kCommandComplete) {
    head_copies_in_ = false;
    ignored_syncs_ = 0;
  }
  if (ends) {
    result.done = true;
    finish_head();
  }
  return result;
}

// What is no regular part of an answer.
void ResponseQueue::on_other(char type, Attribution& result) {
  if (is_asynchronous(type)) return;
  stray_syncs_ = 0;
  if (type == server_message::kErrorResponse) {
    on_error(result);
  } else {
    result.expected = false;
  }
}

void ResponseQueue::on_error(Attribution& result) {
  if (head_copies_in_) {
    stray_syncs_ = std::exchange(ignored_syncs_, 0);
    stray_owner_ = result.entry.owner;
  }
  head_copies_in_ = copying_in_ = false;
  head_started_ = true;
  // Unasked, it is the end of the connection.
  if (empty()) return;
  if (!is_extended(result.entry.request)) return;  // ReadyForQuery follows
  result.done = true;
  skip_to_sync();
}

// Documentation 54.2.3: the server reads and discards messages until a Sync, also a simple Query.
void ResponseQueue::skip_to_sync() {
  while (!empty() && run(0).request() != Request::sync) pop_run();
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
  status_ = *now;
  result.done = true;
  if (stray) {
    --stray_syncs_;
    skipping_ = unsynced_ = false;
    result.entry = {.request = Request::sync, .owner = stray_owner_};
    return;
  }
  finish_head();
}

// What was sent behind the COPY and before its CopyDone is read in COPY mode.
void ResponseQueue::begin_copy_in() {
  head_copies_in_ = true;
  if (run(0).count > 1) return;  // an equal request follows: the server will end the session
  Run head = run(0);
  while (size_ > 1) {
    Run& next = run(1);
    bool ignored = next.request() == Request::sync || next.request() == Request::bad_flush;
    if (!ignored && next.request() != Request::copy_end) return;
    uint32_t dropped = ignored ? next.count : 1;
    if (next.request() == Request::sync) ignored_syncs_ += dropped;
    outstanding_ -= dropped;
    next.count -= dropped;
    if (next.count == 0) {
      drop_run();
      run(0) = head;
    }
    if (!ignored) return;
  }
  copying_in_ = true;
}

std::optional<ResponseQueue::Entry> ResponseQueue::take_due() {
  if (empty() || (run(0).flags() & kByProxy) == 0) return std::nullopt;
  Entry entry = run(0).entry();
  finish_head();
  return entry;
}

void ResponseQueue::finish_head() {
  pop_one();
  head_started_ = false;
  // A CopyDone for which no COPY waited was ignored by the server.
  while (!empty() && run(0).request() == Request::copy_end) pop_run();
}

void ResponseQueue::grow() {
  auto larger = std::make_unique<Run[]>(capacity_ * 2);
  for (size_t i = 0; i < size_; ++i) larger[i] = run(i);
  heap_ = std::move(larger);
  runs_ = heap_.get();
  capacity_ *= 2;
  first_ = 0;
}

void ResponseQueue::trim() {
  if (!heap_ || !empty()) return;
  heap_.reset();
  runs_ = inline_.data();
  capacity_ = kInlineRuns;
  first_ = 0;
}

}  // namespace trunkline::wire
