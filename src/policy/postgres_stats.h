#pragma once

#include <cstdint>
#include <string_view>

#include "observe/metrics.h"
#include "wire/message_tally.h"
#include "wire/messages.h"
#include "wire/protocol.h"

// The counters of Envoy's postgres_proxy filter, under its names, for one route and upstream.
namespace trunkline::policy {

extern const observe::GroupDescriptor kPostgresStats;  // labels: route, upstream

// The cells of `kPostgresStats`, in its order.
enum PostgresCounter : uint8_t {
  kErrors,
  kErrorsError,
  kErrorsFatal,
  kErrorsPanic,
  kErrorsUnknown,
  kMessages,
  kMessagesBackend,
  kMessagesFrontend,
  kMessagesUnknown,
  kSessions,
  kSessionsEncrypted,
  kSessionsUnencrypted,
  kSessionsTerminatedSsl,
  kSessionsUpstreamSslSuccess,
  kSessionsUpstreamSslFailed,
  kStatements,
  kStatementsInsert,
  kStatementsUpdate,
  kStatementsDelete,
  kStatementsSelect,
  kStatementsOther,
  kTransactions,
  kTransactionsCommit,
  kTransactionsRollback,
  kNotices,
  kNoticesNotice,
  kNoticesLog,
  kNoticesWarning,
  kNoticesDebug,
  kNoticesInfo,
  kNoticesUnknown,
  kPostgresCounters
};

using wire::CommandKind;
using wire::Severity;

// How a session's bytes reach the proxy. `passed_through` is encrypted and never decoded.
enum class Encryption : uint8_t { none, terminated, passed_through };

// Transactions that an event has ended.
struct TransactionsEnded {
  uint8_t committed = 0;
  uint8_t rolled_back = 0;
  explicit operator bool() const { return committed + rolled_back > 0; }
};

// Counts one session; fed by its relay with what crosses it. Owned by the session and used by its
// worker's thread only. Pure: the same events give the same counts.
//
// Transactions are counted where they end, as the server itself counts them in pg_stat_database,
// with these differences: a prepared transaction is counted when COMMIT PREPARED or ROLLBACK
// PREPARED decides; what a procedure or VACUUM commits inside is not seen.
class PostgresStats {
 public:
  explicit PostgresStats(observe::Cell* cells) : cells_(cells) {}

  // What a login has moved, on whatever session it became or did not become.
  void on_login(uint64_t client_messages, const wire::MessageTally& from_servers);
  // At the first ReadyForQuery, or when an encrypted session starts to pass through.
  void on_session_start(Encryption encryption);
  // TLS towards a server was asked for; the server said no or the handshake failed, or it did
  // not.
  void on_server_tls(bool success);

  // Whole messages, counted once each; a turn of the relay may add several at once.
  void on_client_messages(uint64_t count);
  void on_server_messages(uint64_t count);
  // Of a type the protocol does not know, from either side; not also counted above.
  void on_unknown_message();

  TransactionsEnded on_command_complete(CommandKind command);
  // Something ran, or the server began a transaction for it (Parse, Bind, an empty query), and no
  // tag says what.
  void on_untagged_result() { executed_ = true; }
  void on_error(Severity severity);
  void on_notice(Severity severity);
  TransactionsEnded on_ready_for_query(wire::TransactionStatus status);

  // Either connection is gone, in order or not. `exchange_open`: the server still owed an answer
  // outside of replication. A transaction that was open is rolled back by the server.
  TransactionsEnded on_session_end(bool exchange_open);

  // Between its first result and its end; when to take the time of a transaction.
  bool in_transaction() const { return in_block_ || executed_ || failed_; }

 private:
  void count(PostgresCounter counter) { cells_[counter].add(); }
  void count_errors(Severity severity, uint64_t count);
  void count_notices(Severity severity, uint64_t count);
  TransactionsEnded commit();
  TransactionsEnded roll_back();
  void forget_transaction();

  observe::Cell* cells_;
  // The transaction in progress: BEGIN was seen or ReadyForQuery said so; something ran in it;
  // it failed; it has savepoints; a ROLLBACK was seen that may have been ROLLBACK TO.
  bool in_block_ = false;
  bool executed_ = false;
  bool failed_ = false;
  bool has_savepoint_ = false;
  bool rollback_in_doubt_ = false;
};

}  // namespace trunkline::policy
