#include "sql/suspicion_watch.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/split.h"
#include "base/text.h"
#include "sql/functions.h"
#include "sql/identifier.h"
#include "sql/keywords.h"

namespace trunkline::sql {

namespace {

constexpr std::string_view kPgTemp = "pg_temp";
// With an "s" the view, without it the function.
constexpr std::string_view kPrepared = "pg_prepared_statement";

// Of a literal as it is written, in lower case: date/time input knows these words (documentation
// 8.5.1.4). What has escapes may say anything.
bool may_name_moment(std::string_view lower) {
  auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  bool has_escapes = (lower.front() == 'e' || lower.front() == 'u') && lower.contains('\\');
  if (has_escapes) return true;
  for (std::string_view word : {"now", "today", "tomorrow", "yesterday"}) {
    for (size_t at = lower.find(word); at != std::string_view::npos;
         at = lower.find(word, at + 1)) {
      size_t end = at + word.size();
      bool begins = at == 0 || !is_letter(lower[at - 1]);
      if (begins && (end == lower.size() || !is_letter(lower[end]))) return true;
    }
  }
  return false;
}

bool names_temp(std::string_view name) {
  return name == kPgTemp || name.starts_with("pg_temp_") || name.starts_with("pg_toast_temp_");
}

// The name of a setting that a literal is; empty if it is none.
std::string setting_named_by(std::string_view literal, Syntax syntax) {
  std::optional<std::string> value = string_value(literal, syntax);
  return value && is_plain_setting_name(*value) ? to_lower(*value) : std::string();
}

}  // namespace

void SuspicionWatch::on_token(const Token& token) {
  Seen seen{.kind = token.kind};
  bool is_name = token.kind == TokenKind::word || token.kind == TokenKind::quoted_identifier;
  if (is_name) {
    on_name(token);
    seen.unquoted = token.kind == TokenKind::word;
    if (seen.unquoted && qualifier_.empty()) seen.word = watched_word(name_);
    if (seen.word != Word::other) on_word(seen.word);
  } else if (token.is_symbol('.')) {
    seen.symbol = '.';
  } else {
    if (token.kind == TokenKind::string) on_string(token);
    if (token.kind == TokenKind::parameter) on_parameter(token);
    end_cast();
    if (token.kind == TokenKind::symbol) {
      seen.symbol = token.text[0];
      on_symbol(token);
    }
    in_name_ = false;
  }
  before_last_ = last_;
  last_ = seen;
}

Suspicions SuspicionWatch::take() {
  end_cast();
  in_name_ = false;
  if (set_config_depth_ > 0) suspect(Suspicion::set_config);
  set_config_depth_ = 0;
  settings_.clear();
  asked_settings_.clear();
  names_.clear();
  names_all_ = true;
  bound_settings_.clear();
  sets_unnamed_ = false;
  Suspicions found = std::exchange(suspicions_, {});
  last_ = before_last_ = before_name_ = before_name_further_ = {};
  bool sets = found.has_any_of(
      {Suspicion::set_config, Suspicion::set_config_named, Suspicion::set_config_local});
  if (sets && names_seed_) found.add(Suspicion::setseed);
  closed_before_alias_ = explains_ = names_seed_ = false;
  depth_ = 0;
  return found;
}

void SuspicionWatch::on_name(const Token& token) {
  if (in_name_ && last_.is('.')) {
    qualifier_.swap(name_);
  } else {
    end_cast();
    before_text_.swap(name_);
    qualifier_.clear();
    before_name_ = last_;
    before_name_further_ = before_last_;
  }
  in_name_ = true;
  name_.clear();
  if (token.kind == TokenKind::word && token.text.size() <= kNameBytesMax) {
    append_lower(name_, token.text, syntax_.encoding);
  } else {
    name_ = fold_identifier(token.text, syntax_).text;
  }
  collect_name(token.kind == TokenKind::word);
  if (name_ == "pg_catalog") suspect(Suspicion::names_pg_catalog);
  if (names_temp(name_)) suspect(Suspicion::temp_objects);
  if (name_.starts_with(kPrepared)) suspect(Suspicion::reads_prepared);
  if ((level() & kOperator) != 0 && last_.is('(') && name_ != "pg_catalog") {
    suspect(Suspicion::opaque | Suspicion::may_write);
  }
}

// What could be a table's, a column's, a function's or a type's.
void SuspicionWatch::collect_name(bool unquoted) {
  if (!names_all_ || (unquoted && keyword_class(name_) == KeywordClass::reserved)) return;
  // A quoted "null" would be no name in an array.
  if (name_ == "null" || !is_plain_setting_name(name_) ||
      names_.size() + name_.size() >= kNamesBytesMax) {
    names_all_ = false;
    return;
  }
  bool is_known = false;
  for_each_item(names_, [&](std::string_view each) { is_known |= each == name_; });
  if (is_known) return;
  if (!names_.empty()) names_ += ',';
  names_ += name_;
}

std::string SuspicionWatch::take_names() {
  std::string names = std::exchange(names_, {});
  if (!std::exchange(names_all_, true)) names.clear();
  return names;
}

void SuspicionWatch::on_word(Word word) {
  switch (word) {
    case Word::change:
      suspect(Suspicion::may_write);
      // SELECT … FOR [NO KEY] UPDATE.
      if (last_.word != Word::for_ && last_.word != Word::key) {
        suspect(Suspicion::may_fire_triggers);
      }
      break;
    case Word::share:
      suspect(Suspicion::may_write);
      break;
    case Word::into:
      suspect(Suspicion::may_write);
      // INSERT and MERGE, or else SELECT … INTO.
      if (last_.word != Word::change) suspect(Suspicion::may_define);
      break;
    case Word::explain:
      explains_ = explains_ || is_first();
      break;
    case Word::temp:
      if (last_.word == Word::creates || last_.word == Word::into) {
        suspect(Suspicion::temp_objects);
      }
      break;
    case Word::from:
      if ((level() & kFromIsSyntax) == 0 && last_.word != Word::distinct) {
        suspect(Suspicion::reads_relations);
      }
      break;
    case Word::table:
      if (last_.word != Word::creates && last_.word != Word::temp) {
        suspect(Suspicion::reads_relations);
      }
      break;
    case Word::execute:
      // Not: GRANT EXECUTE, CREATE TRIGGER … EXECUTE FUNCTION.
      if (is_first() || explains_ || last_.word == Word::as) {
        suspect(Suspicion::runs_prepared | Suspicion::may_write);
      }
      break;
    case Word::uescape:
      // The name before was read with the wrong escapes.
      if (last_.kind == TokenKind::quoted_identifier) suspect(kAllSuspicions);
      break;
    default:
      break;
  }
}

void SuspicionWatch::on_string(const Token& token) {
  std::string lower;
  constexpr size_t kShortestMoment = 5;  // 'now'
  if (token.text.size() >= kShortestMoment) {
    append_lower(lower, token.text, syntax_.encoding);
    if (may_name_moment(lower)) suspect(Suspicion::names_moment);
    if (lower.contains(kPgTemp)) suspect(Suspicion::temp_objects);
    // In code that is given as text.
    if (lower.size() > kPrepared.size() && lower.contains(kPrepared)) {
      suspect(Suspicion::reads_prepared);
    }
    if (lower.contains("unlisten")) suspect(Suspicion::unlistens);
  }
  if (equal_ignoring_case(token.text, "'seed'")) names_seed_ = true;
  // The first argument, should it end here.
  if (depth_ == set_config_depth_ && last_.is('('))
    setting_ = setting_named_by(token.text, syntax_);
  if (last_.is('(') && !before_last_.is_symbol() && name_ == "current_setting") {
    ask_for(setting_named_by(token.text, syntax_));
  }
  // mytype 'literal'
  bool behind_name = in_name_ && !last_.is('.');
  if (behind_name && !is_first() && last_.word != Word::literal_follows &&
      last_.word != Word::zone && last_.word != Word::uescape && !is_syntax()) {
    end_type();
  }
}

void SuspicionWatch::ask_for(std::string setting) {
  if (!setting.contains('.')) return;
  suspect(Suspicion::reads_setting);
  asked_settings_.push_back(std::move(setting));
}

// The first argument, should it end here.
void SuspicionWatch::on_parameter(const Token& token) {
  if (depth_ != set_config_depth_ || !last_.is('(')) return;
  std::string_view number = token.text.substr(1);
  std::from_chars(number.data(), number.data() + number.size(), bound_setting_);
}

std::vector<uint16_t> SuspicionWatch::take_bound_settings() {
  if (sets_unnamed_ || set_config_depth_ > 0) return {};
  return std::exchange(bound_settings_, {});
}

void SuspicionWatch::on_symbol(const Token& token) {
  char c = token.text[0];
  if (c == '(') {
    open();
  } else if (c == ')') {
    if (depth_ > 0 && depth_ == set_config_depth_) close_set_config();
    closed_before_alias_ = (level() & kAliasMayFollow) != 0;
    if (depth_ > 0) --depth_;
  } else if (c == ',' && depth_ == set_config_depth_) {
    bool is_whole = before_last_.is('(') &&
                    (last_.kind == TokenKind::string || last_.kind == TokenKind::parameter);
    if (commas_++ == 0 && !is_whole) {
      setting_.clear();
      bound_setting_ = 0;
    }
  }
}

// set_config(…, …, true) lasts as long as the transaction. With any other third argument who knows.
void SuspicionWatch::close_set_config() {
  bool is_local = commas_ == 2 && before_name_.is(',') && in_name_ && last_.unquoted &&
                  qualifier_.empty() && name_ == "true";
  set_config_depth_ = 0;
  if (is_local) {
    bool is_custom = commas_ > 0 && setting_.contains('.');
    if (!is_custom) suspect(Suspicion::sets_meaning_locally);
    return suspect(Suspicion::set_config_local);
  }
  if (commas_ > 0 && bound_setting_ > 0) {
    // As with any other name that the text does not have, for who does not know the parameters.
    suspicions_.add(Suspicion::set_config);
    bound_settings_.push_back(bound_setting_);
    return;
  }
  if (commas_ == 0 || setting_.empty()) return suspect(Suspicion::set_config);
  suspect(Suspicion::set_config_named);
  settings_.push_back(std::move(setting_));
}

void SuspicionWatch::open() {
  uint8_t level = kAliasMayFollow;
  bool behind_name = in_name_ && !last_.is('.');
  if (behind_name) {
    if (is_call()) {
      bool own = qualifier_.empty() || qualifier_ == "pg_catalog";
      Suspicions suspicions = suspicions_of_call(name_);
      if (suspicions.has(Suspicion::set_config) && own && set_config_depth_ == 0) {
        // Its last argument will tell.
        set_config_depth_ = depth_ + 1;
        commas_ = 0;
        setting_.clear();
        bound_setting_ = 0;
        suspicions = {};
      }
      suspect(suspicions);
      if (!own) suspect(Suspicion::opaque | Suspicion::may_write);
    }
    if (last_.word == Word::cast) level |= kCast;
    if (last_.word == Word::from_inside) level |= kFromIsSyntax;
    if (last_.word == Word::operator_) level = kOperator;
    // DISTINCT ON (…) f(x)
    if (last_.word == Word::on) level = kPlain;
  }
  if (depth_ < kLevelsMax) levels_[depth_] = level;
  ++depth_;
}

// Whether the name at hand can not be a function's, because the grammar reserves it.
bool SuspicionWatch::is_syntax() const {
  if (!last_.unquoted || !qualifier_.empty()) return false;
  switch (keyword_class(name_)) {
    case KeywordClass::reserved:
      return true;
    case KeywordClass::column_name:
      // Before PostgreSQL 16 and 17 people had functions of these names.
      return !name_.starts_with("json") && name_ != "merge_action";
    case KeywordClass::type_or_function:
      return last_.word == Word::table_join || name_ == "current_schema";
    case KeywordClass::none:
      return false;
  }
  return false;
}

bool SuspicionWatch::is_call() const {
  if (is_syntax()) return false;
  if (is_first()) return false;
  switch (last_.word) {
    case Word::operator_:
      return false;
    case Word::window:
      if (before_name_.is(')') && closed_before_alias_) return false;
      break;
    case Word::grouping:
      if (before_name_.word == Word::by && before_name_further_.word == Word::group) return false;
      break;
    case Word::by:
      if (before_name_.word == Word::sorting || before_name_.word == Word::group) return false;
      break;
    case Word::sets:
      if (before_name_.word == Word::grouping_sets) return false;
      break;
    case Word::fetched:
      if (before_name_.word == Word::fetch) return false;
      break;
    case Word::zone:
      if (before_name_.word == Word::time) return false;
      break;
    case Word::conflict:
      if (before_name_.word == Word::on) return false;
      break;
    case Word::materialized:
      if (before_name_.word == Word::as || before_name_.word == Word::not_) return false;
      break;
    case Word::set:
      // UPDATE … SET (a, b) = …
      if (suspicions_.has(Suspicion::may_fire_triggers) && !before_name_.is_symbol() &&
          keyword_class(before_text_) == KeywordClass::none) {
        return false;
      }
      break;
    case Word::change:
      // MERGE … THEN INSERT (a, b) VALUES …
      if (before_name_.unquoted && before_text_ == "then") return false;
      break;
    default:
      break;
  }
  switch (before_name_.word) {
    case Word::as:
    case Word::into:
    case Word::execute:
    case Word::names_columns:
    case Word::table:
      return false;
    default:
      break;
  }
  // f(x) alias(column)
  if (before_name_.is(')')) return !closed_before_alias_;
  // x::type(1)
  return !is_type();
}

bool SuspicionWatch::is_type() const {
  return (before_name_.is(':') && before_name_further_.is(':')) ||
         (before_name_.word == Word::as && (level() & kCast) != 0);
}

void SuspicionWatch::end_cast() {
  if (in_name_ && is_type() && !last_.is('.')) end_type();
}

void SuspicionWatch::end_type() {
  bool keyword =
      last_.unquoted && qualifier_.empty() && keyword_class(name_) == KeywordClass::column_name;
  bool own = qualifier_.empty() || qualifier_ == "pg_catalog";
  if (!own || (!keyword && !is_builtin_type(name_))) suspect(Suspicion::unknown_types);
}

}  // namespace trunkline::sql
