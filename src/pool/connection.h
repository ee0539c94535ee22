#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/intrusive_list.h"
#include "base/time.h"
#include "pool/destination.h"
#include "pool/reported.h"
#include "pool/senders.h"
#include "pool/settings.h"
#include "pool/statements.h"
#include "server/connection.h"
#include "tls/stream.h"
#include "upstream/server_count.h"
#include "wire/frame.h"
#include "wire/response_queue.h"

namespace trunkline::pool {

// A server connection that several sessions use, one after the other. Owned by whoever has it at
// the time: the session that uses it, the pool while it is idle, or the mail between two workers.
// Its stream belongs to the loop of the worker that holds it, and to none while it travels.
struct Connection : ListNode<> {
  server::Connection server;
  Destination* destination = nullptr;  // of its pool, which outlives it
  Instant idle_since = {};
  Instant opened = Instant::max();  // not yet
  uint32_t spared = 0;              // of `max_lifetime`, in thousandths
  uint64_t generation = 0;          // of the pool when it was opened: see `Pool::renew`
  // In place of the stream, while it travels.
  std::optional<tls::DetachedStream> parcel = {};
  std::optional<upstream::ServerCount> count = {};

  std::unique_ptr<Senders::Place> sender = {};  // null in tests

  // What is asked of the server, and what it says.
  wire::ResponseQueue queue = {};
  wire::FrameScanner scanner{wire::kServerRules};
  Reported reported = {};

  // What sessions have left behind on the server.
  SettingsPtr settings = {};  // that were set last
  uint32_t last_session = 0;  // who used it last; 0: nobody yet
  ServerStatements statements = {};
  StatementPtr unnamed = {};     // null: none, or not known which
  uint16_t guards_prepared = 0;  // which of the guard's own statements it knows
  // Something may have been set, opened or listened to unseen.
  bool unproven = false;
  // A session has left what only a new connection is free of.
  bool spoilt = false;
  // Settings of applications' own ("my.tenant"), which stay known to it: '' where nobody sets them,
  // and not NULL.
  bool may_have_made_up = false;
};
using ConnectionPtr = std::unique_ptr<Connection>;

// What a server may say to somebody who asks nothing: takes notice of what it reports. False when
// it is anything else, or not whole.
bool note_unasked(Connection& connection, std::string_view bytes);

}  // namespace trunkline::pool
