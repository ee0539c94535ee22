#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/flags.h"
#include "pool/metrics.h"

namespace trunkline::session {

// Why a session keeps its server connection between transactions: what cannot be moved to another.
enum class Pin : uint16_t {
  pool_mode = 1U << 0,  // `pool.mode: session`
  temporary_object = 1U << 1,
  held_cursor = 1U << 2,
  advisory_lock = 1U << 3,
  listen = 1U << 4,
  prepared = 1U << 5,  // by code that is not seen
  // From here on until the session ends: nothing tells that they are over.
  random_seed = 1U << 6,
  sequence = 1U << 7,  // or DISCARD SEQUENCES
  unknown_setting = 1U << 8,
  session_authorization = 1U << 9,
  long_statement = 1U << 10,  // more than is kept, and it may be needed again
  process_state = 1U << 11,   // of the server's process: a library, dblink's connections, a backup
};

using Pins = Flags<Pin>;
constexpr Pins operator|(Pin a, Pin b) {
  return {a, b};
}

// They are named as in `unmovable_state`, and counted in this order (`pool::PoolCells`).
inline constexpr std::array<std::string_view, pool::kPinReasons> kPinSettings = {
    "temporary_objects",     "held_cursors",    "advisory_locks", "listen",
    "prepared_statements",   "random_seed",     "sequences",      "unknown_settings",
    "session_authorization", "long_statements", "process_state"};
constexpr Pin pin_at(size_t index) {
  return static_cast<Pin>(static_cast<uint16_t>(Pin::temporary_object) << index);
}
static_assert(pin_at(pool::kPinReasons - 1) == Pin::process_state);
// In words for errors; of the first.
constexpr std::string_view feature_of(Pins pins) {
  constexpr std::array<std::string_view, pool::kPinReasons> kFeatures = {
      "a temporary object",
      "a cursor WITH HOLD",
      "an advisory lock of the session",
      "LISTEN within other code",
      "PREPARE within other code",
      "setseed()",
      "a sequence's nextval() or setval()",
      "a setting that cannot be followed",
      "SET SESSION AUTHORIZATION",
      "a statement of more than 256 KiB",
      "state of the server's process: LOAD, dblink, a backup"};
  for (size_t i = 0; i < kFeatures.size(); ++i) {
    if (pins.has(pin_at(i))) return kFeatures[i];
  }
  return {};
}

// Whether they are still there is for the server to say: `kProbe`.
inline constexpr Pins kProbedPins = {Pin::temporary_object, Pin::held_cursor, Pin::advisory_lock,
                                     Pin::listen, Pin::prepared};

// One row of one number: the bits of `kProbedPins` that hold for this server connection. Asked
// outside of a transaction, where every lock is the session's. Then a row for each setting of the
// session: code that is not seen may have set some for its caller. `kProbeCustomized` goes on for
// settings that pg_settings does not show.
inline constexpr std::string_view kProbe =
    "SELECT (CASE WHEN t <> 0 AND (EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = t)"
    " OR EXISTS (SELECT FROM pg_catalog.pg_type WHERE typnamespace = t)"
    " OR EXISTS (SELECT FROM pg_catalog.pg_proc WHERE pronamespace = t)) THEN 2 ELSE 0 END"
    " + CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable) THEN 4 ELSE 0 END"
    " + CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory'"
    " AND pid = pg_catalog.pg_backend_pid()) THEN 8 ELSE 0 END"
    " + CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_listening_channels()) THEN 16 ELSE 0 END"
    " + CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql"
    " AND NOT pg_catalog.starts_with(name, 'trunkline_')) THEN 32 ELSE 0 END"
    " + CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_prepared_statements"
    " WHERE pg_catalog.starts_with(name, 'trunkline_')) THEN 0 ELSE 4096 END) FROM "
    "pg_catalog.pg_my_temp_schema() AS t;"
    " SELECT name, setting FROM pg_catalog.pg_settings WHERE source = 'session'"
    " AND NOT pg_catalog.starts_with(name, 'transaction_')"
    " UNION ALL SELECT 'role', pg_catalog.current_setting('role')"
    " WHERE pg_catalog.current_setting('role') <> 'none'";
// Its last bit: none of our own statements is there, as code has done DEALLOCATE ALL.
inline constexpr uint16_t kProbedWithoutNames = 4096;
// As it stands in it: of what SQL has prepared, what is none of code that is not seen.
inline constexpr std::string_view kProbeOurNames = "NOT pg_catalog.starts_with(name, 'trunkline_')";
inline constexpr std::string_view kProbeCustomized =
    " UNION ALL SELECT n, pg_catalog.current_setting(n, true) FROM pg_catalog.unnest('{{{}}}'"
    "::pg_catalog.text[]) AS n WHERE pg_catalog.current_setting(n, true) IS NOT NULL";

}  // namespace trunkline::session
