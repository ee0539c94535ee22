#include "sql/literal.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace trunkline::sql {

namespace {

// They hold lists of names, each of which SET takes as a constant of its own (guc_tables.c:
// GUC_LIST_QUOTE). Of other lists the whole is one.
constexpr std::array<std::string_view, 4> kListsOfNames = {
    "local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces"};

constexpr std::string_view kSpace = " \t\n\r\f\v";

void skip_space(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
}

// One name at the front of a list, which loses it (varlena.c: SplitIdentifierString).
std::string take_name(std::string_view& list) {
  std::string name;
  if (list.starts_with('"')) {
    list.remove_prefix(1);
    while (!list.empty()) {
      char each = list.front();
      list.remove_prefix(1);
      if (each == '"') {
        if (!list.starts_with('"')) break;
        list.remove_prefix(1);
      }
      name += each;
    }
    return name;
  }
  size_t end = std::min(list.find_first_of(",\" \t\n\r\f\v"), list.size());
  name = to_lower(list.substr(0, end));
  list.remove_prefix(end);
  return name;
}

std::string quote_names(std::string_view list) {
  std::string quoted;
  for (skip_space(list); !list.empty(); skip_space(list)) {
    size_t before = list.size();
    if (!quoted.empty()) quoted += ", ";
    quoted += quote_literal(take_name(list));
    skip_space(list);
    if (list.starts_with(',')) list.remove_prefix(1);
    if (list.size() == before) break;  // no list, which the server says best
  }
  return quoted.empty() ? "''" : quoted;
}

// Each of its parts is a name.
std::string quote_setting(std::string_view name) {
  std::string quoted;
  for (;;) {
    size_t dot = name.find('.');
    quoted += quote_identifier(name.substr(0, dot));
    if (dot == std::string_view::npos) return quoted;
    quoted += '.';
    name.remove_prefix(dot + 1);
  }
}

}  // namespace

std::string quote_identifier(std::string_view name) {
  std::string quoted = "\"";
  for (char each : name) {
    if (each == '"') quoted += each;
    quoted += each;
  }
  return quoted + '"';
}

std::string quote_literal(std::string_view value) {
  std::string quoted = value.contains('\\') ? "E'" : "'";
  for (char each : value) {
    if (each == '\'' || each == '\\') quoted += each;
    quoted += each;
  }
  return quoted + '\'';
}

std::string setting_assignment(std::string_view name, std::string_view value) {
  bool is_list = std::ranges::find(kListsOfNames, name) != kListsOfNames.end();
  return quote_setting(name) + " TO " + (is_list ? quote_names(value) : quote_literal(value));
}

}  // namespace trunkline::sql
