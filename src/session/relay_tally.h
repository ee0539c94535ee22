#pragma once

#include <cstdint>
#include <string_view>

#include "base/time.h"
#include "policy/postgres_stats.h"
#include "session/metrics.h"
#include "wire/protocol.h"
#include "wire/response_queue.h"

namespace trunkline::session {

// Who wants to hear what statements did, as the hook chain does. Called from within the relay's
// turn.
class RelayEvents {
 public:
  // `tag` is the server's, without its zero byte.
  virtual void on_command_complete(policy::CommandKind command, std::string_view tag) = 0;
  virtual void on_transaction_end(policy::TransactionsEnded ended) = 0;

 protected:
  ~RelayEvents() = default;
};

// Where a relay counts. All of it belongs to the session's worker and outlives the machine.
struct RelayCounters {
  policy::PostgresStats& postgres;
  observe::Cell* route;            // of `kRouteMetrics`
  observe::Cell& worker_requests;  // answered with ReadyForQuery
};

// Counts what crosses a relay, and how long it takes. Fed by the relay's machine with what is the
// client's; never with requests of our own. One thread.
class RelayTally {
 public:
  // `events` is null where nobody listens.
  explicit RelayTally(RelayCounters counters, RelayEvents* events)
      : stats_(counters.postgres),
        cells_(counters.route),
        worker_requests_(counters.worker_requests),
        events_(events) {}

  // A request after everything before it was answered.
  void on_exchange(Instant now) {
    exchange_started_ = now;
    if (!stats_.in_transaction()) transaction_started_ = now;
  }
  void on_client_messages(uint64_t count) { stats_.on_client_messages(count); }
  void on_server_messages(uint64_t count) { stats_.on_server_messages(count); }
  void on_unknown_message() { stats_.on_unknown_message(); }
  // `status` is that of ReadyForQuery.
  void on_server_message(char type, std::string_view prefix, wire::TransactionStatus status,
                         Instant now);

  // The server goes back to where no transaction is open, at our request.
  void on_transaction_taken_back(Instant now) {
    on_transactions_ended(stats_.on_ready_for_query(wire::TransactionStatus::idle), now);
  }

  bool server_said_fatal() const { return server_said_fatal_; }
  // Of the request at hand; without one, when the last was answered.
  Instant exchange_started() const { return exchange_started_; }
  Instant transaction_started() const { return transaction_started_; }

 private:
  void on_command_complete(std::string_view tag, Instant now);
  void on_ready_for_query(wire::TransactionStatus status, Instant now);
  void on_transactions_ended(policy::TransactionsEnded ended, Instant now);

  policy::PostgresStats& stats_;
  observe::Cell* cells_;
  observe::Cell& worker_requests_;
  RelayEvents* const events_;
  bool server_said_fatal_ = false;
  Instant exchange_started_{};  // of the oldest request that waits for its ReadyForQuery
  Instant transaction_started_{};
};

}  // namespace trunkline::session
