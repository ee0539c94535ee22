#include <array>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "pool/guard.h"
#include "session/pooled_machine.h"
#include "wire/builders.h"
#include "wire/protocol.h"

// What a client asks, on its way to a server.
namespace trunkline::session {

namespace type = wire::client_message;
using wire::Request;
using wire::ResponseQueue;

namespace {

constexpr std::string_view kFlush("H\0\0\0\4", 5);

// What one message may add to `out`: the guard, those that go, a statement that is prepared again
// with one that it needs, two headers with names, the message, and what runs behind it.
constexpr size_t kPiecesOfRequest = 12;

}  // namespace

PooledMachine::Verdict PooledMachine::from_client(std::string_view& input, std::span<char> scratch,
                                                  Instant now, Pieces& out) {
  scratch_ = scratch;
  now_ = now;
  kept_.clear();
  for (;;) {
    if (out.room() < kPiecesOfRequest) return Verdict::write_first;
    switch (reader_.next(input)) {
      case FrontReader::Found::nothing:
        return Verdict::go_on;
      case FrontReader::Found::violation:
        return refuse(wire::violation_error(wire::Direction::from_client, reader_.violation(),
                                            reader_.front().header.type));
      case FrontReader::Found::body: {
        std::string_view bytes = reader_.take_body(input);
        if (long_text_ != nullptr) on_body(bytes);
        if (passing_) out.add(bytes);
        break;
      }
      case FrontReader::Found::front: {
        Verdict verdict = on_front(input, now, out);
        if (verdict != Verdict::go_on) return verdict;
        break;
      }
    }
  }
}

PooledMachine::Verdict PooledMachine::on_front(std::string_view& input, Instant now, Pieces& out) {
  char message = reader_.front().header.type;
  if (message == type::kTerminate) return Verdict::terminate;
  if (!held_ready_.empty()) return Verdict::hold;
  if (refusing_) return on_refused(message, input);
  if (message == type::kSync) return on_sync(input, now, out);
  if (message == type::kCopyData || message == type::kCopyDone || message == type::kCopyFail) {
    return on_copy(input, out);
  }
  if (message == type::kFlush) {
    // With a body it is answered with an error; nothing else is asked of a server.
    bool has_body = reader_.front().header.body_bytes() > 0;
    if (server_ == nullptr && !has_body) {
      skip(input);
      return Verdict::go_on;
    }
    if (Verdict verdict = gate(); verdict != Verdict::go_on) return verdict;
    if (has_body) begin_unit(now, out), ask(Request::bad_flush);
    pass(input, out);
    return Verdict::go_on;
  }
  Verdict verdict = gate();
  if (barrier_ && verdict == Verdict::go_on) {
    barrier_ = !server_->queue.empty();
    if (barrier_) verdict = Verdict::hold;
  }
  if (query_limit_ != nullptr && verdict != Verdict::hold) [[unlikely]] {
    if (auto limited = limit_queries(message, input, now, out)) return *limited;
  }
  // Too much is unanswered, and the server may keep its answers back until Flush or Sync.
  bool answers_come = awaiting() || wants_sync_;
  if (verdict == Verdict::hold && !answers_come && !std::exchange(flushed_, true)) {
    out.add(kFlush);
  }
  if (verdict != Verdict::go_on) return verdict;
  // In COPY mode nothing of it is understood: the server ends the session, or skips it. Behind an
  // error it skips all up to Sync: that has no effect here either.
  if (server_->queue.in_copy_in() || server_->queue.skips()) {
    if (message == type::kQuery && guard_failed_ && !has_asked_) {
      // It waited here for the listener, and brings no Sync.
      wants_ready_ = wants_sync_ = true;
      skip(input);
      return Verdict::go_on;
    }
    ask(*wire::request_of(reader_.front().header));
    pass(input, out);
    return Verdict::go_on;
  }
  if (asks_first(message)) return Verdict::hold;
  begin_unit(now, out);
  switch (message) {
    case type::kQuery:
      return on_query(input, out);
    case type::kParse:
      return on_parse(input, out);
    case type::kBind:
      return on_bind(input, out);
    case type::kDescribe:
      return on_describe(input, out);
    case type::kClose:
      return on_close(input, out);
    case type::kExecute:
      return on_execute(input, out);
    default:  // FunctionCall: any function may be called
      may_restart_ = false;
      suspected_ = server_->unproven = true;
      note_made_up();
      note_notifies();
      ask(Request::function_call);
      wants_ready_ = true;
      pass(input, out);
      return Verdict::go_on;
  }
}

PooledMachine::Verdict PooledMachine::gate() const {
  if (server_ == nullptr) return Verdict::need_server;
  if (server_->queue.in_copy_in()) return Verdict::go_on;
  bool holds = awaiting() || wants_sync_ || server_->queue.full();
  return holds ? Verdict::hold : Verdict::go_on;
}

// The first request since the last ReadyForQuery. Outside of a transaction the connection is made
// the session's own first.
void PooledMachine::begin_unit(Instant now, Pieces& out) {
  if (unit_open_) return;
  unit_open_ = true;
  has_asked_ = false;
  tally_.on_exchange(now);
  adopting_ = Adopting::no;
  if (notifications_ != nullptr) notifications_->put_off_adoption();
  if (in_block_) return;
  only_reads_ = true;
  // What is pinned is lost with the connection.
  may_restart_ = pins_.none() && !suspected_ && notifications_ == nullptr;
  if (may_restart_) unnamed_before_ = unnamed_;
  if (server_->generation > client_.generation) [[unlikely]]
    keep_defaults();
  bool foreign = server_->last_session != identity_.session;
  pool::Cleanse cleanse = pool::Cleanse::nothing;
  if (settings_.server_differs()) cleanse = pool::Cleanse::settings;
  if (foreign && server_->unproven) cleanse = pool::Cleanse::everything;
  server_->last_session = identity_.session;
  settings_are_laid_ = true;
  bool is_set = pool::same(server_->settings, settings_.current());
  if (cleanse == pool::Cleanse::nothing && is_set) return;
  std::string guard;
  if (names_ == Names::unsure) pool::close_guards(guard, *server_);
  bool keeps_channels = laid_on_ || pins_.has(Pin::listen);
  pool::append_guard(guard, *server_, settings_.current(), cleanse, keeps_channels);
  count(pool::PoolCells::kGuards);
  settings_.server_was_set();
  to_be_told_ = true;
  out.add(keep(std::move(guard)));
}

// The connection was started later than the session, and ALTER ROLE may have come in between.
void PooledMachine::keep_defaults() {
  uint64_t before = std::exchange(client_.generation, server_->generation);
  if (server_->destination == nullptr) return;
  pool::Settings changed =
      server_->destination->defaults().changed_between(before, server_->generation);
  if (!changed.empty()) settings_.keep_defaults(changed);
}

void PooledMachine::ask(Request request, uint8_t flags) {
  server_->queue.push(request, identity_.session, flags);
  has_asked_ = true;
  if ((flags & ResponseQueue::kSwallow) == 0) tally_.on_client_messages(1);
}

// The message at hand is dealt with.
void PooledMachine::take(std::string_view& input) {
  reader_.take(input);
  is_admitted_ = false;
}

void PooledMachine::pass(std::string_view& input, Pieces& out) {
  take(input);
  out.add(reader_.front().bytes);
  passing_ = true;
}

void PooledMachine::skip(std::string_view& input) {
  take(input);
  passing_ = false;
}

// The same message with other names in front; those it came with are `names_before` bytes.
void PooledMachine::pass_renamed(std::string_view& input, std::string_view names,
                                 size_t names_before, Pieces& out) {
  take(input);
  const FrontReader::Front& front = reader_.front();
  auto length = static_cast<uint32_t>(front.header.length - names_before + names.size());
  std::array<char, wire::kHeaderBytes> head{front.header.type};
  store_big_endian<uint32_t>(head.data() + 1, length);
  out.add(scratch({head.data(), head.size()}));
  out.add(scratch(names));
  out.add(front.body().substr(names_before));
  passing_ = true;
}

// A Query with another text.
void PooledMachine::pass_text(std::string_view& input, std::string_view text, Pieces& out) {
  skip(input);
  std::string query;
  wire::append_query(query, text);
  out.add(keep(std::move(query)));
}

std::string_view PooledMachine::keep(std::string bytes) {
  return kept_.emplace_back(std::move(bytes));
}

std::string_view PooledMachine::scratch(std::string_view bytes) {
  if (bytes.size() > scratch_.size()) return keep(std::string(bytes));
  std::memcpy(scratch_.data(), bytes.data(), bytes.size());
  std::string_view kept(scratch_.data(), bytes.size());
  scratch_ = scratch_.subspan(bytes.size());
  return kept;
}

PooledMachine::Verdict PooledMachine::on_query(std::string_view& input, Pieces& out) {
  const FrontReader::Front& front = reader_.front();
  unnamed_ = server_->unnamed = nullptr;  // exec_simple_query drops it
  std::shared_ptr<Rewriting> rewriting;
  if (front.is_whole()) {
    std::string_view text = front.body().substr(0, front.body().find('\0'));
    std::shared_ptr<const sql::TextFacts> facts = std::move(front_facts_);
    if (facts == nullptr) facts = cache_.facts_of(text, syntax_);
    if (!may_send(*facts)) return Verdict::hold;
    if (std::optional<Error> refused = refusal_to_run(*facts)) [[unlikely]]
      return refuse_query(*refused, input, out);
    lay_names_on(facts.get(), out);
    lay_channels_on(*facts, out);
    if (is_rewritten(*facts)) rewriting = rewrite(Rewriter::Of::query, text, *facts, out);
    note_sent(*facts, rewriting.get());
    running_.push_back({.facts = std::move(facts), .rewriting = rewriting});
  } else {
    if (std::optional<Error> refused = refusal_of_state(Pin::long_statement)) {
      return refuse_query(*refused, input, out);
    }
    begin_long_text(front.body(), nullptr);
    running_.emplace_back();
  }
  ask(Request::query);
  wants_ready_ = true;
  if (rewriting != nullptr && !rewriting->edits.empty()) {
    pass_text(input, rewriting->edits.apply(rewriting->text), out);
  } else {
    pass(input, out);
  }
  return Verdict::go_on;
}

void PooledMachine::begin_long_text(std::string_view text,
                                    std::shared_ptr<pool::Statement> statement) {
  may_restart_ = false;
  long_text_ = std::make_unique<LongText>(syntax_, std::move(statement));
  long_text_->feed(text);
}

void PooledMachine::on_body(std::string_view bytes) {
  long_text_->feed(bytes);
  if (!reader_.in_body()) end_long_text();
}

// The server runs nothing of a message before it has all of it: this is soon enough for everything
// but to send another text instead.
void PooledMachine::end_long_text() {
  std::unique_ptr<LongText> text = std::exchange(long_text_, nullptr);
  std::shared_ptr<const sql::TextFacts> facts = text->finish();
  if (text->statement() != nullptr) {
    text->statement()->facts = std::move(facts);
    return;
  }
  note_long(*facts);
  if (!running_.empty()) running_.back().facts = std::move(facts);
}

PooledMachine::Verdict PooledMachine::on_sync(std::string_view& input, Instant now, Pieces& out) {
  if (server_ == nullptr) {
    // Nothing is asked: the answer is known, and given with the others of our own.
    ++syncs_owed_;
    skip(input);
    return Verdict::go_on;
  }
  if (Verdict verdict = gate(); verdict != Verdict::go_on) return verdict;
  if (!unit_open_) {
    unit_open_ = true;
    tally_.on_exchange(now);
  }
  server_->queue.push(Request::sync, identity_.session);
  tally_.on_client_messages(1);
  pass(input, out);
  return Verdict::go_on;
}

// Outside of COPY the server ignores them, as documentation 54.2.6 says.
PooledMachine::Verdict PooledMachine::on_copy(std::string_view& input, Pieces& out) {
  bool in_copy = server_ != nullptr && server_->queue.in_copy_in();
  if (!in_copy) {
    // COPY may be about to begin.
    if (server_ != nullptr && !server_->queue.empty()) return Verdict::hold;
    skip(input);
    return Verdict::go_on;
  }
  if (std::optional<Request> request = wire::request_of(reader_.front().header)) {
    server_->queue.push(*request, identity_.session);
  }
  pass(input, out);
  return Verdict::go_on;
}

void PooledMachine::refuse_next(const Error& error) {
  refusing_ = true;
  refusal_.clear();
  wire::append_error(refusal_, error);
}

PooledMachine::Verdict PooledMachine::on_refused(char message, std::string_view& input) {
  if (message == type::kSync || message == type::kQuery || message == type::kFunctionCall) {
    refusing_ = false;
    ++syncs_owed_;
  }
  skip(input);
  return Verdict::go_on;
}

PooledMachine::Verdict PooledMachine::refuse(Error error) {
  violation_ = std::make_unique<Error>(std::move(error));
  // PostgreSQL closes without a word when a length cannot be: nothing can be known to follow.
  if (wire::is_silent(reader_.violation())) violation_->message.clear();
  if (reader_.violation() == wire::Violation::unknown_type) tally_.on_unknown_message();
  return Verdict::violation;
}

}  // namespace trunkline::session
