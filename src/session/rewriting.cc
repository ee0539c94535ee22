#include "session/rewriting.h"

#include <fmt/format.h>

#include "sql/literal.h"

namespace trunkline::session {

using pool::ServerStatements;
using sql::StatementKind;

namespace {

constexpr sql::KindSet kOnPrepared = {StatementKind::prepare, StatementKind::execute,
                                      StatementKind::deallocate, StatementKind::deallocate_all,
                                      StatementKind::discard_all};
constexpr sql::KindSet kOnDefaults = {StatementKind::set, StatementKind::reset,
                                      StatementKind::reset_all};

// Names of ours, which no client may reach by itself.
constexpr std::string_view kOurs = "trunkline_";

bool acts_on_names(const sql::TextFacts& facts) {
  return facts.kinds().has_any_of(kOnPrepared) || facts.has(sql::Suspicion::runs_prepared);
}

}  // namespace

std::string_view Rewriting::client_name(std::string_view server_name) const {
  for (const auto& [server, client] : names) {
    if (server == server_name) return client;
  }
  return {};
}

bool may_need_rewriting(const sql::TextFacts& facts, bool has_startup_settings) {
  if (facts.is_cut()) return false;
  return acts_on_names(facts) || (has_startup_settings && facts.kinds().has_any_of(kOnDefaults));
}

std::shared_ptr<Rewriting> Rewriter::rewrite(std::string_view text, const sql::TextFacts& facts) {
  made_ = std::make_shared<Rewriting>();
  made_->text = text;
  made_->has_client_names = place_.has_client_names;
  is_alone_ = facts.statement_count() == 1;
  for (const sql::Statement& statement : facts.statements()) {
    take(statement);
    ++index_;
  }
  return std::move(made_);
}

void Rewriter::take(const sql::Statement& statement) {
  switch (statement.kind) {
    case StatementKind::prepare:
      return prepare(statement);
    case StatementKind::deallocate:
      return deallocate(statement);
    case StatementKind::deallocate_all:
    case StatementKind::discard_all:
      return drop_all();
    case StatementKind::reset:
    case StatementKind::reset_all:
      return reset(statement);
    case StatementKind::set:
      return to_default(statement);
    default:
      if (statement.suspicions.has(sql::Suspicion::runs_prepared)) execute(statement);
      return;
  }
}

void Rewriter::prepare(const sql::Statement& statement) {
  if (statement.is_malformed || !statement.name.is_certain || statement.body.length == 0) {
    return leave(statement);
  }
  // The server looks at the statement first, and then finds that there is one of that name.
  pool::StatementPtr taken = find(statement.name.text);
  if (taken && place_.has_client_names) return;
  if (taken) {
    return rename(statement, number_of(taken, statement));
  }
  std::string_view text = made_->text;
  auto made = std::make_shared<pool::Statement>();
  made->parse = text.substr(statement.body.offset, statement.body.length);
  made->sql_types = text.substr(statement.arguments.offset, statement.arguments.length);
  uint64_t begin = is_alone_ ? 0 : statement.span.offset;
  made->sql_before = text.substr(begin, statement.body.offset - begin);
  if (is_alone_) {
    made->sql_after = text.substr(statement.body.offset + statement.body.length);
  }
  made->settings = place_.meaning;
  made->facts = place_.cache.facts_of(made->parse, place_.syntax);
  made->hash = std::hash<std::string>{}(made->parse);
  bool is_apart = place_.meaning_is_open || made->facts->has(sql::Suspicion::names_moment);
  pool::StatementPtr prepared = is_apart ? pool::apart(*made) : std::move(made);
  Rewriting::Number number = ServerStatements::kNone;
  if (!place_.has_client_names) {
    number = place_.server.reserve();
    if (of_ == Of::query) place_.server.put(prepared, number, place_.ddl_epoch);
    rename(statement, number);
  }
  made_->steps.push_back({.kind = Rewriting::Step::Kind::prepares,
                          .after = index_,
                          .name = statement.name.text,
                          .statement = prepared,
                          .number = number});
  changed_[statement.name.text] = std::move(prepared);
}

void Rewriter::execute(const sql::Statement& statement) {
  if (statement.name_span.length == 0) return leave(statement);
  pool::StatementPtr prepared = find(statement.name.text);
  // A protocol's statement that is missing cannot be prepared before what ends the transaction.
  bool too_late = prepared != nullptr && place_.is_failed && !prepared->sql_types &&
                  !place_.has_client_names &&
                  place_.server.find(*prepared) == ServerStatements::kNone;
  if (prepared == nullptr || too_late || prepared->facts == nullptr || statement.is_malformed) {
    return leave(statement);
  }
  // It would act on the names of the connection, and not on the client's.
  if (acts_on_names(*prepared->facts) && !place_.has_client_names) {
    return rename(statement, ServerStatements::kNone);
  }
  if (!place_.has_client_names) rename(statement, number_of(prepared, statement));
  made_->executed.push_back(prepared->facts);
}

void Rewriter::deallocate(const sql::Statement& statement) {
  pool::StatementPtr prepared = find(statement.name.text);
  if (prepared == nullptr || statement.is_malformed) return leave(statement);
  Rewriting::Number number =
      place_.has_client_names ? ServerStatements::kNone : dropped_as(prepared, statement);
  made_->steps.push_back({.kind = Rewriting::Step::Kind::deallocates,
                          .after = index_,
                          .name = statement.name.text,
                          .statement = std::move(prepared),
                          .number = number});
  changed_[statement.name.text] = nullptr;
}

Rewriting::Number Rewriter::dropped_as(pool::StatementPtr& prepared,
                                       const sql::Statement& statement) {
  if (place_.server.find(*prepared) == ServerStatements::kNone) {
    // Whatever has become of it since, it can be dropped: so another one is.
    auto any = std::make_shared<pool::Statement>();
    any->parse = " SELECT";
    any->sql_types = "";
    prepared = std::move(any);
  }
  Rewriting::Number number = number_of(prepared, statement);
  rename(statement, number);
  if (of_ == Of::query) place_.server.retire(*prepared);
  return number;
}

void Rewriter::drop_all() {
  changed_.clear();
  dropped_all_ = true;
  if (of_ == Of::query) place_.server.expire();
}

void Rewriter::reset(const sql::Statement& statement) {
  if (place_.startup == nullptr || statement.is_malformed) return;
  bool all = statement.kind == StatementKind::reset_all;
  for (const auto& [name, value] : *place_.startup) {
    if (name == "role" || (!all && name != statement.name.text)) continue;
    run_behind(statement, "SET " + sql::setting_assignment(name, value));
  }
}

void Rewriter::to_default(const sql::Statement& statement) {
  if (statement.value.kind != sql::SettingValue::Kind::to_default) return;
  if (place_.startup == nullptr || statement.is_malformed) return;
  const std::string* value = place_.startup->find(statement.name.text);
  if (value == nullptr) return;
  made_->restores = true;
  made_->edits.replace(statement.span, (statement.is_local ? "SET LOCAL " : "SET ") +
                                           sql::setting_assignment(statement.name.text, *value));
}

void Rewriter::run_behind(const sql::Statement& statement, const std::string& sql) {
  made_->restores = true;
  if (of_ == Of::parse) {
    made_->behind.push_back(sql);
    return;
  }
  made_->edits.insert(statement.span.offset + statement.span.length, "; " + sql);
  made_->steps.push_back({.kind = Rewriting::Step::Kind::inserted, .after = index_ + 1});
}

pool::StatementPtr Rewriter::find(const std::string& name) const {
  if (auto found = changed_.find(name); found != changed_.end()) return found->second;
  return dropped_all_ ? nullptr : place_.statement_named(name);
}

// On this connection, when `statement` runs.
Rewriting::Number Rewriter::number_of(const pool::StatementPtr& prepared,
                                      const sql::Statement& statement) {
  Rewriting::Number number = place_.server.find(*prepared);
  if (number != ServerStatements::kNone) return number;
  number = place_.server.add(prepared, place_.ddl_epoch);
  if (of_ == Of::parse || !prepared->sql_types) {
    made_->ahead.push_back({prepared, number});
    return number;
  }
  made_->edits.insert(statement.span.offset,
                      prepare(*prepared, ServerStatements::name_of(number)) + "; ");
  made_->steps.push_back({.kind = Rewriting::Step::Kind::inserted,
                          .after = index_,
                          .statement = prepared,
                          .number = number});
  return number;
}

void Rewriter::rename(const sql::Statement& statement, Rewriting::Number number) {
  std::string name = ServerStatements::name_of(number);
  made_->names.emplace_back(name, statement.name.text);
  made_->edits.replace(statement.name_span, std::move(name));
}

// What the client has not prepared through us: the server knows, unless it is one of ours.
void Rewriter::leave(const sql::Statement& statement) {
  made_->knows_all = false;
  if (!statement.name.text.starts_with(kOurs) || statement.name_span.length == 0) return;
  rename(statement, ServerStatements::kNone);
}

std::string Rewriter::prepare(const pool::Statement& statement) {
  return statement.sql_before + statement.parse + statement.sql_after;
}

std::string Rewriter::prepare(const pool::Statement& statement, std::string_view name) {
  std::string_view types = *statement.sql_types;
  return fmt::format("PREPARE {}{}{}{} AS{}", name, types.empty() ? "" : "(", types,
                     types.empty() ? "" : ")", statement.parse);
}

void Rewriter::undo(const Rewriting& rewriting, ServerStatements& server) {
  for (size_t i = rewriting.done; i < rewriting.steps.size(); ++i) {
    const Rewriting::Step& step = rewriting.steps[i];
    if (step.kind == Rewriting::Step::Kind::deallocates || step.statement == nullptr) continue;
    server.erase(*step.statement, step.number);
  }
}

}  // namespace trunkline::session
