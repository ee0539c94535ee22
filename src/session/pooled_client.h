#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "observe/metrics.h"
#include "pool/pin_places.h"
#include "pool/reported.h"
#include "pool/settings.h"
#include "pool/statements.h"
#include "session/client_statements.h"
#include "session/notifications.h"
#include "session/pins.h"
#include "session/session_settings.h"
#include "sql/lexer.h"

namespace trunkline::session {

// What a session of a pool keeps while it rests: what is its client's own, and nothing of what only
// requests under way need, see `PooledMachine`. Plain data of the session; its worker's thread.
struct PooledClient {
  // Who it is to its pool: told anew to each machine it wakes up with.
  struct Identity {
    uint32_t session;
    bool keeps_connection;        // `pool.mode: session`
    bool refuses_blocks = false;  // `pool.mode: statement`
    Pins rejects = {};            // `pool.unmovable_state`
    // Of the pool, which outlives the session's use of it. Null: nobody counts.
    pool::PinPlaces* pin_places = nullptr;
    observe::Cell* pool_cells = nullptr;
    // Null: LISTEN stays on its server connection, and the session with it.
    Listening* listening = nullptr;
    // What the client cancels with, from the end of its login on; null in tests.
    const uint32_t* process_id = nullptr;
  };

  PooledClient(uint64_t began_with, pool::SettingsPtr startup, pool::ReportedPtr told_at_login)
      : generation(began_with),
        may_have_made_up(SessionSettings::has_custom(startup)),
        settings(std::move(startup)),
        told(std::move(told_at_login)) {
    update_syntax();
  }

  // After a change of `told`.
  void update_syntax();

  // From the connection that listens; the session's turn comes after either. `undecided`: something
  // runs that may commit a LISTEN.
  void on_notification(pool::NotificationPtr notification, bool undecided) {
    if (notifications) notifications->on_notification(std::move(notification), undecided);
  }
  void on_listening_answer(Listening::Ticket ticket, bool hears) {
    if (notifications) notifications->on_answer(ticket, hears);
  }

  uint64_t generation;  // of the pool's connections when it began
  sql::Syntax syntax;
  bool has_had_temporary = false;  // objects
  // Settings of its own ("my.tenant"), or has run what is not seen.
  bool may_have_made_up;
  SessionSettings settings;
  pool::ReportedPtr told;
  ClientStatements statements;
  pool::StatementPtr unnamed;
  std::unique_ptr<Notifications> notifications;  // while it listens
};

}  // namespace trunkline::session
