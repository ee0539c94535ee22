#include <charconv>
#include <utility>

#include "session/pooled_machine.h"
#include "wire/builders.h"
#include "wire/protocol.h"

// Texts that act on what is kept here: on their way to a server, and what it then says of them.
namespace trunkline::session {

using sql::StatementKind;
using wire::Request;
using wire::ResponseQueue;

bool PooledMachine::is_rewritten(const sql::TextFacts& facts) const {
  bool has_startup = settings_.startup() != nullptr && !settings_.startup()->empty();
  return may_need_rewriting(facts, has_startup);
}

std::shared_ptr<Rewriting> PooledMachine::rewrite(Rewriter::Of of, std::string_view text,
                                                  const sql::TextFacts& facts, Pieces& out) {
  close_evicted(out);
  Rewriter::Place place{
      .statement_named = [this](std::string_view name) { return statement_named(name); },
      .cache = cache_,
      .syntax = syntax_,
      .meaning = settings_.of_meaning(),
      .meaning_is_open = meaning_is_open_,
      .startup = settings_.startup(),
      .server = server_->statements,
      .ddl_epoch = ddl_epoch(),
      .is_failed = is_failed(),
      .has_client_names = has_client_names()};
  std::shared_ptr<Rewriting> made = Rewriter(of, place).rewrite(text, facts);
  for (const Rewriting::Prepared& each : made->ahead) {
    prepare_again(each.statement, pool::ServerStatements::name_of(each.number), out);
  }
  return made;
}

// What the server is to be asked to bind or describe; the statement itself where that will do.
pool::StatementPtr PooledMachine::rewritten(const pool::StatementPtr& statement,
                                            std::shared_ptr<Rewriting>& rewriting, Pieces& out) {
  if (statement->facts == nullptr || statement->sql_types || statement->is_long) return statement;
  if (is_failed() || !is_rewritten(*statement->facts)) return statement;
  rewriting = rewrite(Rewriter::Of::parse, statement->text(), *statement->facts, out);
  if (rewriting->edits.empty()) return statement;
  std::string body = rewriting->edits.apply(statement->text());
  body += statement->parse.substr(statement->text().size());
  return cache_.get(body, statement->settings, syntax_);
}

// A Query's text has changed all this as it was looked at: nothing comes between.
void PooledMachine::execute_rewritten(Rewriting& rewriting, const sql::TextFacts& facts) {
  static constexpr sql::KindSet kDropAll = {StatementKind::deallocate_all,
                                            StatementKind::discard_all};
  rewriting.done = 0;
  bool drops_all = facts.kinds().has_any_of(kDropAll);
  barrier_ = drops_all || !rewriting.steps.empty();
  if (rewriting.has_client_names) return;
  if (drops_all) server_->statements.expire();
  for (const Rewriting::Step& step : rewriting.steps) {
    if (step.kind == Rewriting::Step::Kind::prepares) {
      server_->statements.put(step.statement, step.number, ddl_epoch());
    } else {
      server_->statements.retire(*step.statement);
    }
  }
}

// A statement of our own in the midst of the client's, under names that nothing else has.
void PooledMachine::run_sql(std::string_view sql, const pool::StatementPtr& makes, Pieces& out) {
  std::string messages;
  append_run(messages, sql, makes);
  out.add(keep(std::move(messages)));
}

void PooledMachine::append_run(std::string& messages, std::string_view sql,
                               const pool::StatementPtr& makes) {
  static constexpr std::string_view kName = "trunkline_own";
  // It is left where its execution has failed.
  wire::append_close_statement(messages, kName);
  wire::append_parse(messages, kName, sql);
  wire::append_bind(messages, kName, kName, {});
  wire::append_execute(messages, kName);
  wire::MessageBuilder(messages, wire::client_message::kClose).byte('P').c_string(kName);
  wire::append_close_statement(messages, kName);
  for (Request each : {Request::close, Request::parse, Request::bind, Request::execute,
                       Request::close, Request::close}) {
    ask(each, ResponseQueue::kSwallow);
  }
  changes_.push_back({.of_client = false});
  changes_.push_back({.made = makes, .of_client = false});
}

// A statement that was put in by us.
bool PooledMachine::completes_inserted() {
  Rewriting* current = rewriting();
  const Rewriting::Step* step = current != nullptr ? current->step(statement_) : nullptr;
  if (step == nullptr || step->kind != Rewriting::Step::Kind::inserted) return false;
  ++current->done;
  return true;
}

void PooledMachine::on_step_completed() {
  Rewriting* current = rewriting();
  const Rewriting::Step* step = current != nullptr ? current->step(statement_) : nullptr;
  if (step == nullptr) return;
  ++current->done;
  if (step->kind == Rewriting::Step::Kind::prepares) {
    statements_.set(step->name, step->statement);
  } else {
    statements_.erase(step->name);
    server_->statements.was_dropped(step->number);
  }
}

}  // namespace trunkline::session
