#include <algorithm>
#include <string>
#include <utility>

#include "pool/guard.h"
#include "session/pooled_machine.h"
#include "sql/literal.h"
#include "wire/builders.h"

// Texts that see the names of prepared statements, which are ours on a connection that is shared:
// for these it has the client's statements, under the client's own names, and no others.
namespace trunkline::session {

using sql::StatementKind;
using sql::Suspicion;
using wire::Request;
using wire::ResponseQueue;

// pg_prepared_statements shows them. Code that is not seen may EXECUTE what SQL has prepared; of
// functions that is not expected.
bool PooledMachine::sees_names(const sql::TextFacts& facts) const {
  if (facts.has(Suspicion::reads_prepared)) return true;
  if (facts.has(Suspicion::runs_prepared)) {
    for (const sql::Statement& statement : facts.statements()) {
      if (!statement.suspicions.has(Suspicion::runs_prepared)) continue;
      pool::StatementPtr runs = statement_named(statement.name.text);
      if (runs && runs->facts && runs->facts->has(Suspicion::reads_prepared)) return true;
    }
  }
  bool is_unseen = facts.has(StatementKind::do_) || facts.has(StatementKind::call);
  bool sees = false;
  if (is_unseen) {
    statements_.for_each([&](std::string_view, const pool::StatementPtr& statement) {
      sees |= statement->sql_types.has_value();
    });
  }
  return sees;
}

// Ahead of what is about to be sent. As nothing of that runs if it fails, it may stand anywhere in
// a pipeline; so that it may be done again, whatever there is of either is closed first, which is
// no error where there is none.
void PooledMachine::lay_names_on(const sql::TextFacts* facts, Pieces& out) {
  bool wanted = names_ == Names::unsure || (facts != nullptr && sees_names(*facts));
  if (!wanted || is_failed()) return;
  // A guard has run since.
  if (names_ == Names::clients && server_->guards_prepared == 0) return;
  // What cannot be prepared again would be lost.
  if (pins_.has(Pin::long_statement)) return;
  std::string messages;
  auto close = [&](std::string_view name) {
    wire::append_close_statement(messages, name);
    server_->queue.push(Request::close, 0, ResponseQueue::kSwallow);
  };
  pool::close_guards(messages, *server_);
  server_->statements.expire();
  for (auto old = server_->statements.evict(); old != pool::ServerStatements::kNone;
       old = server_->statements.evict()) {
    close(pool::ServerStatements::name_of(old));
  }
  if (has_client_names()) {
    statements_.for_each([&](std::string_view name, const pool::StatementPtr&) { close(name); });
  }
  statements_.for_each([&](std::string_view name, const pool::StatementPtr& statement) {
    if (statement->sql_types) {
      append_run(messages, Rewriter::prepare(*statement), nullptr);
      return;
    }
    wire::MessageBuilder(messages, wire::client_message::kParse)
        .c_string(name)
        .bytes(statement->parse);
    ask(Request::parse, ResponseQueue::kSwallow);
    changes_.push_back({.of_client = false});
    count(pool::PoolCells::kPreparedAgain);
  });
  names_ = Names::clients;
  names_are_new_ = true;
  out.add(keep(std::move(messages)));
}

// The server drops all there are.
void PooledMachine::take_names_off() {
  names_ = Names::ours;
  pool::forget_guards(*server_);
  server_->statements.clear();
}

PooledMachine::Verdict PooledMachine::parse_as_is(std::string name,
                                                  const pool::StatementPtr& statement,
                                                  std::string_view& input, Pieces& out) {
  pool::StatementPtr before = statement_named(name);
  // The server says that there is one, or that the transaction has failed.
  if (before == nullptr) statements_.set(name, statement);
  changes_.push_back({.name = std::move(name), .before = std::move(before)});
  ask(Request::parse);
  pass(input, out);
  return Verdict::go_on;
}

// The client's own are none of code that is not seen; a row of three columns for each that such
// code has dropped.
void PooledMachine::add_names(std::string& probe) const {
  std::string names;
  statements_.for_each([&](std::string_view name, const pool::StatementPtr&) {
    if (!names.empty()) names += ", ";
    names += sql::quote_literal(name);
  });
  std::string array = "ARRAY[" + names + "]::pg_catalog.text[]";
  probe.insert(probe.find(kProbeOurNames) + kProbeOurNames.size(),
               " AND name <> ALL (" + array + ")");
  probe += "; SELECT n, '', '' FROM pg_catalog.unnest(" + array +
           ") AS n WHERE NOT EXISTS "
           "(SELECT FROM pg_catalog.pg_prepared_statements WHERE name = n)";
}

}  // namespace trunkline::session
