#include <utility>

#include "pool/guard.h"
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
constexpr sql::KindSet kProbedKinds = {StatementKind::create_temp, StatementKind::discard_temp,
                                       StatementKind::discard_all, StatementKind::do_,
                                       StatementKind::call,        StatementKind::load,
                                       StatementKind::other};
constexpr sql::Suspicions kProbedSuspicions = {
    Suspicion::session_lock, Suspicion::session_unlock, Suspicion::temp_objects,
    Suspicion::opaque,       Suspicion::dblink,         Suspicion::set_config_named};
// After these nothing is known of what the session has set.
constexpr sql::Suspicions kUnproven = {Suspicion::set_config, Suspicion::set_config_named,
                                       Suspicion::opaque, Suspicion::may_fire_triggers,
                                       Suspicion::dblink, Suspicion::unknown_types,
                                       // What looks like a table may be a view, and call anything.
                                       Suspicion::temp_objects, Suspicion::reads_relations};

// What PostgreSQL analyses when it parses them (analyze_requires_snapshot in analyze.c). CREATE
// TABLE AS is one of them, too, but is not told from other DDL here.
constexpr sql::KindSet kAnalysed = {
    StatementKind::select,  StatementKind::values,         StatementKind::with,
    StatementKind::insert,  StatementKind::update,         StatementKind::delete_,
    StatementKind::merge,   StatementKind::call,           StatementKind::declare,
    StatementKind::explain, StatementKind::explain_analyze};

constexpr sql::KindSet kTransactionEnds = {StatementKind::begin, StatementKind::commit,
                                           StatementKind::rollback,
                                           StatementKind::prepare_transaction};

// What they do is followed; that nobody else is hit by a mistake in that does not rest on it.
constexpr sql::KindSet kSettingKinds = {StatementKind::set,
                                        StatementKind::set_role,
                                        StatementKind::set_session_authorization,
                                        StatementKind::set_session_characteristics,
                                        StatementKind::reset,
                                        StatementKind::reset_all};

// No setting changes what they mean, and some may not come behind a query.
bool acts_on_transaction(const pool::Statement& statement) {
  static constexpr sql::KindSet kKinds = {StatementKind::begin,          StatementKind::commit,
                                          StatementKind::rollback,       StatementKind::savepoint,
                                          StatementKind::rollback_to,    StatementKind::release,
                                          StatementKind::set_transaction};
  return statement.facts != nullptr && statement.facts->kinds().is_within(kKinds);
}

}  // namespace

pool::StatementPtr PooledMachine::statement_named(std::string_view name) const {
  if (name.empty()) return unnamed_;
  const pool::StatementPtr* found = statements_.find(name);
  return found == nullptr ? nullptr : *found;
}

// As the server knows it, which is told of it now if it does not.
std::string PooledMachine::server_name(const pool::StatementPtr& statement, Pieces& out) {
  pool::ServerStatements::Number number = server_->statements.find(*statement);
  if (number != pool::ServerStatements::kNone) return pool::ServerStatements::name_of(number);
  pool::StatementPtr made = statement;
  if (meaning_is_open_) [[unlikely]] {
    // What the transaction has set for itself would be in it, for others as well.
    for (const auto& [of, apart] : apart_) {
      if (of != statement) continue;
      number = server_->statements.find(*apart);
      if (number != pool::ServerStatements::kNone) return pool::ServerStatements::name_of(number);
    }
    made = pool::apart(*statement);
    apart_.emplace_back(statement, made);
  }
  std::string name = add_to_server(made, out);
  prepare_again(made, name, out);
  return name;
}

// Whether it is this moment, or what the transaction has set for itself, that makes the text what
// it is, and not what others with the same settings would get.
bool PooledMachine::is_decided_now(const sql::TextFacts& facts) const {
  return meaning_is_open_ || facts.has(sql::Suspicion::names_moment);
}

// Of a text that is on its way: until its transaction has ended `of_meaning` may not be what holds.
void PooledMachine::note_meaning(const sql::TextFacts& facts) {
  for (const sql::Statement& each : facts.statements()) {
    bool sets = kSettingKinds.has(each.kind) || each.kind == StatementKind::discard_all;
    bool names_harmless = each.kind == StatementKind::set || each.kind == StatementKind::reset;
    meaning_is_open_ |= sets && !(names_harmless && !SessionSettings::has_meaning(each.name.text));
    meaning_is_open_ |= std::ranges::any_of(each.settings, SessionSettings::has_meaning);
  }
  // Of a setting that is not known.
  meaning_is_open_ |= facts.suspicions().has_any_of(
      {sql::Suspicion::set_config, sql::Suspicion::sets_meaning_locally});
}

std::string PooledMachine::add_to_server(const pool::StatementPtr& statement, Pieces& out) {
  pool::ServerStatements::Number number = server_->statements.add(statement, ddl_epoch());
  close_evicted(out);
  return pool::ServerStatements::name_of(number);
}

void PooledMachine::close_evicted(Pieces& out) {
  // A few at a time, so that one message costs no more than another.
  constexpr int kClosedAtOnce = 4;
  std::string closes;
  for (int i = 0; i < kClosedAtOnce; ++i) {
    pool::ServerStatements::Number old = server_->statements.evict();
    if (old == pool::ServerStatements::kNone) break;
    wire::append_close_statement(closes, pool::ServerStatements::name_of(old));
    server_->queue.push(Request::close, 0, ResponseQueue::kSwallow);
  }
  if (!closes.empty()) out.add(scratch(closes));
}

uint64_t PooledMachine::ddl_epoch() const {
  return server_->destination == nullptr ? 0 : server_->destination->ddl_epoch();
}

// Under the settings that it was prepared with at first: in the transaction of the request that
// needs it, and so undone with that.
void PooledMachine::prepare_again(const pool::StatementPtr& statement, std::string_view name,
                                  Pieces& out) {
  bool is_as_now = meaning_is_open_ || acts_on_transaction(*statement) ||
                   pool::same(statement->settings, settings_.of_meaning());
  if (is_as_now) [[likely]]
    return prepare_now(statement, name, out);
  const pool::Settings now = settings_.current() ? *settings_.current() : pool::Settings();
  const pool::Settings then = settings_.with_meaning(statement->settings);
  std::string there;
  pool::append_settings(there, *server_, now, then);
  out.add(scratch(there));
  prepare_now(statement, name, out);
  std::string back;
  pool::append_settings(back, *server_, then, now);
  out.add(scratch(back));
}

void PooledMachine::prepare_now(const pool::StatementPtr& statement, std::string_view name,
                                Pieces& out) {
  if (statement->sql_types) {
    run_sql(Rewriter::prepare(*statement, name), statement, out);
    return;
  }
  std::string parse;
  {
    wire::MessageBuilder message(parse, wire::client_message::kParse);
    message.c_string(name).bytes(statement->parse);
  }
  ask(Request::parse, ResponseQueue::kSwallow);
  count(pool::PoolCells::kPreparedAgain);
  changes_.push_back({.made = name.empty() ? nullptr : statement, .of_client = false});
  if (name.empty()) server_->unnamed = statement;
  out.add(scratch(parse));
}

// A statement that somebody else's Parse has made, in place of a new one: if the tables it reads
// have been changed since by somebody who bypasses the proxy, this fails (plancache.c:
// RevalidateCachedQuery), and the unit is asked again.
void PooledMachine::describe_known(pool::ServerStatements::Number number, Pieces& out) {
  std::string describe;
  wire::MessageBuilder(describe, wire::client_message::kDescribe)
      .byte('S')
      .c_string(pool::ServerStatements::name_of(number));
  ask(Request::describe, ResponseQueue::kSwallow);
  out.add(scratch(describe));
}

// In place of a Parse that the server need not see: PostgreSQL's would have taken the transaction's
// snapshot, if there is none yet. From then on the transaction may not choose its isolation any
// more, and a repeatable one sees nothing newer.
void PooledMachine::take_snapshot(const sql::TextFacts& facts, Pieces& out) {
  static constexpr std::string_view kName = "trunkline_snapshot";
  bool in_block = in_block_ || !running_.empty();
  if (!in_block || has_snapshot_ || !facts.kinds().has_any_of(kAnalysed)) return;
  std::string messages;
  // It is left when a timeout comes before the second Close.
  wire::append_close_statement(messages, kName);
  wire::append_parse(messages, kName, "SELECT");
  wire::append_close_statement(messages, kName);
  for (Request each : {Request::close, Request::parse, Request::close}) {
    ask(each, ResponseQueue::kSwallow);
  }
  changes_.push_back({.of_client = false});
  out.add(scratch(messages));
  has_snapshot_ = true;
}

// Of a text that is on its way to be run, after what it executes. What may fail, or only perhaps
// takes one, counts for nothing: that costs one Parse more.
void PooledMachine::note_snapshot(const sql::TextFacts& facts, const Rewriting* rewriting) {
  if (facts.kinds().has_any_of(kTransactionEnds)) {
    has_snapshot_ = false;
  } else if (rewriting == nullptr && facts.kinds().has_any_of(kAnalysed)) {
    has_snapshot_ = true;
  }
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
      statements_.set(change.name, std::move(change.before));
    } else {
      statements_.erase(change.name);
    }
  }
  changes_.clear();
  changes_done_ = 0;
}

void PooledMachine::note_sent(const sql::TextFacts& facts, const Rewriting* rewriting) {
  only_reads_ = only_reads_ && facts.is_read_only();
  if (may_restart_) note_restart(facts);
  note_listens(facts);
  sql::Suspicions suspicions = suspicions_of_run(facts);
  if (rewriting != nullptr) {
    for (const auto& executed : rewriting->executed) note_executed(*executed);
    if (!rewriting->knows_all) suspected_ = server_->unproven = true;
  }
  note_snapshot(facts, rewriting);
  if (facts.has(StatementKind::ddl) && names_change_ == nullptr &&
      server_->destination != nullptr) {
    names_change_ = server_->destination->plain_names().change();
  }
  if (facts.kinds().has_any_of(kSettingKinds) ||
      (suspicions.has_any_of(kUnproven) && !leaves_nothing(facts))) {
    server_->unproven = true;
  }
  note_sequences(facts, suspicions);
  if (facts.is_plain()) return;
  note_made_up(facts, suspicions);
  note_meaning(facts);
  bool unclear = facts.is_cut() || facts.is_malformed();
  if (unclear || suspicions.has_any_of(kProbedSuspicions) ||
      facts.kinds().has_any_of(kProbedKinds)) {
    suspected_ = server_->unproven = true;
  }
  note_cause(facts);
  pins_.add(certain_pins(facts));
  for (const sql::Statement& statement : facts.statements()) note_statement(statement);
}

// By SQL's EXECUTE. What the protocol has prepared may be any statement, and is run as it is: where
// that acts on what is kept here, it stays where it is. What acts on names comes here only while
// the connection has the client's.
void PooledMachine::note_executed(const sql::TextFacts& facts) {
  static constexpr sql::KindSet kKept = {
      StatementKind::listen,     StatementKind::unlisten,      StatementKind::unlisten_all,
      StatementKind::declare,    StatementKind::create_temp,   StatementKind::discard_temp,
      StatementKind::prepare,    StatementKind::execute,       StatementKind::discard_all,
      StatementKind::deallocate, StatementKind::deallocate_all};
  note_sent(facts);
  bool sets = facts.kinds().has_any_of(kSettingKinds);
  if (sets) pins_.add(Pin::unknown_setting);
  if (sets || facts.kinds().has_any_of(kKept)) suspected_ = server_->unproven = true;
}

// A text that reads plain tables. Who has temporary objects, or has changed what names mean, may
// mean others than those that the catalog shows to all.
bool PooledMachine::leaves_nothing(const sql::TextFacts& facts) {
  return !server_->unproven && !suspected_ && names_change_ == nullptr && pins_.none() &&
         server_->destination != nullptr && server_->destination->plain_names().cover(facts, now_);
}

// Of a text that has gone by. What would have had to be sent otherwise stays where it is.
void PooledMachine::note_long(const sql::TextFacts& facts) {
  bool is_whole = !facts.needs_rewrite() && !is_rewritten(facts) &&
                  !facts.has(StatementKind::listen) && !facts.has(StatementKind::unlisten) &&
                  !facts.has(StatementKind::unlisten_all);
  if (is_whole) return note_sent(facts);
  note_snapshot(facts, nullptr);
  pins_.add(Pin::long_statement);
  suspected_ = server_->unproven = true;
  note_notifies();
}

void PooledMachine::note_statement(const sql::Statement& statement) {
  for (const std::string& name : statement.settings) settings_.ask_for(name);
  switch (statement.kind) {
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
    case StatementKind::deallocate:
    case StatementKind::deallocate_all:
      if (pins_.has(Pin::prepared)) suspected_ = true;
      break;
    default:
      break;
  }
}

}  // namespace trunkline::session
