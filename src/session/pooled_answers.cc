#include <utility>

#include "base/text.h"
#include "pool/guard.h"
#include "session/pooled_machine.h"
#include "wire/builders.h"
#include "wire/messages.h"
#include "wire/protocol.h"

// What a server answers, on its way to the client.
namespace trunkline::session {

namespace type = wire::server_message;
using wire::Request;
using wire::ResponseQueue;
using wire::TransactionStatus;

namespace {

constexpr std::string_view kParseComplete("1\0\0\0\4", 5);
constexpr std::string_view kCloseComplete("3\0\0\0\4", 5);
constexpr std::string_view kReadyIdle("Z\0\0\0\5I", 6);
constexpr std::string_view kReady("Z\0\0\0\5", 5);

constexpr size_t kPiecesOfAnswer = 4;

}  // namespace

PooledMachine::PooledMachine(PooledClient& client, const PooledClient::Identity& identity,
                             Buffers& buffers, RelayCounters counters, RelayEvents* events,
                             StatementCache& cache)
    : client_(client),
      identity_(identity),
      tally_(counters, events),
      cache_(cache),
      settings_(client.settings),
      told_(client.told),
      statements_(client.statements),
      unnamed_(client.unnamed),
      syntax_(client.syntax),
      notifications_(client.notifications),
      changes_(buffers.changes),
      running_(buffers.running),
      portals_(buffers.portals),
      named_(buffers.named) {
  if (identity_.keeps_connection) pins_.add(Pin::pool_mode);
}

PooledMachine::~PooledMachine() {
  if (!counted_pins_.none() || holds_place_) forget_pins();
  changes_.clear();
  running_.clear();
  portals_.clear();
  named_.clear();
}

void PooledMachine::attach(pool::Connection& server) {
  server_ = &server;
  settings_are_laid_ = false;
  server_->count->enter(upstream::ServerState::active);
}

void PooledMachine::detach() {
  server_->count->enter(upstream::ServerState::idle);
  server_->queue.trim();
  if (notifications_ != nullptr) notifications_->forget_left();
  lays_on_ = laid_on_ = false;
  names_change_ = nullptr;
  adopting_ = Adopting::no;
  laid_for_code_ = false;
  if (notifications_ != nullptr) notifications_->put_off_adoption();
  names_ = Names::ours;
  names_are_new_ = false;
  of_settings_ = OfSettings::not_asked;
  settings_question_.clear();
  forget_names_question();
  if (settings_.server_differs()) server_->unproven = true;
  if (unnamed_ != nullptr && unnamed_->is_long) unnamed_ = nullptr;
  server_ = nullptr;
}

bool PooledMachine::from_server(std::string_view& input, Instant now, Pieces& out) {
  now_ = now;
  answers_blocked_ = false;
  given_.clear();
  if (!input.empty()) flushed_ = false;
  for (;;) {
    take_due(out);
    if (out.room() < kPiecesOfAnswer) {
      answers_blocked_ = true;
      return true;
    }
    if (input.empty()) return true;
    if (server_ == nullptr) {
      input = {};
      return true;
    }
    wire::FrameScanner& scanner = server_->scanner;
    std::string_view stopped_at;
    Fate fate = Fate::pass;
    uint64_t messages = 0;
    size_t passed = scanner.whole_messages(input, [&](wire::Header header, std::string_view body) {
      fate = on_answer(header.type, body);
      if (fate != Fate::swallow) ++messages;
      bool goes_on = fate == Fate::pass && !is_due();
      if (!goes_on) stopped_at = body;
      return goes_on;
    });
    if (messages > 0) tally_.on_server_messages(messages);
    out.add(input.substr(0, passed));
    input.remove_prefix(passed);
    if (stopped_at.data() != nullptr) {
      // The message that ended the run: seen, and not passed on with it.
      size_t whole = wire::kHeaderBytes + stopped_at.size();
      if (fate == Fate::pass) out.add(input.substr(0, whole));
      if (fate == Fate::replace) out.add(keep_answer());
      input.remove_prefix(whole);
      continue;
    }
    if (input.empty()) continue;
    wire::Piece piece = scanner.next(input);
    switch (piece.kind) {
      case wire::Piece::Kind::violation:
        violation_ = std::make_unique<Error>(wire::violation_error(
            wire::Direction::from_server, scanner.violation(), piece.header.type));
        return false;
      case wire::Piece::Kind::need_more:
        break;
      case wire::Piece::Kind::message:
        on_broken_message(piece, out);
        break;
      case wire::Piece::Kind::body:
        on_more(piece, out);
        break;
    }
    input.remove_prefix(piece.consumed);
  }
}

// Whether a message counts for nothing before it is known whole.
bool PooledMachine::must_be_whole(wire::Header header) const {
  if (header.length > kGatheredBytesMax) return false;
  return header.type == type::kParameterStatus || header.type == type::kErrorResponse ||
         header.type == type::kNotificationResponse ||
         ((probing_ || asking_names_ || adopting_ == Adopting::asking) &&
          header.type == type::kDataRow);
}

// A message that is not whole in the input.
void PooledMachine::on_broken_message(const wire::Piece& piece, Pieces& out) {
  if (must_be_whole(piece.header)) {
    gathered_type_ = piece.header.type;
    gathered_ = std::string(piece.carried).append(piece.bytes);
    swallowing_body_ = true;
    if (piece.ends) end_gathering(out);
    return;
  }
  Fate fate = on_answer(piece.header.type, piece.prefix);
  swallowing_body_ = fate != Fate::pass;
  if (fate != Fate::swallow) tally_.on_server_messages(1);
  if (fate == Fate::replace) out.add(keep_answer());
  if (fate != Fate::pass) return;
  out.add(piece.carried);
  out.add(piece.bytes);
}

void PooledMachine::on_more(const wire::Piece& piece, Pieces& out) {
  if (!swallowing_body_) {
    out.add(piece.bytes);
    return;
  }
  if (gathered_.empty()) return;
  gathered_ += piece.bytes;
  if (piece.ends) end_gathering(out);
}

void PooledMachine::end_gathering(Pieces& out) {
  std::string message = std::exchange(gathered_, {});
  Fate fate = on_answer(gathered_type_, std::string_view(message).substr(wire::kHeaderBytes));
  if (fate == Fate::pass) replacement_ = std::move(message);
  if (fate != Fate::swallow) tally_.on_server_messages(1);
  if (fate != Fate::swallow) out.add(keep_answer());
}

std::string_view PooledMachine::keep_answer() {
  std::string& answer = given_.emplace_back(std::move(replacement_));
  replacement_.clear();
  return answer;
}

bool PooledMachine::is_due() const {
  return server_ != nullptr && server_->queue.is_due();
}

// What the proxy itself answers, when it is the turn of that.
void PooledMachine::take_due(Pieces& out) {
  if (!refusal_.empty() && out.room() > 1) {
    out.add(given_.emplace_back(std::exchange(refusal_, {})));
  }
  take_notifications(out);
  for (; syncs_owed_ > 0 && out.room() > 1; --syncs_owed_) out.add(kReadyIdle);
  if (server_ == nullptr) return;
  while (out.room() >= kPiecesOfAnswer) {
    std::optional<ResponseQueue::Entry> due = server_->queue.take_due();
    if (!due) return;
    may_restart_ = false;
    on_change_confirmed();
    bool parse = due->request == Request::parse;
    out.add(parse ? kParseComplete : kCloseComplete);
    tally_.on_server_message(parse ? type::kParseComplete : type::kCloseComplete, {},
                             TransactionStatus::idle, now_);
  }
}

PooledMachine::Fate PooledMachine::on_answer(char message, std::string_view body) {
  ResponseQueue& queue = server_->queue;
  if (wants_restart_) return Fate::swallow;
  // Rows are most of all traffic and change nothing.
  if (message == type::kDataRow || message == type::kCopyData) {
    if (!queue.swallowing()) return Fate::pass;
    if (probing_) on_probed(wire::row_of_text(body));
    if (asking_names_) on_names_answer(wire::row_of_text(body));
    if (of_settings_ == OfSettings::asking) of_settings_ = OfSettings::found;
    if (adopting_ == Adopting::asking) {
      for (std::string_view each : wire::row_of_text(body)) found_channels_.emplace(each);
    }
    return Fate::swallow;
  }
  if (message == type::kParameterStatus) return on_parameter_status(body);
  if (message == type::kNotificationResponse) return on_notification_response(body);
  ResponseQueue::Attribution answer = queue.on_message(message, body);
  if (answer.entry.swallow() && message != type::kErrorResponse) {
    on_own_answer(message, answer);
    return Fate::swallow;
  }
  // Of what is swallowed only errors are left.
  if (answer.entry.swallow() && fails_question(body)) return Fate::swallow;
  if (may_restart_ && ends_before_it_begins(message, body, answer.entry)) {
    return Fate::swallow;
  }
  if (message == type::kCommandComplete && completes_inserted()) return Fate::swallow;
  tally_.on_server_message(message, body, answer.status, now_);
  switch (message) {
    case type::kParseComplete:
      if (answer.entry.named()) ++named_done_;
      [[fallthrough]];
    case type::kCloseComplete:
      on_change_confirmed();
      break;
    case type::kBindComplete:
    case type::kRowDescription:
    case type::kNoData:
      if (answer.done && answer.entry.named()) ++named_done_;
      break;
    case type::kCommandComplete:
      on_completed(body.substr(0, body.find('\0')));
      if (answer.entry.request == Request::execute) end_running();
      break;
    case type::kEmptyQueryResponse:
    case type::kPortalSuspended:
      if (answer.entry.request == Request::execute) end_running();
      break;
    case type::kErrorResponse:
      return on_error(answer.entry, body);
    case type::kReadyForQuery:
      return on_ready(answer.status);
    default:
      break;
  }
  return Fate::pass;
}

void PooledMachine::on_completed(std::string_view tag) {
  if (running_done_ >= running_.size()) return;
  const sql::TextFacts* facts = running_[running_done_].facts.get();
  if (facts == nullptr || statement_ >= facts->statements().size()) return;
  on_step_completed();
  const sql::Statement& statement = facts->statements()[statement_++];
  switch (statement.kind) {
    case sql::StatementKind::begin:
      in_block_ = true;
      break;
    case sql::StatementKind::commit:
    case sql::StatementKind::rollback:
    case sql::StatementKind::prepare_transaction:
      in_block_ = statement.and_chain;
      laid_for_code_ = laid_for_code_ && tag != "ROLLBACK";
      block_failed_ = false;
      break;
    case sql::StatementKind::rollback_to:
      laid_for_code_ = block_failed_ = false;
      break;
    case sql::StatementKind::alter_role_or_database:
      defaults_changed_ = true;
      break;
    case sql::StatementKind::create_temp:
      // It may hide a table that statements were prepared with. PostgreSQL sees to that only when
      // the first such object of a session is made; on this connection that may have been
      // another's.
      if (!std::exchange(client_.has_had_temporary, true)) server_->statements.expire();
      break;
    case sql::StatementKind::ddl:
      note_ddl();
      ddl_open_ = true;
      break;
    case sql::StatementKind::discard_sequences:
      on_sequences_discarded();
      break;
    case sql::StatementKind::discard_all:
      on_sequences_discarded();
      [[fallthrough]];
    case sql::StatementKind::deallocate_all:
      // Ours among them.
      pool::forget_guards(*server_);
      statements_.clear();
      break;
    default:
      break;
  }
  pool::SettingsPtr before = settings_.current();
  bool differs = settings_.server_differs();
  settings_.on_completed(statement, tag);
  if (!differs && rewriting() != nullptr && rewriting()->restores) settings_.server_was_set();
  // What is known of others is in the encoding of before: the server is to be asked for it.
  suspected_ |= SessionSettings::is_encoded_otherwise(before, settings_.current());
  if (notifications_ != nullptr) notifications_->on_completed(statement, tag);
  // The server does not report what it reported to somebody else last.
  to_be_told_ |= before != settings_.current();
}

void PooledMachine::note_ddl() {
  if (server_->destination != nullptr) server_->destination->on_ddl();
}

// What is left of it does not run.
void PooledMachine::forget_running() {
  for (size_t i = running_done_; i < running_.size(); ++i) {
    if (running_[i].rewriting) Rewriter::undo(*running_[i].rewriting, server_->statements);
  }
  running_.clear();
  running_done_ = statement_ = 0;
}

void PooledMachine::end_running() {
  if (running_done_ < running_.size()) ++running_done_;
  statement_ = 0;
}

PooledMachine::Fate PooledMachine::on_ready(TransactionStatus status) {
  wants_ready_ = timed_out_ = false;
  in_block_ = status != TransactionStatus::idle;
  if (status != TransactionStatus::in_transaction) has_snapshot_ = false;
  // The transaction that failed was ours, and the connection goes with it.
  bool ours = std::exchange(guard_failed_, false);
  if (ours) in_block_ = false;
  unit_open_ = false;
  of_settings_ = OfSettings::not_asked;
  names_are_new_ = false;
  forget_running();
  changes_.clear();
  changes_done_ = 0;
  mistakes_.clear();
  named_.clear();
  named_done_ = 0;
  if (to_be_told_) {
    for (const auto& [name, value] : server_->reported) settings_.on_reported(name, value);
    if (!in_block_ && server_->unproven) learn_reported();
  }
  if (!in_block_) {
    may_have_moved_sequence_ = meaning_is_open_ = false;
    apart_.clear();
    // Others see it from here on; what they have prepared meanwhile is of before.
    if (std::exchange(ddl_open_, false)) note_ddl();
    names_change_ = nullptr;
    if (server_->unproven && server_->destination != nullptr) ask_for_names();
    if (std::exchange(block_failed_, false)) {
      // It was COMMIT itself that failed.
      settings_.on_error(false);
      if (notifications_ != nullptr) notifications_->on_error(false);
    }
    settings_.on_idle();
    if (!settings_.server_differs()) server_->settings = settings_.current();
    portals_.clear();
    unnamed_portal_ = {};
    if (holds_place_ || pins_.without(Pin::pool_mode) != counted_pins_) count_pins();
  }
  bool open = identity_.refuses_blocks && in_block_;
  end_listening_unit();
  bool holds = waits_for_listener();
  if (!ours && !open && !to_be_told_ && !holds) return Fate::pass;
  replacement_ = news();
  if (open) refuse_open_block(status);
  char shown = static_cast<char>(ours || open ? TransactionStatus::idle : status);
  replacement_.append(kReady).push_back(shown);
  if (!holds) return Fate::replace;
  held_ready_ = std::exchange(replacement_, {});
  return Fate::swallow;
}

}  // namespace trunkline::session
