#include "policy/postgres_stats.h"

#include <iterator>

namespace trunkline::policy {

namespace {

constexpr observe::Descriptor kMetrics[] = {
    {"postgres_errors", "ErrorResponse messages of servers."},
    {"postgres_errors_error", "ErrorResponse messages of severity ERROR."},
    {"postgres_errors_fatal", "ErrorResponse messages of severity FATAL."},
    {"postgres_errors_panic", "ErrorResponse messages of severity PANIC."},
    {"postgres_errors_unknown", "ErrorResponse messages of no known severity."},
    {"postgres_messages", "Messages from both sides."},
    {"postgres_messages_backend", "Messages from servers."},
    {"postgres_messages_frontend", "Messages from clients."},
    {"postgres_messages_unknown", "Messages of no known type."},
    {"postgres_sessions", "Sessions that logged in, or whose encrypted bytes were passed on."},
    {"postgres_sessions_encrypted", "Sessions whose client speaks TLS."},
    {"postgres_sessions_unencrypted", "Sessions whose client does not speak TLS."},
    {"postgres_sessions_terminated_ssl", "Sessions whose TLS ends at the proxy."},
    {"postgres_sessions_upstream_ssl_success", "Server connections that got TLS as asked."},
    {"postgres_sessions_upstream_ssl_failed", "Server connections that were refused TLS."},
    {"postgres_statements", "Statements completed."},
    {"postgres_statements_insert", "INSERT statements completed."},
    {"postgres_statements_update", "UPDATE statements completed."},
    {"postgres_statements_delete", "DELETE statements completed."},
    {"postgres_statements_select", "SELECT statements completed."},
    {"postgres_statements_other", "Statements of other kinds completed."},
    {"postgres_transactions", "Transactions ended, implicit ones too."},
    {"postgres_transactions_commit", "Transactions committed."},
    {"postgres_transactions_rollback", "Transactions rolled back."},
    {"postgres_notices", "NoticeResponse messages of servers."},
    {"postgres_notices_notice", "NoticeResponse messages of severity NOTICE."},
    {"postgres_notices_log", "NoticeResponse messages of severity LOG."},
    {"postgres_notices_warning", "NoticeResponse messages of severity WARNING."},
    {"postgres_notices_debug", "NoticeResponse messages of severity DEBUG."},
    {"postgres_notices_info", "NoticeResponse messages of severity INFO."},
    {"postgres_notices_unknown", "NoticeResponse messages of no known severity."},
};
static_assert(std::size(kMetrics) == kPostgresCounters);

constexpr std::string_view kLabels[] = {"route", "upstream"};

PostgresCounter error_counter(Severity severity) {
  switch (severity) {
    case Severity::error:
      return kErrorsError;
    case Severity::fatal:
      return kErrorsFatal;
    case Severity::panic:
      return kErrorsPanic;
    default:
      return kErrorsUnknown;
  }
}

PostgresCounter notice_counter(Severity severity) {
  switch (severity) {
    case Severity::notice:
      return kNoticesNotice;
    case Severity::log:
      return kNoticesLog;
    case Severity::warning:
      return kNoticesWarning;
    case Severity::debug:
      return kNoticesDebug;
    case Severity::info:
      return kNoticesInfo;
    default:
      return kNoticesUnknown;
  }
}

PostgresCounter statement_counter(CommandKind command) {
  switch (command) {
    case CommandKind::select:
      return kStatementsSelect;
    case CommandKind::insert:
      return kStatementsInsert;
    case CommandKind::update:
      return kStatementsUpdate;
    case CommandKind::delete_:
      return kStatementsDelete;
    default:
      return kStatementsOther;
  }
}

}  // namespace

constinit const observe::GroupDescriptor kPostgresStats{kMetrics, kLabels};

void PostgresStats::on_login(uint64_t client_messages, const wire::MessageTally& from_servers) {
  on_client_messages(client_messages);
  on_server_messages(from_servers.messages);
  for (size_t i = 0; i < wire::kSeverities; ++i) {
    count_errors(static_cast<Severity>(i), from_servers.errors[i]);
    count_notices(static_cast<Severity>(i), from_servers.notices[i]);
  }
}

void PostgresStats::count_errors(Severity severity, uint64_t count) {
  cells_[kErrors].add(count);
  cells_[error_counter(severity)].add(count);
}

void PostgresStats::count_notices(Severity severity, uint64_t count) {
  cells_[kNotices].add(count);
  cells_[notice_counter(severity)].add(count);
}

void PostgresStats::on_session_start(Encryption encryption) {
  count(kSessions);
  count(encryption == Encryption::none ? kSessionsUnencrypted : kSessionsEncrypted);
  if (encryption == Encryption::terminated) count(kSessionsTerminatedSsl);
}

void PostgresStats::on_server_tls(bool success) {
  count(success ? kSessionsUpstreamSslSuccess : kSessionsUpstreamSslFailed);
}

void PostgresStats::on_client_messages(uint64_t count) {
  cells_[kMessages].add(count);
  cells_[kMessagesFrontend].add(count);
}

void PostgresStats::on_server_messages(uint64_t count) {
  cells_[kMessages].add(count);
  cells_[kMessagesBackend].add(count);
}

void PostgresStats::on_unknown_message() {
  count(kMessages);
  count(kMessagesUnknown);
}

TransactionsEnded PostgresStats::on_command_complete(CommandKind command) {
  count(kStatements);
  count(statement_counter(command));
  switch (command) {
    case CommandKind::begin: {
      TransactionsEnded ended = rollback_in_doubt_ ? roll_back() : TransactionsEnded{};
      in_block_ = true;
      return ended;
    }
    case CommandKind::savepoint:
      has_savepoint_ = true;
      return {};
    case CommandKind::commit:
      return commit();
    case CommandKind::rollback:
      if (!has_savepoint_) return roll_back();
      // ROLLBACK TO has the same tag; what follows tells them apart, and `executed_` now means
      // since then.
      rollback_in_doubt_ = true;
      executed_ = false;
      return {};
    case CommandKind::prepare_transaction:
      forget_transaction();
      return {};
    case CommandKind::rollback_prepared:
      return roll_back();
    default:
      executed_ = true;
      return {};
  }
}

void PostgresStats::on_error(Severity severity) {
  count_errors(severity, 1);
  // FATAL and PANIC end the session, which decides about the transaction.
  if (severity != Severity::fatal && severity != Severity::panic) failed_ = true;
}

void PostgresStats::on_notice(Severity severity) {
  count_notices(severity, 1);
}

TransactionsEnded PostgresStats::on_ready_for_query(wire::TransactionStatus status) {
  if (status != wire::TransactionStatus::idle) {
    in_block_ = true;
    failed_ = false;
    rollback_in_doubt_ = false;  // the block is still open: it was ROLLBACK TO
    return {};
  }
  const bool was_rolled_back = rollback_in_doubt_;  // and what came after was a transaction itself
  const bool failed = failed_;
  const bool open = executed_ || (in_block_ && !was_rolled_back);
  TransactionsEnded ended;
  if (was_rolled_back) ended = roll_back();
  if (failed) {
    ended.rolled_back += roll_back().rolled_back;
  } else if (open) {
    ended.committed += commit().committed;
  }
  return ended;
}

TransactionsEnded PostgresStats::on_session_end(bool exchange_open) {
  return exchange_open || in_transaction() ? roll_back() : TransactionsEnded{};
}

TransactionsEnded PostgresStats::commit() {
  count(kTransactions);
  count(kTransactionsCommit);
  forget_transaction();
  return {.committed = 1};
}

TransactionsEnded PostgresStats::roll_back() {
  count(kTransactions);
  count(kTransactionsRollback);
  forget_transaction();
  return {.rolled_back = 1};
}

void PostgresStats::forget_transaction() {
  in_block_ = executed_ = failed_ = has_savepoint_ = rollback_in_doubt_ = false;
}

}  // namespace trunkline::policy
