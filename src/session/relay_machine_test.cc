#include "session/relay_machine.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "session/relay_testing.h"

namespace trunkline::session {
namespace {

using Verdict = RelayMachine::Verdict;

// One step of a script: what one side says.
struct Step {
  wire::Direction from;
  std::string bytes;
};
using Script = std::vector<Step>;
constexpr uint64_t ns(Duration duration) {
  return static_cast<uint64_t>(duration.count());
}
constexpr auto kClient = wire::Direction::from_client;
constexpr auto kServer = wire::Direction::from_server;

// A machine with its metrics, and what it passed on. Each input lives only as long as the turn in
// which a relay would hold it, so that a view kept too long is seen by the sanitizers.
class Played {
 public:
  explicit Played(config::Inspect inspect = config::Inspect::messages)
      : machine(inspect, metrics.counters(), metrics.server_count) {}

  Verdict feed(wire::Direction from, std::string_view bytes) {
    std::string own(bytes);
    std::string_view input = own;
    Outbox out;
    Verdict verdict = from == kClient ? machine.from_client(input, now, out)
                                      : machine.from_server(input, now, out);
    std::string& passed_on = from == kClient ? to_server : to_client;
    for (const iovec& part : out.parts()) {
      passed_on.append(static_cast<const char*>(part.iov_base), part.iov_len);
    }
    (from == kClient ? left : server_left) = std::string(input);
    return verdict;
  }
  Verdict client(std::string_view bytes) { return feed(kClient, bytes); }
  Verdict server(std::string_view bytes) { return feed(kServer, bytes); }

  // As the session does.
  void end() { metrics.stats.on_session_end(machine.exchange_open()); }

  // Each step in pieces that end at `split` and every `every` bytes.
  void play(const Script& script, size_t every, size_t split = 0) {
    for (const Step& step : script) {
      std::string_view rest = step.bytes;
      if (split > 0 && split < rest.size()) {
        EXPECT_EQ(feed(step.from, rest.substr(0, split)), Verdict::go_on);
        rest.remove_prefix(split);
      }
      for (; !rest.empty(); rest.remove_prefix(std::min(every, rest.size()))) {
        EXPECT_EQ(feed(step.from, rest.substr(0, every)), Verdict::go_on);
        EXPECT_EQ(left + server_left, "");
      }
    }
  }

  uint64_t operator[](policy::PostgresCounter counter) const {
    return metrics.postgres->total(counter);
  }

  TestMetrics metrics;
  RelayMachine machine;
  Instant now{1000s};
  std::string to_server;
  std::string to_client;
  std::string left;  // of the last input of the client
  std::string server_left;
};

const std::string kSelect = msg('Q', "select 1");
const std::string kFlush = msg('H', "");
const std::string kReady = msg('Z', "I");

// A session's day: simple and extended queries, errors, a transaction, COPY both ways, a function
// call, notices and notifications, a message longer than any piece of it.
Script a_day() {
  return {
      {kClient, msg('Q', "begin")},
      {kServer, msg('C', c("BEGIN")) + msg('Z', "T")},
      {kClient, msg('P', c("s") + c("insert") + std::string(2, '\0')) + msg('B', "bind") +
                    msg('D', "Ss") + msg('E', c("") + "4444") + msg('S', "")},
      {kServer, msg('1', "") + msg('2', "") + msg('t', "xx") + msg('n', "") +
                    msg('N', "SNOTICE" + z() + "VNOTICE" + z() + "Mtold" + z() + z()) +
                    msg('C', c("INSERT 0 1")) + msg('Z', "T")},
      {kClient, msg('Q', c("copy t from stdin"))},
      {kServer, msg('G', "ab")},
      {kClient, msg('d', std::string(300, 'r')) + msg('d', "") + msg('c', "")},
      {kServer, msg('C', c("COPY 2")) + msg('Z', "T")},
      {kClient, msg('Q', "commit")},
      {kServer, msg('C', c("COMMIT")) + msg('A', "1234" + c("channel") + c("")) + kReady},
      {kClient, msg('Q', c("copy t to stdout"))},
      {kServer, msg('H', "ab") + msg('d', "row") + msg('c', "") + msg('C', c("COPY 1")) + kReady},
      {kClient, msg('F', "function")},
      {kServer, msg('V', "1234") + kReady},
      {kClient, msg('Q', c("broken"))},
      {kServer, error("ERROR") + kReady},
      {kClient, msg('Q', c("select"))},
      {kServer, msg('T', "xx") + msg('D', std::string(1000, 'v')) + msg('C', c("SELECT 1")) +
                    msg('S', c("TimeZone") + c("UTC")) + kReady},
  };
}

std::pair<std::string, std::string> all_of(const Script& script) {
  std::pair<std::string, std::string> all;
  for (const Step& step : script) {
    (step.from == kClient ? all.first : all.second) += step.bytes;
  }
  return all;
}

void expect_a_day(const Played& played, const std::string& how) {
  auto [from_client, from_server] = all_of(a_day());
  EXPECT_EQ(played.to_server, from_client) << how;
  EXPECT_EQ(played.to_client, from_server) << how;
  EXPECT_TRUE(played.machine.between_transactions()) << how;
  EXPECT_TRUE(played.machine.all_answered()) << how;
  EXPECT_TRUE(played.machine.client_stream_at_boundary()) << how;
  EXPECT_TRUE(played.machine.server_stream_at_boundary()) << how;
  EXPECT_FALSE(played.machine.server_said_fatal()) << how;
  EXPECT_EQ(played[policy::kMessagesFrontend], 15) << how;
  EXPECT_EQ(played[policy::kMessagesBackend], 29) << how;
  EXPECT_EQ(played[policy::kMessages], 44) << how;
  EXPECT_EQ(played[policy::kStatements], 6) << how;
  EXPECT_EQ(played[policy::kStatementsInsert], 1) << how;
  EXPECT_EQ(played[policy::kStatementsSelect], 1) << how;
  EXPECT_EQ(played[policy::kErrorsError], 1) << how;
  EXPECT_EQ(played[policy::kNoticesNotice], 1) << how;
  EXPECT_EQ(played[policy::kTransactionsCommit], 4) << how;
  EXPECT_EQ(played[policy::kTransactionsRollback], 1) << how;
  EXPECT_EQ(played.metrics.recorded(RouteCells::kQuerySeconds), 8) << how;
  EXPECT_EQ(played.metrics.recorded(RouteCells::kTransactionSeconds), 5) << how;
}

TEST(RelayMachineTest, PassesOnEveryByteAndCountsTheSameWhole) {
  Played played;
  played.play(a_day(), SIZE_MAX);
  expect_a_day(played, "whole");
}

TEST(RelayMachineTest, PassesOnEveryByteAndCountsTheSameInPiecesOfAnySize) {
  for (size_t every : {1, 2, 3, 5, 7, 64, 100}) {
    Played played;
    played.play(a_day(), every);
    expect_a_day(played, "every " + std::to_string(every));
  }
}

TEST(RelayMachineTest, PassesOnEveryByteAndCountsTheSameSplitAtEveryPoint) {
  size_t longest = 0;
  for (const Step& step : a_day()) longest = std::max(longest, step.bytes.size());
  for (size_t split = 1; split < longest; ++split) {
    Played played;
    played.play(a_day(), SIZE_MAX, split);
    expect_a_day(played, "split at " + std::to_string(split));
  }
}

TEST(RelayMachineTest, WithoutInspectionBytesPassUnseen) {
  Played played(config::Inspect::bytes);
  std::string garbage = "\xff garbage" + msg('X', "") + "more";
  EXPECT_EQ(played.client(garbage), Verdict::go_on);
  EXPECT_EQ(played.server(garbage), Verdict::go_on);
  EXPECT_EQ(played.to_server, garbage);
  EXPECT_EQ(played.to_client, garbage);
  EXPECT_EQ(played.left, "");
  EXPECT_EQ(played[policy::kMessages], 0);
  EXPECT_FALSE(played.machine.between_transactions());
  EXPECT_FALSE(played.machine.client_stream_at_boundary());
  EXPECT_FALSE(played.machine.server_stream_at_boundary());
}

TEST(RelayMachineTest, NothingBehindTerminateIsPassedOn) {
  Played played;
  std::string until_end = kSelect + msg('X', "");
  EXPECT_EQ(played.client(until_end + kSelect), Verdict::terminate);
  EXPECT_EQ(played.to_server, until_end);
  EXPECT_EQ(played[policy::kMessagesFrontend], 2);
  for (size_t split = 1; split < until_end.size(); ++split) {
    Played in_two;
    EXPECT_EQ(in_two.client(until_end.substr(0, split)), Verdict::go_on) << split;
    EXPECT_EQ(in_two.client(until_end.substr(split) + kSelect), Verdict::terminate) << split;
    EXPECT_EQ(in_two.to_server, until_end) << split;
  }
}

TEST(RelayMachineTest, AnUnknownTypeFromTheClientIsToldAboutAndNotPassedOn) {
  Played played;
  EXPECT_EQ(played.client(kSelect + "?...."), Verdict::violation);
  EXPECT_EQ(played.to_server, kSelect + kFlush) << "what came before it is to be answered";
  EXPECT_EQ(played.machine.violation().message, "invalid frontend message type 63");
  EXPECT_EQ(played.machine.violation().sqlstate, sqlstate::kProtocolViolation);
  EXPECT_EQ(played.machine.violation().side, Side::client);
  EXPECT_EQ(played.machine.violation().reason, Reason::client_protocol_error);
  EXPECT_EQ(played[policy::kMessagesFrontend], 1);
  EXPECT_EQ(played[policy::kMessagesUnknown], 1);
  EXPECT_FALSE(played.machine.between_transactions());
  EXPECT_TRUE(played.machine.client_stream_at_boundary()) << "to be told in";
  EXPECT_TRUE(played.machine.server_stream_at_boundary()) << "nothing of it went to the server";
}

TEST(RelayMachineTest, AnImpossibleLengthFromTheClientEndsInSilence) {
  for (uint32_t length : {0U, 3U, wire::kLargeMessageLengthMax + 1, 0xffffffffU}) {
    Played played;
    EXPECT_EQ(played.client(header('Q', length)), Verdict::violation) << length;
    EXPECT_EQ(played.to_server, "") << length;
    EXPECT_EQ(played.machine.violation().message, "") << length;
    EXPECT_EQ(played.machine.violation().reason, Reason::client_protocol_error);
    EXPECT_EQ(played[policy::kMessagesUnknown], 0);
  }
  Played small;
  EXPECT_EQ(small.client(header('E', wire::kSmallMessageLengthMax)), Verdict::go_on);
  Played longer;
  EXPECT_EQ(longer.client(header('E', wire::kSmallMessageLengthMax + 1)), Verdict::violation);
}

TEST(RelayMachineTest, AViolationIsSeenHoweverItsBytesArrive) {
  std::string bytes = kSelect + header('Q', 3);
  for (size_t split = 1; split < bytes.size(); ++split) {
    Played played;
    EXPECT_EQ(played.client(bytes.substr(0, split)), Verdict::go_on) << split;
    EXPECT_EQ(played.client(bytes.substr(split)), Verdict::violation) << split;
    EXPECT_EQ(played.to_server, kSelect) << split;
  }
}

TEST(RelayMachineTest, AViolationOfTheServerLeavesTheClientsStreamBetweenMessages) {
  for (const std::string& broken : {std::string("!"), header('D', 0), header('D', 0x80000000U)}) {
    Played played;
    played.client(kSelect);
    EXPECT_EQ(played.server(msg('T', "xx") + broken), Verdict::violation);
    EXPECT_EQ(played.to_client, msg('T', "xx"));
    EXPECT_EQ(played.machine.violation().side, Side::server);
    EXPECT_EQ(played.machine.violation().reason, Reason::server_protocol_error);
    EXPECT_TRUE(played.machine.client_stream_at_boundary());
    EXPECT_EQ(played.server("more"), Verdict::violation) << "for good";
    EXPECT_EQ(played.to_client, msg('T', "xx"));
  }
}

TEST(RelayMachineTest, WhatOfABrokenOffHeaderWasHeldBackLeavesTheOtherStreamBetweenMessages) {
  Played played;
  played.client("Q");
  EXPECT_EQ(played.to_server, "");
  EXPECT_TRUE(played.machine.server_stream_at_boundary());
  EXPECT_FALSE(played.machine.between_transactions()) << "half a message is one";
  played.client(
      std::string("\0\0\0\x08"
                  "abc",
                  7));
  EXPECT_FALSE(played.machine.server_stream_at_boundary());
  played.client("d");
  EXPECT_TRUE(played.machine.server_stream_at_boundary());
  played.server("D");
  EXPECT_TRUE(played.machine.client_stream_at_boundary());
  played.server(std::string("\0\0\0\x06x", 5));
  EXPECT_FALSE(played.machine.client_stream_at_boundary());
}

TEST(RelayMachineTest, IsBetweenTransactionsOnlyWhenNothingIsOpen) {
  Played played;
  auto idle = [&] { return played.machine.between_transactions(); };
  EXPECT_TRUE(idle());
  EXPECT_TRUE(played.machine.all_answered());
  played.client(kSelect);
  EXPECT_FALSE(idle());
  EXPECT_FALSE(played.machine.all_answered());
  played.server(msg('C', c("SELECT 1")));
  EXPECT_FALSE(idle());
  played.server(kReady);
  EXPECT_TRUE(idle());

  played.client(msg('Q', c("begin")));
  played.server(msg('C', c("BEGIN")) + msg('Z', "T"));
  EXPECT_TRUE(played.machine.all_answered());
  EXPECT_FALSE(idle()) << "in a block";
  played.client(msg('Q', c("broken")));
  played.server(error("ERROR") + msg('Z', "E"));
  EXPECT_FALSE(idle()) << "in a failed block";
  played.client(msg('Q', c("rollback")));
  played.server(msg('C', c("ROLLBACK")) + kReady);
  EXPECT_TRUE(idle());

  played.client(msg('P', "parse") + msg('H', ""));
  played.server(msg('1', ""));
  EXPECT_TRUE(played.machine.all_answered());
  EXPECT_FALSE(idle()) << "no Sync yet";
  played.client(msg('S', ""));
  played.server(kReady);
  EXPECT_TRUE(idle());

  played.client(msg('Q', c("copy t from stdin")));
  played.server(msg('G', "xx"));
  EXPECT_FALSE(idle()) << "in COPY";
  played.client(msg('f', c("no")));
  played.server(error("ERROR") + kReady);
  EXPECT_TRUE(idle());
}

TEST(RelayMachineTest, RemembersThatTheServerEndedTheSession) {
  for (const char* severity : {"FATAL", "PANIC"}) {
    Played played;
    played.server(error(severity));
    EXPECT_TRUE(played.machine.server_said_fatal()) << severity;
  }
  for (const char* severity : {"ERROR", "WARNING", "nonsense"}) {
    Played played;
    played.server(error(severity));
    EXPECT_FALSE(played.machine.server_said_fatal()) << severity;
  }
}

TEST(RelayMachineTest, CountsSeverities) {
  Played played;
  auto notice = [](const std::string& severity) {
    return msg('N', "S" + c(severity) + "V" + c(severity) + z());
  };
  for (const char* severity : {"NOTICE", "LOG", "WARNING", "DEBUG", "INFO", "else"}) {
    played.server(notice(severity));
  }
  EXPECT_EQ(played[policy::kNotices], 6);
  EXPECT_EQ(played[policy::kNoticesNotice], 1);
  EXPECT_EQ(played[policy::kNoticesLog], 1);
  EXPECT_EQ(played[policy::kNoticesWarning], 1);
  EXPECT_EQ(played[policy::kNoticesDebug], 1);
  EXPECT_EQ(played[policy::kNoticesInfo], 1);
  EXPECT_EQ(played[policy::kNoticesUnknown], 1);
  for (const char* severity : {"ERROR", "FATAL", "PANIC", "else"}) played.server(error(severity));
  EXPECT_EQ(played[policy::kErrors], 4);
  EXPECT_EQ(played[policy::kErrorsError], 1);
  EXPECT_EQ(played[policy::kErrorsFatal], 1);
  EXPECT_EQ(played[policy::kErrorsPanic], 1);
  EXPECT_EQ(played[policy::kErrorsUnknown], 1);
}

TEST(RelayMachineTest, OldServersSeverityIsReadFromTheTranslatedField) {
  Played played;
  played.server(msg('E', "S" + c("FATAL") + "C" + c("57P01") + z()));
  EXPECT_TRUE(played.machine.server_said_fatal());
  EXPECT_EQ(played[policy::kErrorsFatal], 1);
}

TEST(RelayMachineTest, TimesQueriesAndTransactions) {
  Played played;
  played.client(kSelect);
  played.now += 3ms;
  played.server(msg('C', c("SELECT 1")) + kReady);
  EXPECT_EQ(played.metrics.sum(RouteCells::kQuerySeconds), ns(3ms));
  EXPECT_EQ(played.metrics.sum(RouteCells::kTransactionSeconds), ns(3ms));

  played.now += 1h;  // idle time counts for nothing
  played.client(msg('Q', c("begin")));
  played.now += 1ms;
  played.server(msg('C', c("BEGIN")) + msg('Z', "T"));
  played.now += 10ms;
  played.client(msg('Q', c("commit")));
  played.now += 2ms;
  played.server(msg('C', c("COMMIT")) + kReady);
  EXPECT_EQ(played.metrics.sum(RouteCells::kQuerySeconds), ns(6ms));
  EXPECT_EQ(played.metrics.sum(RouteCells::kTransactionSeconds), ns(16ms));
  EXPECT_EQ(played.metrics.recorded(RouteCells::kQuerySeconds), 3);
  EXPECT_EQ(played.metrics.recorded(RouteCells::kTransactionSeconds), 2);
}

// Of each kind: more than the queue holds of requests that do not join, and no Sync among them.
std::string many_requests(size_t count) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) bytes += i % 2 == 0 ? msg('B', "b") : msg('C', "Ss");
  return bytes;
}
constexpr size_t kMax = wire::ResponseQueue::kRunsMax;

TEST(RelayMachineTest, AsMuchAsTheQueueHoldsPassesAtOnce) {
  Played played;
  EXPECT_EQ(played.client(many_requests(kMax)), Verdict::go_on);
  EXPECT_EQ(played.to_server, many_requests(kMax));
  EXPECT_EQ(played.left, "");
  EXPECT_TRUE(played.machine.full());
}

TEST(RelayMachineTest, WhatIsMoreThanTheQueueHoldsWaitsForAnswers) {
  Played played;
  std::string all = many_requests(kMax + 3);
  EXPECT_EQ(played.client(all), Verdict::full);
  EXPECT_EQ(played.to_server, many_requests(kMax) + kFlush)
      << "the server must not keep its answers back until a Sync that waits here";
  EXPECT_EQ(played.left, all.substr(many_requests(kMax).size()));
  EXPECT_TRUE(played.machine.full());
  played.server(msg('2', ""));
  EXPECT_FALSE(played.machine.full());
  EXPECT_EQ(played.client(std::string(played.left)), Verdict::full) << "one more, then as before";
  played.server(msg('3', "") + msg('2', "") + msg('3', ""));
  EXPECT_EQ(played.client(std::string(played.left)), Verdict::go_on);
  EXPECT_EQ(played.left, "");
}

TEST(RelayMachineTest, AMessageThatHasBegunPassesWholeThoughTheQueueIsFull) {
  Played played;
  std::string last = msg('B', std::string(1000, 'b'));
  std::string all = many_requests(kMax - 2) + msg('S', "") + last;
  size_t cut = all.size() - 500;
  EXPECT_EQ(played.client(all.substr(0, cut)), Verdict::go_on);
  EXPECT_FALSE(played.machine.full()) << "the server waits for the rest of the message";
  EXPECT_EQ(played.client(all.substr(cut)), Verdict::go_on);
  EXPECT_TRUE(played.machine.full());
  EXPECT_EQ(played.to_server, all);
}

TEST(RelayMachineTest, ALossInsideATransactionIsARollback) {
  Played in_block;
  in_block.client(msg('Q', c("begin")));
  in_block.server(msg('C', c("BEGIN")) + msg('Z', "T"));
  in_block.end();
  EXPECT_EQ(in_block[policy::kTransactionsRollback], 1);

  Played unanswered;
  unanswered.client(kSelect);
  unanswered.end();
  EXPECT_EQ(unanswered[policy::kTransactionsRollback], 1);

  Played fatal;
  fatal.client(kSelect);
  fatal.server(error("FATAL"));
  fatal.end();
  EXPECT_EQ(fatal[policy::kTransactionsRollback], 1);
}

TEST(RelayMachineTest, ALossOutsideOfATransactionIsNone) {
  Played answered;
  answered.client(kSelect);
  answered.server(msg('C', c("SELECT 1")) + kReady);
  answered.end();
  EXPECT_EQ(answered[policy::kTransactions], 1);
  EXPECT_EQ(answered[policy::kTransactionsRollback], 0);

  Played replicating;
  replicating.client(msg('Q', c("START_REPLICATION")));
  replicating.server(msg('W', "xx") + msg('d', "wal"));
  replicating.end();
  EXPECT_EQ(replicating[policy::kTransactions], 0) << "a stream is no transaction";
}

upstream::ServerState state_of(const Played& played) {
  for (uint8_t i = 0; i < static_cast<uint8_t>(upstream::ServerState::kCount); ++i) {
    auto state = static_cast<upstream::ServerState>(i);
    if (played.metrics.servers_in(state) == 1) return state;
  }
  return upstream::ServerState::kCount;
}

TEST(RelayMachineTest, TheServerIsActiveFromARequestToTheEndOfItsTransaction) {
  Played played;
  EXPECT_EQ(state_of(played), upstream::ServerState::idle);
  played.client(kFlush);
  EXPECT_EQ(state_of(played), upstream::ServerState::idle) << "nothing is asked";
  played.client(kSelect + kSelect);
  EXPECT_EQ(state_of(played), upstream::ServerState::active);
  played.server(msg('C', c("SELECT 1")) + kReady);
  EXPECT_EQ(state_of(played), upstream::ServerState::active) << "one more is asked";
  played.server(msg('C', c("SELECT 1")) + kReady);
  EXPECT_EQ(state_of(played), upstream::ServerState::idle);

  played.client(msg('Q', c("begin")));
  played.server(msg('C', c("BEGIN")) + msg('Z', "T"));
  EXPECT_EQ(state_of(played), upstream::ServerState::active) << "the transaction is open";
  played.client(msg('Q', c("commit")));
  played.server(msg('C', c("COMMIT")) + kReady);
  EXPECT_EQ(state_of(played), upstream::ServerState::idle);

  // Answered, and still an implicit transaction until Sync.
  played.client(msg('P', c("") + c("select 1") + std::string(2, '\0')));
  played.server(msg('1', ""));
  EXPECT_EQ(state_of(played), upstream::ServerState::active);
  played.client(msg('S', ""));
  played.server(kReady);
  EXPECT_EQ(state_of(played), upstream::ServerState::idle);
}

TEST(RelayMachineTest, OfAServerWhoseBytesAreNotSeenNobodyKnowsTheState) {
  Played played(config::Inspect::bytes);
  played.client(kSelect);
  EXPECT_EQ(state_of(played), upstream::ServerState::opaque);
  played.metrics.server_count.leave();
  played.metrics.server_count.leave();
  EXPECT_EQ(state_of(played), upstream::ServerState::kCount) << "counted down once";
}

TEST(RelayMachineTest, KnowsThatTheServerWaitsForTheClientsCopy) {
  Played played;
  played.client(msg('Q', c("copy t from stdin")));
  EXPECT_FALSE(played.machine.in_copy_in());
  played.server(msg('G', "xx"));
  EXPECT_TRUE(played.machine.in_copy_in());
  played.client(msg('c', ""));
  EXPECT_FALSE(played.machine.in_copy_in());
}

}  // namespace
}  // namespace trunkline::session
