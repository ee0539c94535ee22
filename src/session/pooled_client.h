#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <utility>

#include "base/short_string.h"
#include "pool/reported.h"
#include "pool/settings.h"
#include "pool/statements.h"
#include "session/pins.h"
#include "session/session_settings.h"
#include "sql/lexer.h"

namespace trunkline::session {

// The prepared statements of a session, by the client's names. One allocation for all of them: what
// they are is shared by all who have prepared the same.
using ClientStatements = boost::unordered_flat_map<ShortString, pool::StatementPtr,
                                                   ShortString::Hash, ShortString::Equal>;

// What a session of a pool keeps while it rests: what is its client's own, and nothing of what only
// requests under way need, see `PooledMachine`. Plain data of the session; one thread.
struct PooledClient {
  struct Identity {
    uint32_t session;
    bool keeps_connection;  // `pool.mode: session`
  };

  PooledClient(Identity who, pool::SettingsPtr startup, pool::ReportedPtr told_at_login)
      : identity(who), settings(std::move(startup)), told(std::move(told_at_login)) {
    if (identity.keeps_connection) pins.add(Pin::pool_mode);
    update_syntax();
  }

  // After a change of `told`.
  void update_syntax();

  const Identity identity;
  Pins pins;
  sql::Syntax syntax;
  SessionSettings settings;
  pool::ReportedPtr told;
  ClientStatements statements;
  pool::StatementPtr unnamed;
};

}  // namespace trunkline::session
