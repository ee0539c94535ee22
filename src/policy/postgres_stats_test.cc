#include "policy/postgres_stats.h"

#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

#include "observe/prometheus.h"

namespace trunkline::policy {
namespace {

using observe::Registry;

// What a server sent, as PostgreSQL 15 does for the statements named in each case: C(tag), E and N
// with their severity, Z with its status, other messages by their type. Each is one message.
class Replay {
 public:
  Replay() : group_(registry_.group(kPostgresStats, {"main", "db"})), stats_(group_->cells(0)) {}

  Replay& server(std::string_view messages) {
    while (!messages.empty()) {
      size_t space = messages.find(
          ' ', messages.find('(') < messages.find(' ') ? messages.find(')') : size_t{0});
      message(messages.substr(0, space));
      messages.remove_prefix(space == std::string_view::npos ? messages.size() : space + 1);
    }
    return *this;
  }

  PostgresStats& stats() { return stats_; }
  // The sum of what the events returned.
  uint64_t committed() const { return committed_; }
  uint64_t rolled_back() const { return rolled_back_; }
  uint64_t operator[](PostgresCounter counter) const { return group_->total(counter); }

 private:
  void add(TransactionsEnded ended) {
    committed_ += ended.committed;
    rolled_back_ += ended.rolled_back;
  }

  void message(std::string_view text) {
    stats_.on_server_messages(1);
    std::string_view inner = text.size() > 3 ? text.substr(2, text.size() - 3) : "";
    switch (text[0]) {
      case 'C':
        return add(stats_.on_command_complete(wire::command_kind(inner)));
      case 'E':
        return stats_.on_error(wire::parse_severity(inner));
      case 'N':
        return stats_.on_notice(wire::parse_severity(inner));
      case 'Z':
        return add(stats_.on_ready_for_query(static_cast<wire::TransactionStatus>(text[1])));
      case 's':
      case 'V':
        return stats_.on_untagged_result();
      default:
        break;
    }
  }

  Registry registry_{1};
  std::shared_ptr<observe::Group> group_;
  PostgresStats stats_;
  uint64_t committed_ = 0;
  uint64_t rolled_back_ = 0;
};

struct Case {
  std::string name;
  std::string messages;
  uint64_t commits;
  uint64_t rollbacks;
};

class TransactionsOf : public ::testing::TestWithParam<Case> {};

// Every expectation was measured with pg_stat_database on PostgreSQL 15, but for the differences
// that the comment of `PostgresStats` names.
TEST_P(TransactionsOf, AreCountedWhereTheyEnd) {
  Replay replay;
  replay.server(GetParam().messages);
  EXPECT_EQ(replay[kTransactionsCommit], GetParam().commits);
  EXPECT_EQ(replay[kTransactionsRollback], GetParam().rollbacks);
  EXPECT_EQ(replay[kTransactions], GetParam().commits + GetParam().rollbacks);
  EXPECT_EQ(replay.committed(), GetParam().commits);
  EXPECT_EQ(replay.rolled_back(), GetParam().rollbacks);
  bool open = GetParam().messages.ends_with("ZT") || GetParam().messages.ends_with("ZE");
  EXPECT_EQ(replay.stats().in_transaction(), open);
  EXPECT_EQ(replay.stats().on_session_end(false).rolled_back, open ? 1 : 0);
  EXPECT_EQ(replay[kTransactionsRollback], GetParam().rollbacks + (open ? 1 : 0));
  EXPECT_FALSE(replay.stats().in_transaction());
}

const Case kCases[] = {
    {"Login", "R S K ZI", 0, 0},
    {"ImplicitStatement", "C(INSERT 0 1) ZI", 1, 0},
    {"SeveralStatementsInOneQuery", "T D C(SELECT 1) T D C(SELECT 1) ZI", 1, 0},
    {"FailedImplicitStatement", "E(ERROR) ZI", 0, 1},
    {"FailureAfterSuccessInOneQuery", "T D C(SELECT 1) E(ERROR) ZI", 0, 1},
    {"EmptyQuery", "I ZI", 0, 0},
    {"SyncAlone", "ZI", 0, 0},
    {"ParseAlone", "1 ZI", 0, 0},
    {"BeginCommit", "C(BEGIN) ZT C(INSERT 0 1) ZT C(COMMIT) ZI", 1, 0},
    {"StartTransactionCommit", "C(START TRANSACTION) ZT C(COMMIT) ZI", 1, 0},
    {"BeginRollback", "C(BEGIN) ZT C(INSERT 0 1) ZT C(ROLLBACK) ZI", 0, 1},
    {"OpenBlock", "C(BEGIN) ZT T D C(SELECT 1) ZT", 0, 0},
    {"FailedBlockStillOpen", "C(BEGIN) ZT E(ERROR) ZE", 0, 0},
    {"CommitOfAFailedBlock", "C(BEGIN) ZT E(ERROR) ZE C(ROLLBACK) ZI", 0, 1},
    {"FailuresInAFailedBlock", "C(BEGIN) ZT E(ERROR) ZE E(ERROR) ZE C(ROLLBACK) ZI", 0, 1},
    {"CommitThatFailsItself", "C(BEGIN) ZT C(INSERT 0 2) ZT E(ERROR) ZI", 0, 1},
    {"BeginCommitInOneQuery", "C(BEGIN) T D C(SELECT 1) C(COMMIT) ZI", 1, 0},
    {"TwoBlocksInOneQuery", "C(BEGIN) C(COMMIT) C(BEGIN) C(COMMIT) ZI", 2, 0},
    {"BlockAndNextBegin", "C(BEGIN) C(COMMIT) C(BEGIN) ZT C(COMMIT) ZI", 2, 0},
    {"FailureInABlockOfOneQuery", "C(BEGIN) E(ERROR) ZE C(ROLLBACK) ZI", 0, 1},
    {"StatementBeforeBegin", "T D C(SELECT 1) C(BEGIN) T D C(SELECT 1) ZT C(COMMIT) ZI", 1, 0},
    {"RollbackThenStatement", "C(BEGIN) C(ROLLBACK) T D C(SELECT 1) ZI", 1, 1},
    {"CommitWithinImplicit", "T D C(SELECT 1) N(WARNING) C(COMMIT) T D C(SELECT 1) ZI", 2, 0},
    {"RollbackWithinImplicit", "C(INSERT 0 1) N(WARNING) C(ROLLBACK) T D C(SELECT 1) ZI", 1, 1},
    {"CommitOutside", "N(WARNING) C(COMMIT) ZI", 1, 0},
    {"RollbackOutside", "N(WARNING) C(ROLLBACK) ZI", 0, 1},
    {"BeginInsideABlock", "C(BEGIN) ZT N(WARNING) C(BEGIN) ZT C(COMMIT) ZI", 1, 0},
    {"RollbackToSavepoint",
     "C(BEGIN) ZT C(SAVEPOINT) ZT C(INSERT 0 1) ZT C(ROLLBACK) ZT C(COMMIT) ZI", 1, 0},
    {"RollbackToAfterFailure",
     "C(BEGIN) ZT C(SAVEPOINT) ZT E(ERROR) ZE C(ROLLBACK) ZT C(COMMIT) ZI", 1, 0},
    {"RollbackToInOneQuery", "C(BEGIN) C(SAVEPOINT) C(ROLLBACK) T D C(SELECT 1) C(COMMIT) ZI", 1,
     0},
    {"RollbackToTwiceThenRollback",
     "C(BEGIN) ZT C(SAVEPOINT) ZT C(ROLLBACK) ZT C(ROLLBACK) ZT C(ROLLBACK) ZI", 0, 1},
    {"RollbackOfABlockWithSavepoint", "C(BEGIN) ZT C(SAVEPOINT) ZT C(ROLLBACK) ZI", 0, 1},
    {"RollbackOfABlockWithSavepointThenStatement",
     "C(BEGIN) ZT C(SAVEPOINT) ZT C(ROLLBACK) T D C(SELECT 1) ZI", 1, 1},
    {"RollbackOfABlockWithSavepointThenFailure",
     "C(BEGIN) ZT C(SAVEPOINT) ZT C(ROLLBACK) E(ERROR) ZI", 0, 2},
    {"RollbackOfABlockWithSavepointThenBegin",
     "C(BEGIN) ZT C(SAVEPOINT) ZT C(ROLLBACK) C(BEGIN) ZT C(COMMIT) ZI", 1, 1},
    {"RollbackToThenFailure", "C(BEGIN) C(SAVEPOINT) C(ROLLBACK) E(ERROR) ZE C(ROLLBACK) ZI", 0, 1},
    {"ReleaseSavepoint", "C(BEGIN) C(SAVEPOINT) C(RELEASE) C(COMMIT) ZI", 1, 0},
    {"CommitAndChain", "C(BEGIN) ZT C(COMMIT) ZT C(COMMIT) ZI", 2, 0},
    {"RollbackAndChain", "C(BEGIN) ZT C(ROLLBACK) ZT C(ROLLBACK) ZI", 0, 2},
    {"CommitAndChainOfAFailedBlock", "C(BEGIN) E(ERROR) ZE C(ROLLBACK) ZT C(COMMIT) ZI", 1, 1},
    {"PrepareTransaction", "C(BEGIN) ZT T D C(SELECT 1) ZT C(PREPARE TRANSACTION) ZI", 0, 0},
    {"CommitPrepared", "C(BEGIN) ZT C(PREPARE TRANSACTION) ZI C(COMMIT PREPARED) ZI", 1, 0},
    {"RollbackPrepared", "C(BEGIN) ZT C(PREPARE TRANSACTION) ZI C(ROLLBACK PREPARED) ZI", 0, 1},
    {"PrepareOfAFailedBlock", "C(BEGIN) ZT E(ERROR) ZE C(ROLLBACK) ZI", 0, 1},
    {"StatementAfterPrepare",
     "C(BEGIN) ZT C(PREPARE TRANSACTION) T D C(SELECT 1) ZI C(ROLLBACK PREPARED) ZI", 1, 1},
    {"SqlPrepareAndExecute", "C(PREPARE) ZI C(INSERT 0 1) ZI C(DEALLOCATE) ZI", 3, 0},
    {"Pipeline", "1 2 C(INSERT 0 1) 1 2 D C(SELECT 1) ZI", 1, 0},
    {"RolledBackPipeline", "1 2 C(INSERT 0 1) 1 2 C(INSERT 0 1) 1 E(ERROR) ZI", 0, 1},
    {"PipelineBlockThenStatement",
     "1 2 C(BEGIN) 1 2 D C(SELECT 1) 1 2 C(COMMIT) 1 2 C(INSERT 0 1) ZI", 2, 0},
    {"PipelineBlockThenFailure", "1 2 C(BEGIN) 1 2 C(INSERT 0 1) 1 2 C(COMMIT) 1 E(ERROR) ZI", 1,
     1},
    {"PipelineFailsInABlock", "1 2 C(INSERT 0 1) 1 2 C(BEGIN) 1 E(ERROR) ZE C(ROLLBACK) ZI", 0, 1},
    {"TwoSyncs", "1 2 C(BEGIN) ZT 1 2 C(COMMIT) ZI", 1, 0},
    {"SyncInAFailedBlock", "1 2 C(BEGIN) ZT 1 E(ERROR) ZE ZE 1 2 C(ROLLBACK) ZI", 0, 1},
    {"QueryInAPipelineOfVersion15", "1 2 C(INSERT 0 1) T D C(SELECT 1) ZI ZI", 1, 0},
    {"QueryInAPipelineOfVersion18", "1 2 C(INSERT 0 1) T D C(SELECT 1) ZT ZI", 1, 0},
    {"SuspendedPortal", "1 2 D D s ZI", 1, 0},
    {"FunctionCall", "V ZI", 1, 0},
    {"FunctionCallInABlock", "C(BEGIN) ZT V ZT C(COMMIT) ZI", 1, 0},
    {"CopyIn", "G C(COPY 1) ZI", 1, 0},
    {"CopyInThatFails", "G E(ERROR) ZI", 0, 1},
    {"CopyOut", "H d c C(COPY 1) ZI", 1, 0},
    {"Cursor", "C(BEGIN) C(DECLARE CURSOR) T D C(FETCH 1) C(CLOSE CURSOR) C(COMMIT) ZI", 1, 0},
    {"ParseThatFails", "E(ERROR) ZI", 0, 1},
};
INSTANTIATE_TEST_SUITE_P(PostgresStats, TransactionsOf, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

TEST(PostgresStats, CountsALostBlockAsRolledBack) {
  Replay replay;
  replay.server("C(BEGIN) ZT C(INSERT 0 1) ZT").stats().on_session_end(false);
  EXPECT_EQ(replay[kTransactions], 1U);
  EXPECT_EQ(replay[kTransactionsRollback], 1U);
}

TEST(PostgresStats, CountsALostStatementAsRolledBackOnce) {
  Replay replay;
  replay.server("ZI T D E(FATAL)").stats().on_session_end(true);
  EXPECT_EQ(replay[kTransactions], 1U);
  EXPECT_EQ(replay[kTransactionsRollback], 1U);
  EXPECT_EQ(replay[kErrorsFatal], 1U);
}

TEST(PostgresStats, CountsAPipelineThatWasNeverSyncedAsRolledBack) {
  Replay replay;
  replay.server("1 2 C(INSERT 0 1)").stats().on_session_end(true);
  EXPECT_EQ(replay[kTransactionsRollback], 1U);
  EXPECT_EQ(replay[kTransactionsCommit], 0U);
}

TEST(PostgresStats, CountsNothingWhenAnIdleSessionIsTerminated) {
  Replay replay;
  replay.server("C(BEGIN) ZT C(COMMIT) ZI E(FATAL)").stats().on_session_end(false);
  EXPECT_EQ(replay[kTransactions], 1U);
  EXPECT_EQ(replay[kTransactionsRollback], 0U);
}

TEST(PostgresStats, CountsStatementsByTheirTags) {
  Replay replay;
  replay.server("C(SELECT 1) C(SELECT 0) C(INSERT 0 1) C(INSERT 0 5) C(INSERT 0 0) C(UPDATE 3)")
      .server("C(DELETE 0) C(DELETE 1) C(MERGE 0) C(COPY 10) C(FETCH 1) C(BEGIN) C(COMMIT)")
      .server("C(CREATE TABLE) C(SET) C(SELECTION) C(ROLLBACK) I s E(ERROR) ZI");
  EXPECT_EQ(replay[kStatementsSelect], 2U);
  EXPECT_EQ(replay[kStatementsInsert], 3U);
  EXPECT_EQ(replay[kStatementsUpdate], 1U);
  EXPECT_EQ(replay[kStatementsDelete], 2U);
  EXPECT_EQ(replay[kStatementsOther], 9U);
  EXPECT_EQ(replay[kStatements], 17U);
}

TEST(PostgresStats, CountsErrorsAndNoticesBySeverity) {
  Replay replay;
  replay.server("E(ERROR) E(ERROR) E(FATAL) E(PANIC) E(SCHLIMM)")
      .server("N(NOTICE) N(LOG) N(WARNING) N(WARNING) N(DEBUG) N(INFO) N(WAT)");
  EXPECT_EQ(replay[kErrors], 5U);
  EXPECT_EQ(replay[kErrorsError], 2U);
  EXPECT_EQ(replay[kErrorsFatal], 1U);
  EXPECT_EQ(replay[kErrorsPanic], 1U);
  EXPECT_EQ(replay[kErrorsUnknown], 1U);
  EXPECT_EQ(replay[kNotices], 7U);
  EXPECT_EQ(replay[kNoticesNotice], 1U);
  EXPECT_EQ(replay[kNoticesLog], 1U);
  EXPECT_EQ(replay[kNoticesWarning], 2U);
  EXPECT_EQ(replay[kNoticesDebug], 1U);
  EXPECT_EQ(replay[kNoticesInfo], 1U);
  EXPECT_EQ(replay[kNoticesUnknown], 1U);
}

TEST(PostgresStats, CountsMessagesOfBothSidesAndUnknownOnes) {
  Replay replay;
  replay.stats().on_client_messages(3);
  replay.server("T D C(SELECT 1) ZI").stats().on_server_messages(10);
  replay.stats().on_unknown_message();
  EXPECT_EQ(replay[kMessagesFrontend], 3U);
  EXPECT_EQ(replay[kMessagesBackend], 14U);
  EXPECT_EQ(replay[kMessagesUnknown], 1U);
  EXPECT_EQ(replay[kMessages], 18U);
}

TEST(PostgresStats, CountsSessionsByEncryption) {
  Replay replay;
  replay.stats().on_session_start(Encryption::none);
  replay.stats().on_session_start(Encryption::terminated);
  replay.stats().on_session_start(Encryption::terminated);
  replay.stats().on_session_start(Encryption::passed_through);
  replay.stats().on_server_tls(true);
  replay.stats().on_server_tls(true);
  replay.stats().on_server_tls(false);
  EXPECT_EQ(replay[kSessions], 4U);
  EXPECT_EQ(replay[kSessionsUnencrypted], 1U);
  EXPECT_EQ(replay[kSessionsEncrypted], 3U);
  EXPECT_EQ(replay[kSessionsTerminatedSsl], 2U);
  EXPECT_EQ(replay[kSessionsUpstreamSslSuccess], 2U);
  EXPECT_EQ(replay[kSessionsUpstreamSslFailed], 1U);
}

TEST(PostgresStats, AreShownUnderEnvoysNames) {
  Registry registry(1);
  auto group = registry.group(kPostgresStats, {"main", "db"});
  for (size_t i = 0; i < kPostgresCounters; ++i) group->cells(0)[i].add(100 + i);
  std::string text = observe::prometheus_text(registry.read(), "tl");
  auto shows = [&](const std::string& name, size_t cell) {
    std::string line = "tl_postgres_" + name + "_total{route=\"main\",upstream=\"db\"} " +
                       std::to_string(100 + cell) + "\n";
    return text.find(line) != std::string::npos;
  };
  const std::map<std::string, size_t> names = {
      {"errors", kErrors},
      {"errors_error", kErrorsError},
      {"errors_fatal", kErrorsFatal},
      {"errors_panic", kErrorsPanic},
      {"errors_unknown", kErrorsUnknown},
      {"messages", kMessages},
      {"messages_backend", kMessagesBackend},
      {"messages_frontend", kMessagesFrontend},
      {"messages_unknown", kMessagesUnknown},
      {"sessions", kSessions},
      {"sessions_encrypted", kSessionsEncrypted},
      {"sessions_unencrypted", kSessionsUnencrypted},
      {"sessions_terminated_ssl", kSessionsTerminatedSsl},
      {"sessions_upstream_ssl_success", kSessionsUpstreamSslSuccess},
      {"sessions_upstream_ssl_failed", kSessionsUpstreamSslFailed},
      {"statements", kStatements},
      {"statements_insert", kStatementsInsert},
      {"statements_update", kStatementsUpdate},
      {"statements_delete", kStatementsDelete},
      {"statements_select", kStatementsSelect},
      {"statements_other", kStatementsOther},
      {"transactions", kTransactions},
      {"transactions_commit", kTransactionsCommit},
      {"transactions_rollback", kTransactionsRollback},
      {"notices", kNotices},
      {"notices_notice", kNoticesNotice},
      {"notices_log", kNoticesLog},
      {"notices_warning", kNoticesWarning},
      {"notices_debug", kNoticesDebug},
      {"notices_info", kNoticesInfo},
      {"notices_unknown", kNoticesUnknown},
  };
  EXPECT_EQ(names.size(), kPostgresCounters);
  for (const auto& [name, cell] : names) EXPECT_TRUE(shows(name, cell)) << name;
}

TEST(PostgresStats, ALoginCountsMessagesAndSeveritiesAndEndsNoTransaction) {
  wire::MessageTally servers;
  servers.add('R', "");
  servers.add('E', std::string_view("VERROR\0\0", 8));
  servers.add('E', std::string_view("VFATAL\0\0", 8));
  servers.add('N', std::string_view("VWARNING\0\0", 10));
  Replay replay;
  replay.stats().on_login(3, servers);
  EXPECT_EQ(replay[kMessages], 7U);
  EXPECT_EQ(replay[kMessagesFrontend], 3U);
  EXPECT_EQ(replay[kMessagesBackend], 4U);
  EXPECT_EQ(replay[kErrors], 2U);
  EXPECT_EQ(replay[kErrorsError], 1U);
  EXPECT_EQ(replay[kErrorsFatal], 1U);
  EXPECT_EQ(replay[kNotices], 1U);
  EXPECT_EQ(replay[kNoticesWarning], 1U);
  EXPECT_FALSE(replay.stats().in_transaction());
  EXPECT_FALSE(replay.stats().on_session_end(false));
  EXPECT_EQ(replay[kTransactions], 0U);
}

}  // namespace
}  // namespace trunkline::policy
