#pragma once

#include <functional>
#include <memory>
#include <string>

#include "observe/metrics.h"
#include "policy/postgres_stats.h"
#include "route/decision.h"
#include "session/cancel_registry.h"
#include "session/relay_tally.h"
#include "session/route_use.h"
#include "session/session.h"

namespace trunkline::session {

// What a session has from the end of its login on: the way to a server, and where it counts. Made
// by the login, owned by the session and gone with it; its worker's thread.
//
//   Connected   a server connection of its own, for as long as it lives
//   Pooled      one of a pool, for as long as it needs it
struct Session::Serving : RelayEvents {
  Serving(Session& session, const route::Decision& decision);
  virtual ~Serving();

  // Serves until the end; tells why. The streams stay open.
  virtual io::Task<std::unique_ptr<Error>> run() = 0;
  // See `Session::ask_to_end`.
  virtual void ask_to_end(Error error, bool when_idle) = 0;
  // See `Session::cancel`.
  virtual void cancel(std::move_only_function<void(CancelOutcome)> done) = 0;
  // After the end: an error of our own would be understood.
  virtual bool client_can_hear() const = 0;
  // Lets go of the server.
  virtual void leave_server() = 0;
  // The server owes an answer.
  virtual bool exchange_open() const = 0;
  virtual Instant client_stalled_since() const = 0;
  virtual Instant server_stalled_since() const = 0;
  // For the log; empty when no server is known yet.
  virtual std::string server_address() const = 0;

  observe::Cell* cells() const { return use->cells; }  // of `kRouteMetrics`

  void on_command_complete(policy::CommandKind command, std::string_view tag) override;
  void on_transaction_end(policy::TransactionsEnded ended) override;

 protected:
  // Null keeps the relay free of calls that nobody wants.
  RelayEvents* listener();
  RelayCounters counters();

 public:
  Session& session;
  RouteUsePtr use;
  policy::PostgresStats stats;
  CancelRegistry::Place own_key;  // of the one that we gave to the client; none for passthrough
};

}  // namespace trunkline::session
