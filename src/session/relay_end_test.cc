// How a relay ends: each side's leaving, requests to end, broken streams.

#include <gtest/gtest.h>
#include <string>

#include "session/relayed_for_tests.h"

namespace trunkline::session {
namespace {

TEST(RelayTest, AHalfClosedClientStillGetsItsAnswers) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  session.client.say(kSelect);
  session.client.turn();
  session.client.hang_up_sending();
  worker.run_until([&] { return session.server.ended; });
  EXPECT_EQ(session.server.heard, kSelect);
  session.server.say(kAnswer);
  worker.run_until([&] { return session.client.heard == kAnswer; });
  EXPECT_FALSE(session.end);
  session.server.close();
  session.run_to_end();
  EXPECT_EQ(session.reason(), Reason::client_closed);
}

TEST(RelayTest, ShortAnswersToAClientThatIsGoneAreDropped) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  session.client.say(kSelect + kSelect);
  worker.run_until([&] { return session.server.heard.size() == 2 * kSelect.size(); });
  session.client.close();
  std::string inserted = msg('C', c("INSERT 0 1")) + kReady;
  session.server.say(inserted);
  worker.run_until([&] { return !session.relay.client_can_hear(); });
  worker.run_a_while();
  EXPECT_FALSE(session.end) << "the second query is not answered yet";
  session.server.say(msg('T', "xx") + msg('D', "row") + inserted);
  session.run_to_end();
  EXPECT_EQ(session.metrics.postgres->total(policy::kTransactionsCommit), 2);
  EXPECT_TRUE(session.reason() == Reason::client_closed ||
              session.reason() == Reason::client_io_error);
  EXPECT_EQ(worker.slab.in_use(), 0);
}

TEST(RelayTest, AServerInTheMiddleOfRowsIsLeftWhenTheClientIsGone) {
  for (char row : {'D', 'd'}) {
    TestWorker worker;
    Relayed session(worker);
    session.start();
    session.client.say(kSelect);
    session.server.say(msg(row, "row"));
    worker.run_until([&] { return session.client.heard == msg(row, "row"); });
    session.client.close();
    session.server.say(msg(row, "row"));
    session.run_to_end();
    EXPECT_FALSE(session.relay.server_can_hear()) << "the end of file has told it already";
    EXPECT_EQ(session.metrics.postgres->total(policy::kTransactionsRollback), 1);
  }
}

TEST(RelayTest, AServerIsLeftAtItsFirstRowForAClientThatIsGone) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  session.client.say(kSelect + kSelect);
  worker.run_until([&] { return session.server.heard.size() == 2 * kSelect.size(); });
  session.client.close();
  session.server.say(kAnswer + msg('T', "xx"));
  worker.run_until([&] { return !session.relay.client_can_hear(); });
  worker.run_a_while();
  EXPECT_FALSE(session.end) << "the second query may be short yet";
  session.server.say(header('D', 1 << 20));
  session.run_to_end();
}

TEST(RelayTest, WhatAClientSentBeforeItWasGoneIsPassedOn) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  session.server.listens = false;
  for (int i = 0; i < 100; ++i) session.client.say(msg('Q', std::string(100'000, 'i')));
  worker.run_a_while();
  ASSERT_FALSE(session.client.all_said()) << "sockets and the relay's buffer are full";
  session.client.close();
  session.server.say(msg('C', c("INSERT 0 1")) + kReady);
  worker.run_until([&] { return !session.relay.client_can_hear(); });
  session.server.listens = true;
  worker.run_until([&] { return session.server.ended; });
  EXPECT_EQ(session.server.heard.size(), session.client.said());
  session.server.close();
  session.run_to_end();
}

TEST(RelayTest, WithoutInspectionAServerIsLeftWhenTheClientIsGone) {
  TestWorker worker;
  Relayed session(worker, config::Inspect::bytes);
  session.start();
  session.server.listens = false;  // it may be in the middle of rows
  session.client.say(std::string(10'000'000, 'q'));
  worker.run_a_while();
  session.client.close();
  session.server.say("answer");
  session.run_to_end();
}

TEST(RelayTest, AServersLastWordsReachTheClient) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  std::string last = error("FATAL");
  session.server.say(last);
  session.server.turn();
  session.server.close();
  session.run_to_end();
  EXPECT_EQ(session.reason(), Reason::server_error);
  session.client.turn();
  EXPECT_EQ(session.client.heard, last);
}

TEST(RelayTest, AServerThatBreaksOffEndsTheSessionAndRollsBack) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  session.client.say(kSelect);
  worker.run_until([&] { return session.server.heard == kSelect; });
  std::string half = msg('D', std::string(100, 'd')).substr(0, 50);
  session.server.say(half);
  worker.run_until([&] { return session.client.heard == half; });
  session.server.close();
  session.run_to_end();
  EXPECT_EQ(session.reason(), Reason::server_closed);
  EXPECT_FALSE(session.relay.client_can_hear()) << "it is in the middle of a message";
  EXPECT_EQ(session.metrics.postgres->total(policy::kTransactionsRollback), 1);
}

TEST(RelayTest, AServerThatIsGoneWhileTheClientSendsEndsTheSession) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  session.server.listens = false;
  std::string much;
  for (int i = 0; i < 64; ++i) much += msg('d', std::string(1 << 16, 'd'));
  session.client.say(much);
  worker.run_a_while();
  ASSERT_FALSE(session.client.all_said());
  session.server.close();
  session.run_to_end();
  EXPECT_TRUE(session.reason() == Reason::server_closed ||
              session.reason() == Reason::server_io_error);
  EXPECT_TRUE(session.relay.client_can_hear());
  EXPECT_FALSE(session.relay.server_can_hear());
}

TEST(RelayTest, AnIdleSessionDrainsAtOnce) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  session.relay.ask_to_end({.reason = Reason::drain, .message = "bye"}, true);
  session.run_to_end();
  EXPECT_EQ(session.reason(), Reason::drain);
  EXPECT_TRUE(session.relay.client_can_hear());
  EXPECT_TRUE(session.relay.server_can_hear());
}

TEST(RelayTest, ABusySessionDrainsBehindItsTransaction) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  session.client.say(msg('Q', c("begin")));
  session.server.say(msg('C', c("BEGIN")) + msg('Z', "T"));
  worker.run_until([&] { return session.client.heard.ends_with(msg('Z', "T")); });
  session.relay.ask_to_end({.reason = Reason::drain}, true);
  worker.run_a_while();
  EXPECT_FALSE(session.end) << "in a transaction";
  session.client.say(msg('Q', c("commit")));
  worker.run_a_while();
  EXPECT_FALSE(session.end) << "not answered";
  session.server.say(msg('C', c("COMMIT")) + kReady);
  session.run_to_end();
  EXPECT_EQ(session.reason(), Reason::drain);
  worker.turn();
  EXPECT_TRUE(session.client.heard.ends_with(kReady));
}

TEST(RelayTest, EndingNowDoesNotWait) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  session.client.say(kSelect);
  worker.run_until([&] { return session.server.heard == kSelect; });
  session.relay.ask_to_end({.reason = Reason::client_limit}, false);
  session.run_to_end();
  EXPECT_EQ(session.reason(), Reason::client_limit);
  EXPECT_EQ(session.metrics.postgres->total(policy::kTransactionsRollback), 1);
}

TEST(RelayTest, AViolationIsToldBehindTheAnswersToWhatCameBefore) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  session.client.say(kSelect + "?");
  worker.run_until([&] { return session.server.heard == kSelect + kFlush; });
  worker.run_a_while();
  EXPECT_FALSE(session.end) << "the query is not answered yet";
  session.server.say(kAnswer);
  session.run_to_end();
  EXPECT_EQ(session.reason(), Reason::client_protocol_error);
  EXPECT_EQ(session.end->message, "invalid frontend message type 63");
  EXPECT_TRUE(session.relay.client_can_hear());
  worker.turn();
  EXPECT_EQ(session.client.heard, kAnswer);
}

TEST(RelayTest, AViolationBehindRequestsWithoutSyncIsTold) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  session.client.say(msg('P', "parse") + "?");
  worker.run_until([&] { return session.server.heard == msg('P', "parse") + kFlush; });
  session.server.say(msg('1', ""));  // which it says for the Flush
  session.run_to_end();
  EXPECT_EQ(session.reason(), Reason::client_protocol_error);
}

TEST(RelayTest, AnImpossibleLengthIsTheEndOfTheClientForTheServer) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  session.client.say(kSelect + header('Q', 3));
  worker.run_until([&] { return session.server.ended; });
  EXPECT_EQ(session.server.heard, kSelect);
  session.server.close();
  session.run_to_end();
  EXPECT_EQ(session.reason(), Reason::client_protocol_error);
  EXPECT_EQ(session.end->message, "");
}

TEST(RelayTest, AViolationInTheMiddleOfCopyIsToldAtOnce) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  session.client.say(msg('Q', c("copy t from stdin")));
  session.server.say(msg('G', "xx"));
  worker.run_until([&] { return session.client.heard == msg('G', "xx"); });
  session.client.say(msg('d', "row") + "?");
  session.run_to_end();
  EXPECT_EQ(session.reason(), Reason::client_protocol_error);
}

TEST(RelayTest, AViolationEndsWithAServerThatCloses) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  session.client.say(kSelect + "?");
  worker.run_until([&] { return session.server.heard == kSelect + kFlush; });
  session.server.close();
  session.run_to_end();
  EXPECT_EQ(session.reason(), Reason::client_protocol_error);
}

TEST(RelayTest, AServersViolationEndsTheSessionBehindItsGoodMessages) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  session.client.say(kSelect);
  worker.run_until([&] { return session.server.heard == kSelect; });
  session.server.say(msg('T', "xx") + "!garbage that is not looked at");
  session.run_to_end();
  EXPECT_EQ(session.reason(), Reason::server_protocol_error);
  EXPECT_TRUE(session.relay.client_can_hear());
  worker.turn();
  EXPECT_EQ(session.client.heard, msg('T', "xx"));
}

TEST(RelayTest, AServersViolationDoesNotWaitForAServerThatReadsNothing) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  session.server.listens = false;
  session.client.say(msg('Q', std::string(4 << 20, 'q')));
  worker.run_a_while();
  ASSERT_FALSE(session.client.all_said());
  session.server.say("!");
  session.run_to_end();
  EXPECT_EQ(session.reason(), Reason::server_protocol_error);
}

}  // namespace
}  // namespace trunkline::session
