#pragma once

#include <cstdint>
#include <string>

#include "pool/connection.h"

namespace trunkline::pool {

// What a guard wipes first.
enum class Cleanse : uint8_t {
  nothing,
  settings,    // which nobody knows: the rest is the session's own
  everything,  // of somebody else's
};

// What makes a connection ready for a session: a transaction of our own that sets what the session
// has set and, after somebody else of whom not everything is known, wipes what he may have left. It
// is sent ahead of the client's bytes and without a Sync, so that nothing of theirs runs when a
// setting is refused: the server then skips to the next Sync (documentation 54.2.3).
//
// Its answers stand in the connection's queue, to be swallowed. An error among them is that of
// the guard; `guard_failed` says so to the connection.
//
// `keeps_channels`: what the connection listens to is the session's own.
void append_guard(std::string& out, Connection& connection, const SettingsPtr& wanted,
                  Cleanse cleanse, bool keeps_channels = false);

// The settings alone, within whatever transaction there is; to be swallowed, too.
void append_settings(std::string& out, Connection& connection, const Settings& now,
                     const Settings& wanted);

// What new sessions of this role get in this database: one row, as in `ServerDefaults::Answer`. Its
// answers are to be swallowed, too; a Sync is for who asks.
void append_defaults_question(std::string& out, Connection& connection);

// The server forgets the guard's own statements, whichever it knows.
void close_guards(std::string& out, Connection& connection);

// Nothing is known of the connection's settings.
void guard_failed(Connection& connection);

// The client has dropped all prepared statements, ours among them.
inline void forget_guards(Connection& connection) {
  connection.guards_prepared = 0;
}

}  // namespace trunkline::pool
