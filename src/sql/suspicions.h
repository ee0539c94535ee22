#pragma once

#include <cstdint>

#include "base/flags.h"

namespace trunkline::sql {

// What a text may do that its statements do not say by their kind. A suspicion that is wrong costs
// a probe; one that is missing gives wrong results. So the rule is to suspect. But operators, casts
// and types are taken to be what their names say, where those are PostgreSQL's own.
enum class Suspicion : uint32_t {
  // Of any setting, but for `set_config_named`; where its name is a parameter that may be "seed",
  // which setseed() sets.
  set_config = 1U << 0,
  session_lock = 1U << 1,  // pg_advisory_lock and its kin; not the _xact_ ones
  setseed = 1U << 2,
  moves_sequence = 1U << 3,  // nextval, setval
  reads_sequence = 1U << 4,  // currval, lastval
  notifies = 1U << 5,        // pg_notify
  temp_objects = 1U << 6,
  // Runs code that is not seen, and may do any of this: DO, CALL, a function that is not known to
  // be harmless.
  opaque = 1U << 7,
  may_fire_triggers = 1U << 8,
  // Not certainly a plain read.
  may_write = 1U << 9,
  dblink = 1U << 10,
  names_pg_catalog = 1U << 11,
  // Reads tables, or views, which may call anything; so may a "column" that is a function.
  reads_relations = 1U << 12,
  // Does what a prepared statement does: whoever knows that one adds its suspicions.
  runs_prepared = 1U << 13,
  // Casts to a type that is not PostgreSQL's own: a domain's checks may call anything.
  unknown_types = 1U << 14,
  // DDL, also as SELECT INTO: plans made before may be of another time.
  may_define = 1U << 15,
  // set_config(…, …, true): as SET LOCAL, which nothing is left of after the transaction.
  set_config_local = 1U << 16,
  session_unlock = 1U << 17,  // pg_advisory_unlock and its kin
  reads_channels = 1U << 18,  // pg_listening_channels
  // set_config('name', …): of the settings in `Statement::settings`, and no others.
  set_config_named = 1U << 19,
  reads_prepared = 1U << 20,  // pg_prepared_statements
  // current_setting('my.tenant') or SHOW of one that applications make up: which are in
  // `Statement::asked_settings`.
  reads_setting = 1U << 21,
  unlistens = 1U << 22,  // code that is given as text seems to UNLISTEN
  // A literal like 'today', which is the day on which the text is analysed.
  names_moment = 1U << 23,
  // State of the server's process that nothing undoes: pg_backup_start() and the like.
  binds_process = 1U << 24,
  // `set_config_local` of a setting that may decide what other texts mean.
  sets_meaning_locally = 1U << 25,
};

using Suspicions = Flags<Suspicion>;
constexpr Suspicions operator|(Suspicion a, Suspicion b) {
  return {a, b};
}
// For a text that could not be followed.
inline constexpr Suspicions kAllSuspicions =
    Suspicions::from_bits((static_cast<uint32_t>(Suspicion::sets_meaning_locally) << 1) - 1);

// They tell something about the statement, but nothing of the session needs to be looked at.
inline constexpr Suspicions kHarmlessSuspicions = {
    Suspicion::may_write,      Suspicion::names_pg_catalog,    Suspicion::reads_relations,
    Suspicion::reads_prepared, Suspicion::reads_setting,       Suspicion::unlistens,
    Suspicion::names_moment,   Suspicion::sets_meaning_locally};

}  // namespace trunkline::sql
