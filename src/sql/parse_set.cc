#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

#include "base/text.h"
#include "sql/keywords.h"
#include "sql/statement_parser.h"

namespace trunkline::sql {

namespace {

using Kind = SettingValue::Kind;

// GUC_LIST_QUOTE; extensions can not have such ones.
bool quotes_list(std::string_view setting) {
  static constexpr std::string_view kSettings[] = {
      "local_preload_libraries",  "search_path",      "session_preload_libraries",
      "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories"};
  return std::ranges::find(kSettings, setting) != std::end(kSettings);
}

void append_quoted(std::string& out, std::string_view identifier, Encoding encoding) {
  if (!needs_quotes(identifier)) {
    out += identifier;
    return;
  }
  out += '"';
  while (!identifier.empty()) {
    size_t length = character_bytes(encoding, identifier);
    if (identifier[0] == '"') out += '"';
    out += identifier.substr(0, length);
    identifier.remove_prefix(length);
  }
  out += '"';
}

// A constant with or without a sign. Integers of 32 bits are read and written again, all others
// kept as they stand.
bool append_number(HeadReader& in, std::string& out) {
  bool negative = in.symbol('-');
  if (!negative) in.symbol('+');
  std::string digits;
  uint64_t end = 0;
  if (in.is_symbol('.')) {
    digits = ".";
    end = in.next()->end();
    in.skip();
  }
  if (!in.is_number() || (!digits.empty() && in.next()->offset != end)) return false;
  digits += in.text(*in.next());
  end = in.next()->end();
  in.skip();
  // An exponent, another base, or 1.2.3.
  if (in.next() != nullptr && in.next()->offset == end && !in.is_symbol(',')) return false;
  if (std::ranges::count(digits, '.') > 1) return false;
  int32_t value = 0;
  auto [last, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc() && last == digits.data() + digits.size()) {
    out += std::to_string(negative ? -value : value);
    return true;
  }
  if (negative) out += '-';
  out += digits;
  return true;
}

// One of the values of SET x TO …, as flatten_set_variable_args() appends it.
bool append_value(HeadReader& in, bool quote, std::string& out) {
  std::string value;
  if (in.is_string()) {
    auto string = in.string();
    if (!string->known) return false;
    value = string->text;
  } else if (auto name = in.name()) {
    if (!name->is_certain) return false;
    value = name->text;
  } else {
    return append_number(in, out);
  }
  if (quote) {
    append_quoted(out, value, in.syntax().encoding);
  } else {
    out += value;
  }
  return true;
}

void parse_values(HeadReader& in, Statement& into) {
  into.value.kind = Kind::unknown;
  if (in.at_end()) {
    into.is_malformed = true;
    return;
  }
  if (in.word("default")) {
    into.value.kind = Kind::to_default;
    into.is_malformed |= !in.at_true_end();
    return;
  }
  std::string text;
  do {
    if (!append_value(in, quotes_list(into.name.text), text)) return;
    if (in.at_true_end()) {
      into.value = {.kind = Kind::given, .text = std::move(text)};
      return;
    }
    text += ", ";
  } while (in.symbol(','));
}

// Old names the server still takes (map_old_guc_names).
std::string_view current_setting_name(std::string_view name) {
  if (name == "sort_mem") return "work_mem";
  if (name == "vacuum_mem") return "maintenance_work_mem";
  return name;
}

void set_kind_by_name(Statement& into) {
  if (into.name.text == "role") into.kind = StatementKind::set_role;
  if (into.name.text == "session_authorization") {
    into.kind = StatementKind::set_session_authorization;
  }
  // They are settings of the transaction, however they are set.
  for (std::string_view name :
       {"transaction_isolation", "transaction_read_only", "transaction_deferrable"}) {
    if (into.name.text == name) into.kind = StatementKind::set_transaction;
  }
}

void parse_time_zone(HeadReader& in, Statement& into) {
  into.name.text = "timezone";
  if (in.is_word("local") || in.is_word("default")) {
    in.skip();
    into.value.kind = Kind::to_default;
    into.is_malformed |= !in.at_true_end();
    return;
  }
  // The server normalises it.
  if (in.is_word("interval")) {
    into.value.kind = Kind::unknown;
    return;
  }
  parse_values(in, into);
}

void parse_names(HeadReader& in, Statement& into) {
  into.name.text = "client_encoding";
  if (in.at_true_end()) {
    into.value.kind = Kind::to_default;
    return;
  }
  parse_values(in, into);
}

void parse_generic(HeadReader& in, Statement& into) {
  into.name = parse_setting_name(in);
  set_kind_by_name(into);
  bool assigns = !into.name.empty() && (in.symbol('=') || in.word("to"));
  if (assigns) return parse_values(in, into);
  bool from_current = !into.name.empty() && in.word("from");
  into.value.kind = from_current ? Kind::from_current : Kind::unknown;
  into.is_malformed |= !from_current || !in.word("current") || !in.at_true_end();
}

// Whether the word at hand is a setting's name although it could mean something else: SET role = x.
bool is_assigned(const HeadReader& in) {
  return in.is_symbol('=', 1) || in.is_symbol('.', 1) || in.is_word("to", 1) ||
         in.is_word("from", 1);
}

bool parse_special(HeadReader& in, Statement& into) {
  if (is_assigned(in)) return false;
  if (in.is_word("time") && in.is_word("zone", 1)) {
    in.skip();
    in.skip();
    parse_time_zone(in, into);
  } else if (in.word("names")) {
    parse_names(in, into);
  } else if (in.word("schema")) {
    into.name.text = "search_path";
    parse_values(in, into);
  } else if (in.word("role")) {
    into.name.text = "role";
    parse_values(in, into);
  } else if (in.is_word("session") && in.is_word("authorization", 1)) {
    in.skip();
    in.skip();
    into.name.text = "session_authorization";
    parse_values(in, into);
  } else if (in.is_word("xml") && in.is_word("option", 1)) {
    in.skip();
    in.skip();
    into.name.text = "xmloption";
    parse_values(in, into);
    // The server writes these two in capitals.
    std::ranges::transform(into.value.text, into.value.text.begin(), [](char c) {
      return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
    });
  } else {
    return false;
  }
  set_kind_by_name(into);
  return true;
}

void parse_set_transaction(HeadReader& in, Statement& into) {
  into.kind = StatementKind::set_transaction;
  if (in.word("snapshot")) {
    into.modes.has_snapshot = true;
    into.is_malformed |= !in.string().has_value();
    return;
  }
  parse_modes(in, into.modes);
  into.is_malformed |= !into.modes.is_certain;
}

}  // namespace

Name parse_setting_name(HeadReader& in) {
  Name name;
  do {
    auto part = in.name();
    if (!part) return {};
    if (!name.empty()) name.text += '.';
    name.text += part->text;
    name.is_certain &= part->is_certain;
  } while (in.symbol('.'));
  std::string lower;
  append_lower(lower, name.text, in.syntax().encoding);
  name.text = current_setting_name(lower);
  return name;
}

void parse_set(HeadReader& in, Statement& into) {
  into.kind = StatementKind::set;
  if (!is_assigned(in)) {
    if (in.is_word("constraints")) {
      into.kind = StatementKind::set_constraints;
      return;
    }
    if (in.is_word("session") && in.is_word("characteristics", 1)) {
      in.skip();
      in.skip();
      into.kind = StatementKind::set_session_characteristics;
      into.is_malformed |= !in.word("as") || !in.word("transaction");
      parse_modes(in, into.modes);
      into.is_malformed |= !into.modes.is_certain;
      return;
    }
    if (in.word("local")) {
      into.is_local = true;
    } else if (in.is_word("session") && !in.is_word("authorization", 1)) {
      in.skip();
    }
  }
  if (!is_assigned(in) && in.word("transaction")) return parse_set_transaction(in, into);
  if (!parse_special(in, into)) parse_generic(in, into);
}

void parse_reset(HeadReader& in, Statement& into) {
  into.kind = StatementKind::reset;
  if (in.is_word("all")) {
    in.skip();
    into.kind = StatementKind::reset_all;
  } else if (in.is_word("time") && in.is_word("zone", 1)) {
    in.skip();
    in.skip();
    into.name.text = "timezone";
  } else if (in.is_word("session") && in.is_word("authorization", 1)) {
    in.skip();
    in.skip();
    into.name.text = "session_authorization";
  } else if (in.is_word("transaction") && in.is_word("isolation", 1)) {
    in.skip();
    in.skip();
    into.is_malformed |= !in.word("level");
    into.name.text = "transaction_isolation";
  } else {
    into.name = parse_setting_name(in);
    into.is_malformed |= into.name.empty();
  }
  into.is_malformed |= !in.at_true_end();
}

}  // namespace trunkline::sql
