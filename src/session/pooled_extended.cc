#include <algorithm>
#include <utility>

#include "session/bound_settings.h"
#include "session/pooled_machine.h"
#include "session/unprepared.h"

// The extended protocol's requests: the client's names of statements become those that the server
// knows.
namespace trunkline::session {

using wire::Request;
using wire::ResponseQueue;

namespace {

// What a failed transaction still takes (postgres.c: IsTransactionExitStmt).
bool ends_transaction(const sql::TextFacts* facts) {
  static constexpr sql::KindSet kExits = {sql::StatementKind::commit, sql::StatementKind::rollback,
                                          sql::StatementKind::rollback_to,
                                          sql::StatementKind::prepare_transaction};
  return facts != nullptr && facts->statement_count() == 1 && facts->kinds().is_within(kExits);
}

bool ends_transaction(const pool::Statement& statement) {
  return ends_transaction(statement.facts.get());
}

// The text may be prepared and described in a failed transaction; only exits may be bound.
bool is_taken_when_failed(const pool::Statement& statement) {
  bool is_empty = statement.facts != nullptr && statement.facts->statement_count() == 0 &&
                  statement.facts->outcome() == sql::Lexer::Outcome::complete;
  return is_empty || ends_transaction(statement);
}

// Of what is not in the text.
bool may_be_outdated(const pool::Statement& statement) {
  return statement.facts == nullptr ||
         !statement.facts->suspicions().without(sql::Suspicion::names_pg_catalog).none();
}

std::string_view first_name(std::string_view body) {
  return body.substr(0, body.find('\0'));
}

}  // namespace

PooledMachine::Verdict PooledMachine::on_parse(std::string_view& input, Pieces& out) {
  const FrontReader::Front& front = reader_.front();
  std::string name(first_name(front.body()));
  size_t name_bytes = std::min(name.size() + 1, front.body().size());
  pool::StatementPtr statement;
  if (front.is_whole()) {
    statement = cache_.get(front.body().substr(name_bytes), settings_.of_meaning(), syntax_);
    settings_.share_meaning(statement->settings);
    if (!name.empty() && is_decided_now(*statement->facts)) [[unlikely]]
      statement = pool::apart(*statement);
    if (std::optional<Error> refused = refusal_to_parse(*statement->facts)) [[unlikely]]
      return refuse_parse(*refused, input, out);
  } else {
    // Too long to be known again: it stays where it is. The unnamed one is run once as a rule.
    std::optional<Error> refused =
        name.empty() ? refusal_of_state(Pin::long_statement) : refusal_of_long_text();
    if (refused) return refuse_parse(*refused, input, out);
    if (name.empty()) {
      long_unnamed_has_run_ = false;
    } else {
      pins_.add(Pin::long_statement);
    }
    auto alone = std::make_shared<pool::Statement>();
    alone->hash = reinterpret_cast<uintptr_t>(alone.get());
    alone->parse = std::to_string(alone->hash);
    alone->is_long = true;
    begin_long_text(front.body().substr(name_bytes), alone);
    statement = std::move(alone);
  }
  lay_names_on(statement->facts.get(), out);
  if (name.empty()) {
    changes_.push_back({.name = "", .before = std::exchange(unnamed_, statement)});
    server_->unnamed = statement;
    ask(Request::parse);
    pass(input, out);
    return Verdict::go_on;
  }
  if (has_client_names()) return parse_as_is(std::move(name), statement, input, out);
  pool::StatementPtr before = statement_named(name);
  if (is_failed() && !is_taken_when_failed(*statement)) {
    // The server refuses it before it looks at the name.
    changes_.push_back({.name = std::move(name), .before = std::move(before)});
    ask(Request::parse);
    pass_renamed(input, std::string(kNoStatement) + '\0', name_bytes, out);
    return Verdict::go_on;
  }
  if (before != nullptr && is_failed()) {
    // The one before it can not be prepared here now, to be in the way.
    let_fail("42P05", "prepared statement \"" + name + "\" already exists", out);
    skip(input);
    return Verdict::go_on;
  }
  if (before != nullptr) {
    // The server looks at the text first, and then finds that there is one already.
    std::string taken = server_name(before, out) + '\0';
    named_.push_back(name);
    changes_.push_back({.name = std::move(name), .before = std::move(before)});
    ask(Request::parse, ResponseQueue::kNamed);
    pass_renamed(input, taken, name_bytes, out);
    return Verdict::go_on;
  }
  // After DDL a Parse gets a fresh plan, as it would from PostgreSQL. What bypasses the proxy shows
  // when the server is asked.
  pool::ServerStatements::Number known = server_->statements.find(*statement, ddl_epoch());
  bool is_known = known != pool::ServerStatements::kNone;
  if (is_known && may_be_outdated(*statement)) {
    // It must be the first that is asked, or the client has been told too much to begin anew.
    is_known = may_restart_ && !has_asked_;
    if (is_known) describe_known(known, out);
  }
  if (is_known) take_snapshot(*statement->facts, out);
  statements_.set(name, statement);
  changes_.push_back({.name = std::move(name), .made = is_known ? nullptr : statement});
  if (is_known) {
    ask(Request::parse, ResponseQueue::kByProxy);
    skip(input);
    return Verdict::go_on;
  }
  std::string ours = add_to_server(statement, out) + '\0';
  ask(Request::parse);
  pass_renamed(input, ours, name_bytes, out);
  return Verdict::go_on;
}

PooledMachine::Verdict PooledMachine::on_bind(std::string_view& input, Pieces& out) {
  std::string_view body = reader_.front().body();
  size_t portal_end = body.find('\0');
  size_t name_end =
      portal_end == std::string_view::npos ? portal_end : body.find('\0', portal_end + 1);
  if (name_end == std::string_view::npos) {
    // Malformed, which the server says best; or names beyond any sense.
    if (reader_.front().is_whole()) {
      ask(Request::bind);
      pass(input, out);
      return Verdict::go_on;
    }
    return refuse({.reason = Reason::client_protocol_error,
                   .side = Side::client,
                   .sqlstate = sqlstate::kProtocolViolation,
                   .message = "the names in a Bind message are too long"});
  }
  std::string portal_name(body.substr(0, portal_end));
  std::string_view name = body.substr(portal_end + 1, name_end - portal_end - 1);
  pool::StatementPtr statement = statement_named(name);
  if (statement == nullptr) return fail_without(name, input, out);
  if (is_failed() && !ends_transaction(*statement) && !is_prepared(name, *statement)) {
    std::optional<std::string> mistake;
    if (reader_.front().is_whole()) {
      mistake = mistake_of_bind(*statement, name, body.substr(name_end + 1), syntax_);
    }
    if (!mistake) return fail_aborted(input, out);
    let_fail("08P01", *mistake, out);
    skip(input);
    return Verdict::go_on;
  }
  Portal portal{.name = portal_name, .statement = statement};
  if (statement->facts != nullptr && !statement->facts->bound_settings().empty() &&
      reader_.front().is_whole()) {
    portal.facts = facts_with_bound_settings(*statement->facts, body.substr(name_end + 1));
  }
  lay_names_on(statement->facts.get(), out);
  statement = rewritten(statement, portal.rewriting, out);
  bool as_is = has_client_names() && (!portal.rewriting || portal.rewriting->edits.empty());
  if (portal_name.empty()) {
    unnamed_portal_ = std::move(portal);
  } else {
    std::erase_if(portals_, [&](const Portal& each) { return each.name == portal_name; });
    portals_.push_back(std::move(portal));
  }
  if (name.empty() && server_->unnamed != statement) prepare_again(statement, "", out);
  if (name.empty() || as_is) {
    ask(Request::bind);
    pass(input, out);
    return Verdict::go_on;
  }
  std::string names = portal_name + '\0' + server_name(statement, out) + '\0';
  named_.emplace_back(name);
  ask(Request::bind, ResponseQueue::kNamed);
  pass_renamed(input, names, name_end + 1, out);
  return Verdict::go_on;
}

PooledMachine::Verdict PooledMachine::on_describe(std::string_view& input, Pieces& out) {
  std::string_view body = reader_.front().body();
  if (!body.starts_with('S')) {
    ask(Request::describe);
    pass(input, out);
    return Verdict::go_on;
  }
  std::string_view name = first_name(body.substr(1));
  pool::StatementPtr statement = statement_named(name);
  if (statement == nullptr) return fail_without(name, input, out);
  if (is_failed() && !is_taken_when_failed(*statement) && !is_prepared(name, *statement)) {
    std::optional<std::string> alike = described_alike(*statement, syntax_);
    if (!alike) return fail_aborted(input, out);
    statement = cache_.get(*alike, settings_.of_meaning(), syntax_);
  }
  // EXECUTE has the columns of what it runs.
  if (statement->facts && statement->facts->suspicions().has(sql::Suspicion::runs_prepared)) {
    std::shared_ptr<Rewriting> rewriting;
    statement = rewritten(statement, rewriting, out);
  }
  if (name.empty() && server_->unnamed != statement) prepare_again(statement, "", out);
  if (name.empty() || has_client_names()) {
    ask(Request::describe);
    pass(input, out);
    return Verdict::go_on;
  }
  std::string names = "S" + server_name(statement, out) + '\0';
  size_t names_before = std::min(name.size() + 2, body.size());
  named_.emplace_back(name);
  ask(Request::describe, ResponseQueue::kNamed);
  pass_renamed(input, names, names_before, out);
  return Verdict::go_on;
}

PooledMachine::Verdict PooledMachine::on_close(std::string_view& input, Pieces& out) {
  std::string_view body = reader_.front().body();
  if (!body.starts_with('S')) {
    changes_.push_back({.of_client = false});
    ask(Request::close);
    pass(input, out);
    return Verdict::go_on;
  }
  // The server keeps it for others; that there is none is no error.
  std::string name(first_name(body.substr(1)));
  pool::StatementPtr before;
  if (name.empty()) {
    before = std::exchange(unnamed_, nullptr);
  } else {
    before = statements_.take(name);
  }
  changes_.push_back({.name = std::move(name), .before = std::move(before)});
  if (has_client_names()) {
    ask(Request::close);
    pass(input, out);
    return Verdict::go_on;
  }
  ask(Request::close, ResponseQueue::kByProxy);
  skip(input);
  return Verdict::go_on;
}

PooledMachine::Verdict PooledMachine::on_execute(std::string_view& input, Pieces& out) {
  Portal* portal = portal_named(first_name(reader_.front().body()));
  std::shared_ptr<Rewriting> rewriting;
  if (portal != nullptr && portal->statement != nullptr && portal->statement->facts != nullptr) {
    rewriting = portal->rewriting;
    const std::shared_ptr<const sql::TextFacts>& known =
        portal->facts ? portal->facts : portal->statement->facts;
    const sql::TextFacts& facts = *known;
    if (!may_send(facts)) return Verdict::hold;
    if (std::optional<Error> refused = refusal_to_run(facts)) [[unlikely]]
      return refuse_execute(*refused, input, out);
    lay_channels_on(facts, out);
    if (rewriting != nullptr) execute_rewritten(*rewriting, facts);
    if (portal->statement->is_long) {
      long_unnamed_has_run_ |= portal->statement == unnamed_;
      note_long(facts);
    } else {
      note_sent(facts, rewriting.get());
    }
    running_.push_back({.facts = known, .rewriting = rewriting});
  } else {
    // A cursor of SQL, or one that was not seen: what it does was noticed when it was declared.
    note_notifies();
    running_.emplace_back();
  }
  ask(Request::execute);
  pass(input, out);
  if (rewriting != nullptr) {
    for (const std::string& sql : rewriting->behind) run_sql(sql, nullptr, out);
  }
  return Verdict::go_on;
}

PooledMachine::Portal* PooledMachine::portal_named(std::string_view name) {
  if (name.empty()) return &unnamed_portal_;
  auto found = std::ranges::find(portals_, name, &Portal::name);
  return found == portals_.end() ? nullptr : &*found;
}

// Of a text that is too long to be prepared elsewhere: its Bind is still to come.
bool PooledMachine::awaits_long_unnamed() const {
  return unnamed_ != nullptr && unnamed_->is_long && !long_unnamed_has_run_;
}

// When the next request is looked at, as far as the proxy can know.
bool PooledMachine::is_failed() const {
  return server_->queue.status() == wire::TransactionStatus::failed &&
         std::ranges::none_of(
             running_, [](const Running& each) { return ends_transaction(each.facts.get()); });
}

// On this connection, as the client means it.
bool PooledMachine::is_prepared(std::string_view name, const pool::Statement& statement) {
  if (name.empty()) return server_->unnamed == unnamed_;
  if (has_client_names()) return names_ == Names::clients;
  return server_->statements.find(statement) != pool::ServerStatements::kNone;
}

}  // namespace trunkline::session
