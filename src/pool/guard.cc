#include "pool/guard.h"

#include <array>
#include <string_view>
#include <vector>

#include "wire/builders.h"

namespace trunkline::pool {

namespace {

using wire::Request;
using wire::ResponseQueue;

struct Step {
  std::string_view name;
  std::string_view sql;
};
enum StepNumber : uint8_t { begin, set, commit, reset, sequences, unlisten, cursors, defaults };

// Under names of our own: prepared once, each costs the server a few microseconds. Read committed,
// read only: whatever the session's defaults are, nothing can fail or wait.
constexpr std::array<Step, 8> kSteps = {{
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
  auto bit = static_cast<uint8_t>(1U << number);
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
  bool makes_up = false;  // see `Connection::may_have_made_up`

  // Null goes back to the connection's own default.
  void add(std::string_view name, const std::string* value) {
    append_element(names, "", name);
    append_element(values, value ? "+" : "-", value ? *value : "");
  }
};

// Other settings are checked against the rights of the role they are set by: the connection's own
// role sets them, as it does at login.
constexpr std::string_view kRole = "role";

Changes changes_between(const Settings& now, const Settings& wanted) {
  Changes changes;
  const std::string* role = wanted.find(kRole);
  if (now.find(kRole) != nullptr) changes.add(kRole, nullptr);
  for (const auto& [name, value] : now) {
    if (name != kRole && wanted.find(name) == nullptr) changes.add(name, nullptr);
  }
  for (const auto& [name, value] : wanted) {
    if (name == kRole) continue;
    const std::string* is = now.find(name);
    if (is == nullptr || *is != value) changes.add(name, &value);
    changes.makes_up |= name.contains('.');
  }
  if (role != nullptr) changes.add(kRole, role);
  return changes;
}

}  // namespace

void append_guard(std::string& out, Connection& connection, const SettingsPtr& wanted, bool cleanse,
                  bool keeps_channels) {
  static const Settings kNone;
  const Settings& wants = wanted ? *wanted : kNone;
  Settings now = connection.settings ? *connection.settings : kNone;
  if (cleanse) {
    // RESET ALL leaves the role as it is.
    const std::string* role = now.find(kRole);
    Settings only_role;
    only_role.set(kRole, role ? *role : "");
    now = std::move(only_role);
  }
  Changes changes = changes_between(now, wants);
  append_step(out, connection, begin);
  if (cleanse) {
    for (StepNumber each : {reset, sequences, unlisten, cursors}) {
      if (each != unlisten || !keeps_channels) append_step(out, connection, each);
    }
  }
  if (!changes.names.empty()) {
    changes.names += '}';
    changes.values += '}';
    std::array<std::optional<std::string_view>, 2> parameters = {changes.names, changes.values};
    append_step(out, connection, set, parameters);
  }
  append_step(out, connection, commit);
  connection.settings = wanted;
  connection.unproven = false;
  connection.may_have_made_up |= changes.makes_up;
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
