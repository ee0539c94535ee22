#include <charconv>
#include <string>
#include <utility>

#include "pool/guard.h"
#include "session/pooled_machine.h"
#include "wire/builders.h"
#include "wire/messages.h"
#include "wire/protocol.h"

// Errors: what the server's undo, how the client is told of them, and those that it is told in our
// words.
namespace trunkline::session {

using wire::Request;
using wire::ResponseQueue;

PooledMachine::Fate PooledMachine::on_error(ResponseQueue::Entry entry, std::string_view body) {
  bool guard = entry.swallow() && entry.owner == 0;
  // "cached plan must not change result type": of DDL that has bypassed the proxy.
  bool binds = entry.request == Request::bind || entry.request == Request::describe;
  if (binds && wire::ErrorFields(body).sqlstate() == sqlstate::kFeatureNotSupported) note_ddl();
  undo_changes(entry.request);
  laid_for_code_ = has_snapshot_ = false;  // it is undone, or may be
  if (names_are_new_) names_ = Names::unsure;
  block_failed_ = in_block_;
  settings_.on_error(in_block_);
  if (notifications_ != nullptr) notifications_->on_error(in_block_);
  to_be_told_ = true;
  if (guard) {
    pool::guard_failed(*server_);
    guard_failed_ = true;
  }
  // Of what was sent ahead of a Query, which the server skips now: it brings no Sync.
  if (entry.swallow()) wants_sync_ = wants_ready_ && server_->queue.empty();
  bool replaces = entry.replaced();
  if (replaces) {
    replacement_ = mistakes_.empty() ? std::string() : std::move(mistakes_.front());
  } else {
    bool of_text =
        !entry.swallow() && (entry.request == Request::query || entry.request == Request::execute);
    replaces = reword(body, of_text ? rewriting() : nullptr);
  }
  forget_running();
  return replaces ? Fate::replace : Fate::pass;
}

// As the client knows things: names that it has never heard of become its own again, a place in a
// text that of the client's own text, and who has asked for the cancel, and why, the server cannot
// know. False: it is all right as it is.
bool PooledMachine::reword(std::string_view body, const Rewriting* rewriting) {
  wire::ErrorFields fields(body);
  bool timed_out = timed_out_ && fields.sqlstate() == sqlstate::kQueryCanceled;
  std::string reworded;
  bool whole = fields.for_each([&](char code, std::string_view text) {
    std::string said = with_client_names(text, rewriting);
    if (code == 'P' && rewriting != nullptr) {
      std::optional<uint64_t> place = place_for_client(text, *rewriting);
      if (!place) return;
      said = std::to_string(*place);
    }
    if (code == 'M' && timed_out) said = "canceling statement due to statement timeout";
    reworded.append(1, code).append(said) += '\0';
  });
  if (timed_out)
    reworded.append("H").append(R"(The limit is "query_timeout" of the "pool".)") += '\0';
  reworded += '\0';
  replacement_.clear();
  if (!whole || reworded == body) return false;
  wire::MessageBuilder(replacement_, wire::server_message::kErrorResponse).bytes(reworded);
  return true;
}

std::string PooledMachine::with_client_names(std::string_view text,
                                             const Rewriting* rewriting) const {
  static constexpr std::string_view kOurs = "\"trunkline_";
  size_t at = text.find(kOurs);
  size_t end = at == std::string_view::npos ? at : text.find('"', at + 1);
  if (end == std::string_view::npos) return std::string(text);
  std::string_view name;
  if (rewriting != nullptr) name = rewriting->client_name(text.substr(at + 1, end - at - 1));
  if (name.empty() && named_done_ < named_.size()) name = named_[named_done_];
  if (name.empty()) return std::string(text);
  return std::string(text.substr(0, at + 1)).append(name).append(text.substr(end));
}

std::optional<uint64_t> PooledMachine::place_for_client(std::string_view place,
                                                        const Rewriting& of) const {
  uint64_t number = 0;
  std::from_chars(place.data(), place.data() + place.size(), number);
  const std::string* encoding = told_ ? told_->find("client_encoding") : nullptr;
  bool utf8 = encoding == nullptr || *encoding == "UTF8";
  return of.edits.place_before(number, of.text,
                               utf8 ? sql::Characters::utf8 : sql::Characters::bytes);
}

// What the server would say to the client it cannot say: it knows other names. So it is given
// something that fails in the same way, and the client is told in our words.
void PooledMachine::let_fail(std::string_view sqlstate, const std::string& message, Pieces& out) {
  wire::ErrorField fields[] = {{'S', "ERROR"}, {'V', "ERROR"}, {'C', sqlstate}, {'M', message}};
  std::string error;
  wire::append_error_response(error, fields);
  let_fail(std::move(error), out);
}

void PooledMachine::let_fail(std::string error_response, Pieces& out) {
  mistakes_.push_back(std::move(error_response));
  std::string bind;
  wire::append_bind(bind, "", kNoStatement, {});
  ask(Request::bind, ResponseQueue::kReplaced);
  out.add(scratch(bind));
}

// A statement that this connection does not know yet: in a failed transaction it would not run.
PooledMachine::Verdict PooledMachine::fail_aborted(std::string_view& input, Pieces& out) {
  let_fail("25P02",
           "current transaction is aborted, commands ignored until end of transaction block", out);
  skip(input);
  return Verdict::go_on;
}

PooledMachine::Verdict PooledMachine::fail_without(std::string_view name, std::string_view& input,
                                                   Pieces& out) {
  std::string which = name.empty() ? "unnamed prepared statement"
                                   : "prepared statement \"" + std::string(name) + "\"";
  let_fail("26000", which + " does not exist", out);
  skip(input);
  return Verdict::go_on;
}

}  // namespace trunkline::session
