#include "pool/guard.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "wire/builders.h"

namespace trunkline::pool {

namespace {

using wire::Request;
using wire::ResponseQueue;

struct Step {
  std::string_view name;
  std::string_view sql;
};
enum StepNumber : uint8_t {
  begin,
  set,
  commit,
  reset,
  sequences,
  unlisten,
  cursors,
  temporary,
  locks,
  defaults
};

// Under names of our own: prepared once, each costs the server a few microseconds. Read committed,
// read only: whatever the session's defaults are, nothing can fail or wait.
constexpr std::array<Step, 10> kSteps = {{
    {"trunkline_begin", "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"},
    {"trunkline_set",
     "SELECT pg_catalog.set_config(n, CASE WHEN pg_catalog.starts_with(v, '+') "
     "THEN pg_catalog.substr(v, 2) END, false) FROM ROWS FROM ("
     "pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) "
     "WITH ORDINALITY AS x(n, v, o) ORDER BY o"},
    {"trunkline_commit", "COMMIT"},
    {"trunkline_reset", "RESET ALL"},
    {"trunkline_sequences", "DISCARD SEQUENCES"},
    {"trunkline_unlisten", "UNLISTEN *"},
    {"trunkline_cursors", "CLOSE ALL"},
    {"trunkline_temporary", "DISCARD TEMP"},
    {"trunkline_locks", "SELECT pg_catalog.pg_advisory_unlock_all()"},
    // With xmin: what was changed and changed back has been something else for a while.
    {"trunkline_defaults",
     "SELECT coalesce(pg_catalog.string_agg(pg_catalog.concat_ws(' ', s.setdatabase, s.setrole, "
     "s.xmin, s.setconfig), ' ' ORDER BY s.setdatabase, s.setrole), ''), "
     "coalesce(pg_catalog.string_agg((SELECT pg_catalog.string_agg(pg_catalog.split_part(c, '=', "
     "1), ',') FROM pg_catalog.unnest(s.setconfig) AS c), ','), '') "
     "FROM pg_catalog.pg_db_role_setting AS s WHERE "
     "s.setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user)) AND "
     "s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database "
     "WHERE datname = pg_catalog.current_database()))"},
}};

void append_step(std::string& out, Connection& connection, StepNumber number,
                 std::span<const std::optional<std::string_view>> parameters = {}) {
  const Step& step = kSteps[number];
  auto ask = [&](Request request) { connection.queue.push(request, 0, ResponseQueue::kSwallow); };
  auto bit = static_cast<uint16_t>(1U << number);
  if ((connection.guards_prepared & bit) == 0) {
    wire::append_parse(out, step.name, step.sql);
    ask(Request::parse);
    connection.guards_prepared |= bit;
  }
  wire::append_bind(out, "", step.name, parameters);
  ask(Request::bind);
  wire::append_execute(out, "");
  ask(Request::execute);
}

// An array's text, documentation 8.15.2. Without NULL, which is a word like others while
// `array_nulls` is off.
void append_element(std::string& array, std::string_view prefix, std::string_view value) {
  array += array.empty() ? '{' : ',';
  array += '"';
  array += prefix;
  for (char each : value) {
    if (each == '"' || each == '\\') array += '\\';
    array += each;
  }
  array += '"';
}

// The names and values to be set, in their order.
struct Changes {
  std::string names;
  std::string values;
  bool all_ascii = true;

  // Null goes back to the connection's own default.
  void add(std::string_view name, const std::string* value) {
    append_element(names, "", name);
    append_element(values, value ? "+" : "-", value ? *value : "");
    all_ascii = all_ascii && (value == nullptr || is_ascii(*value));
  }
};

void append_changes(std::string& out, Connection& connection, Changes changes) {
  if (changes.names.empty()) return;
  changes.names += '}';
  changes.values += '}';
  std::array<std::optional<std::string_view>, 2> parameters = {changes.names, changes.values};
  append_step(out, connection, set, parameters);
}

// Other settings are checked against the rights of the role they are set by: the connection's own
// role sets them, as it does at login.
constexpr std::string_view kRole = "role";
// Values are in the encoding of the session that has set them: it comes first where that matters.
constexpr std::string_view kEncoding = "client_encoding";

std::optional<const std::string*> change_of(std::string_view name, const Settings& now,
                                            const Settings& wanted) {
  const std::string* is = now.find(name);
  const std::string* value = wanted.find(name);
  bool same = is == value || (is != nullptr && value != nullptr && *is == *value);
  return same ? std::nullopt : std::optional(value);
}

Changes changes_between(const Settings& now, const Settings& wanted, bool with_encoding) {
  Changes changes;
  auto is_left_out = [&](std::string_view name) {
    return name == kRole || (name == kEncoding && !with_encoding);
  };
  const std::string* role = wanted.find(kRole);
  if (now.find(kRole) != nullptr) changes.add(kRole, nullptr);
  for (const auto& [name, value] : now) {
    if (!is_left_out(name) && wanted.find(name) == nullptr) changes.add(name, nullptr);
  }
  for (const auto& [name, value] : wanted) {
    if (!is_left_out(name) && change_of(name, now, wanted)) changes.add(name, &value);
  }
  if (role != nullptr) changes.add(kRole, role);
  return changes;
}

}  // namespace

void append_settings(std::string& out, Connection& connection, const Settings& now,
                     const Settings& wanted) {
  std::optional<const std::string*> encoding = change_of(kEncoding, now, wanted);
  Changes changes = changes_between(now, wanted, true);
  if (encoding && !changes.all_ascii) {
    Changes first;
    first.add(kEncoding, *encoding);
    append_changes(out, connection, std::move(first));
    changes = changes_between(now, wanted, false);
  }
  append_changes(out, connection, std::move(changes));
  connection.may_have_made_up |=
      std::ranges::any_of(wanted, [](const auto& each) { return each.first.contains('.'); });
}

void append_guard(std::string& out, Connection& connection, const SettingsPtr& wanted,
                  Cleanse cleanse, bool keeps_channels) {
  static const Settings kNone;
  Settings now = connection.settings ? *connection.settings : kNone;
  if (cleanse != Cleanse::nothing) {
    // RESET ALL leaves the role as it is.
    const std::string* role = now.find(kRole);
    Settings only_role;
    only_role.set(kRole, role ? *role : "");
    now = std::move(only_role);
  }
  append_step(out, connection, begin);
  if (cleanse != Cleanse::nothing) append_step(out, connection, reset);
  if (cleanse == Cleanse::everything) {
    for (StepNumber each : {sequences, unlisten, cursors, temporary, locks}) {
      if (each != unlisten || !keeps_channels) append_step(out, connection, each);
    }
    connection.unproven = false;
  }
  append_settings(out, connection, now, wanted ? *wanted : kNone);
  append_step(out, connection, commit);
  connection.settings = wanted;
}

void append_defaults_question(std::string& out, Connection& connection) {
  append_step(out, connection, defaults);
}

void close_guards(std::string& out, Connection& connection) {
  for (const Step& step : kSteps) {
    wire::append_close_statement(out, step.name);
    connection.queue.push(wire::Request::close, 0, ResponseQueue::kSwallow);
  }
  forget_guards(connection);
}

void guard_failed(Connection& connection) {
  connection.settings = nullptr;
  connection.unproven = true;
  // Those of this guard that were not reached are not known to the server.
  connection.spoilt = true;
}

}  // namespace trunkline::pool
