#include <utility>

#include "session/pooled_machine.h"
#include "wire/builders.h"

// Whose prepared statement is which, and what a statement may leave behind.
namespace trunkline::session {

using sql::StatementKind;
using sql::Suspicion;
using wire::Request;
using wire::ResponseQueue;

namespace {

// After these the server is asked what is left of them.
constexpr sql::KindSet kProbedKinds = {
    StatementKind::listen,         StatementKind::unlisten,    StatementKind::unlisten_all,
    StatementKind::prepare,        StatementKind::execute,     StatementKind::deallocate,
    StatementKind::deallocate_all, StatementKind::create_temp, StatementKind::discard_temp,
    StatementKind::discard_all,    StatementKind::do_,         StatementKind::call,
    StatementKind::load,           StatementKind::other};
constexpr sql::Suspicions kProbedSuspicions = {Suspicion::session_lock, Suspicion::temp_objects,
                                               Suspicion::opaque, Suspicion::dblink,
                                               Suspicion::runs_prepared};
// After these nothing is known of what the session has set.
constexpr sql::Suspicions kUnproven = {Suspicion::set_config, Suspicion::opaque,
                                       Suspicion::may_fire_triggers, Suspicion::dblink,
                                       Suspicion::runs_prepared, Suspicion::unknown_types,
                                       // What looks like a table may be a view, and call anything.
                                       Suspicion::temp_objects, Suspicion::reads_relations};

// What they do is followed; that nobody else is hit by a mistake in that does not rest on it.
constexpr sql::KindSet kSettingKinds = {StatementKind::set,
                                        StatementKind::set_role,
                                        StatementKind::set_session_authorization,
                                        StatementKind::set_session_characteristics,
                                        StatementKind::reset,
                                        StatementKind::reset_all};

}  // namespace

pool::StatementPtr PooledMachine::statement_named(std::string_view name) const {
  if (name.empty()) return unnamed_;
  auto found = statements_.find(name);
  return found == statements_.end() ? nullptr : found->second;
}

// As the server knows it, which is told of it now if it does not.
std::string PooledMachine::server_name(const pool::StatementPtr& statement, Pieces& out) {
  pool::ServerStatements::Number number = server_->statements.find(*statement);
  if (number != pool::ServerStatements::kNone) return pool::ServerStatements::name_of(number);
  std::string name = add_to_server(statement, out);
  prepare_again(statement, name, out);
  return name;
}

std::string PooledMachine::add_to_server(const pool::StatementPtr& statement, Pieces& out) {
  pool::ServerStatements& known = server_->statements;
  pool::ServerStatements::Number number = known.add(statement, ddl_epoch());
  // A few at a time: there is room for no more in one turn.
  constexpr int kClosedAtOnce = 4;
  for (int i = 0; i < kClosedAtOnce; ++i) {
    pool::ServerStatements::Number old = known.evict();
    if (old == pool::ServerStatements::kNone) break;
    std::string close;
    wire::append_close_statement(close, pool::ServerStatements::name_of(old));
    server_->queue.push(Request::close, 0, ResponseQueue::kSwallow);
    out.add(scratch(close));
  }
  return pool::ServerStatements::name_of(number);
}

uint64_t PooledMachine::ddl_epoch() const {
  return server_->destination == nullptr ? 0 : server_->destination->ddl_epoch();
}

void PooledMachine::prepare_again(const pool::StatementPtr& statement, std::string_view name,
                                  Pieces& out) {
  std::string parse;
  {
    wire::MessageBuilder message(parse, wire::client_message::kParse);
    message.c_string(name).bytes(statement->parse);
  }
  ask(Request::parse, ResponseQueue::kSwallow);
  changes_.push_back({.made = name.empty() ? nullptr : statement, .of_client = false});
  if (name.empty()) server_->unnamed = statement;
  out.add(scratch(parse));
}

// What the server would say to the client it cannot say: it knows other names. So it is given
// something that fails in the same way, and the client is told in our words.
void PooledMachine::let_fail(std::string_view sqlstate, const std::string& message, Pieces& out) {
  wire::ErrorField fields[] = {{'S', "ERROR"}, {'V', "ERROR"}, {'C', sqlstate}, {'M', message}};
  wire::append_error_response(mistakes_.emplace_back(), fields);
  std::string bind;
  wire::append_bind(bind, "", kNoStatement, {});
  ask(Request::bind, ResponseQueue::kReplaced);
  out.add(scratch(bind));
}

void PooledMachine::on_change_confirmed() {
  if (changes_done_ < changes_.size()) ++changes_done_;
}

// The server skips to Sync: what it has not confirmed did not happen.
void PooledMachine::undo_changes(Request failed) {
  for (size_t i = changes_.size(); i > changes_done_; --i) {
    Change& change = changes_[i - 1];
    if (change.made != nullptr) server_->statements.erase(*change.made);
    if (!change.of_client) continue;
    if (change.name.empty()) {
      // A Parse that fails has dropped the one before it.
      bool refused = i - 1 == changes_done_ && failed == Request::parse;
      unnamed_ = refused ? nullptr : std::move(change.before);
      server_->unnamed = nullptr;
    } else if (change.before != nullptr) {
      statements_[change.name] = std::move(change.before);
    } else {
      statements_.erase(change.name);
    }
  }
  changes_.clear();
  changes_done_ = 0;
}

void PooledMachine::note_sent(const sql::TextFacts& facts) {
  only_reads_ = only_reads_ && facts.is_read_only();
  sql::Suspicions suspicions = facts.suspicions();
  if (suspicions.has_any_of(kUnproven) || facts.kinds().has_any_of(kSettingKinds)) {
    server_->unproven = true;
  }
  if (facts.is_plain()) return;
  bool unclear = facts.is_cut() || facts.is_malformed();
  if (unclear || suspicions.has_any_of(kProbedSuspicions) ||
      facts.kinds().has_any_of(kProbedKinds)) {
    suspected_ = server_->unproven = true;
  }
  if (facts.is_cut()) pins_.add(Pin::unknown_setting);
  if (suspicions.has(Suspicion::setseed)) pins_.add(Pin::random_seed);
  if (suspicions.has(Suspicion::moves_sequence)) pins_.add(Pin::sequence);
  if (suspicions.has(Suspicion::set_config)) pins_.add(Pin::unknown_setting);
  for (const sql::Statement& statement : facts.statements()) note_statement(statement);
}

void PooledMachine::note_statement(const sql::Statement& statement) {
  switch (statement.kind) {
    case StatementKind::set:
    case StatementKind::set_role: {
      using Value = sql::SettingValue::Kind;
      bool is_known =
          statement.value.kind == Value::given || statement.value.kind == Value::to_default;
      if (!statement.is_local && (!is_known || statement.is_malformed)) {
        pins_.add(Pin::unknown_setting);
      }
      break;
    }
    case StatementKind::set_session_characteristics:
      if (!statement.modes.is_certain) pins_.add(Pin::unknown_setting);
      break;
    case StatementKind::set_session_authorization:
      if (statement.value.kind != sql::SettingValue::Kind::to_default) {
        pins_.add(Pin::session_authorization);
      }
      break;
    case StatementKind::declare:
      if (statement.with_hold || statement.is_malformed) suspected_ = true;
      break;
    case StatementKind::close:
    case StatementKind::close_all:
      if (pins_.has(Pin::held_cursor)) suspected_ = true;
      break;
    case StatementKind::ddl:
      if (pins_.has(Pin::temporary_object)) suspected_ = true;
      break;
    default:
      break;
  }
}

}  // namespace trunkline::session
