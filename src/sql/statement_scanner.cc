#include "sql/statement_scanner.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "sql/identifier.h"
#include "sql/statement_parser.h"

namespace trunkline::sql {

namespace {

// "procedure"; longer words play no part in finding bodies.
constexpr size_t kRoutineWordBytesMax = 9;
// CREATE OR REPLACE FUNCTION
constexpr uint64_t kRoutineWordsMax = 4;

}  // namespace

Lexer::Outcome StatementScanner::finish() {
  Lexer::Outcome outcome = lexer_.finish();
  end_statement();
  return outcome;
}

void StatementScanner::on_token(const Token& token) {
  if (token.is_symbol(';') && depth_ == 0 && !in_body_) return end_statement();
  if (tokens_ == 0) span_.offset = token.offset;
  span_.length = token.offset + token.length - span_.offset;
  if (token.is_symbol(')') && depth_ > 0) --depth_;
  if (keeps_head_) head_.add(token, depth_, syntax_.encoding);
  if (tokens_ == 0) keeps_head_ = needs_more_than_first_word(head_);
  watch_.on_token(token);
  if (tokens_ == 0) is_do_ = token.kind == TokenKind::word && equal_ignoring_case(token.text, "do");
  if (is_do_ && token.kind == TokenKind::string) look_at_code(token.text);
  if (token.is_symbol('(')) ++depth_;
  if (tokens_ < kRoutineWordsMax || is_routine_) follow_routine(token);
  ++tokens_;
}

// The code is in a language of which nothing is known but that names are names.
void StatementScanner::look_at_code(std::string_view code) {
  constexpr size_t kMax = 32;
  auto is_part = [](char c) { return is_plain_setting_name({&c, 1}); };
  while (custom_settings_.size() < kMax) {
    auto begin = std::ranges::find_if(code, is_part);
    auto end = std::find_if_not(begin, code.end(), is_part);
    if (begin == code.end()) return;
    std::string name = to_lower({begin, end});
    code = {end, code.end()};
    size_t dot = name.find('.');
    bool is_name = dot != std::string::npos && dot > 0 && dot + 1 < name.size() &&
                   (name[0] < '0' || name[0] > '9') && is_plain_setting_name(name);
    if (name == "nextval" || name == "setval") watch_.suspect(Suspicion::moves_sequence);
    if (is_name && std::ranges::find(custom_settings_, name) == custom_settings_.end()) {
      custom_settings_.push_back(std::move(name));
    }
  }
}

void StatementScanner::follow_routine(const Token& token) {
  lower_.clear();
  if (token.kind == TokenKind::word && token.text.size() <= kRoutineWordBytesMax) {
    append_lower(lower_, token.text, syntax_.encoding);
  } else if (token.is_symbol(';')) {
    lower_ = ";";
  }
  if (routine_words_ == tokens_ && !is_routine_) {
    bool expected = (tokens_ == 0 && lower_ == "create") || (tokens_ == 1 && lower_ == "or") ||
                    (tokens_ == 2 && lower_ == "replace" && previous_ == "or");
    if (expected) ++routine_words_;
    is_routine_ = (tokens_ == 1 || tokens_ == 3) && (lower_ == "function" || lower_ == "procedure");
  }
  if (in_body_) {
    // Each of its statements has a semicolon behind it, so that END is the body's where a statement
    // would begin. Elsewhere it ends a CASE, or labels a column.
    if (lower_ == "end" && (previous_ == ";" || previous_ == "atomic")) in_body_ = false;
  } else if (is_routine_ && depth_ == 0) {
    // Within parentheses it could be a parameter's name.
    in_body_ = previous_ == "begin" && lower_ == "atomic";
  }
  previous_.swap(lower_);
}

void StatementScanner::end_statement() {
  Statement statement;
  if (tokens_ > 0) {
    statement.span = span_;
    statement.index = statements_++;
    parse_head(head_, syntax_, span_.offset + span_.length, statement);
    statement.settings = watch_.take_settings();
    statement.asked_settings = watch_.take_asked_settings();
    statement.names = watch_.take_names();
    statement.bound_settings = watch_.take_bound_settings();
    if (is_do_) statement.settings = std::exchange(custom_settings_, {});
    statement.suspicions.add(watch_.take());
    // Only analysed; what it does it does when it is executed.
    if (statement.kind == StatementKind::prepare) {
      statement.suspicions = {};
      statement.settings.clear();
      statement.asked_settings.clear();
      statement.bound_settings.clear();
    }
    statement.suspicions.add(suspicions_of_kind(statement.kind));
    if (statement.kind == StatementKind::show && statement.name.text.contains('.')) {
      statement.suspicions.add(Suspicion::reads_setting);
      statement.asked_settings.push_back(statement.name.text);
    }
    // A setting that sets the seed of random().
    if (statement.kind == StatementKind::set && statement.name.text == "seed") {
      statement.suspicions.add(Suspicion::setseed);
    }
  }
  head_.clear();
  keeps_head_ = true;
  tokens_ = depth_ = 0;
  routine_words_ = 0;
  is_routine_ = in_body_ = is_do_ = false;
  previous_.clear();
  if (statement.kind != StatementKind::empty) sink_->on_statement(std::move(statement));
}

}  // namespace trunkline::sql
