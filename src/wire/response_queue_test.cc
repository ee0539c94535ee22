#include "wire/response_queue.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "wire/response_queue_testing.h"

namespace trunkline::wire {
namespace {

TEST(ResponseQueue, FollowsASimpleQuery) {
  Exchange x;
  EXPECT_TRUE(x.queue.idle());
  x.client("Q");
  EXPECT_FALSE(x.queue.idle());
  x.server({"T", "D"});
  EXPECT_EQ(x.last.entry.owner, kAnn);
  EXPECT_EQ(x.last.entry.request, Request::query);
  x.server({"CSELECT 1"});
  EXPECT_FALSE(x.queue.idle()) << "not before ReadyForQuery";
  x.server({"ZI"});
  EXPECT_TRUE(x.last.done);
  EXPECT_TRUE(x.queue.idle());
}

TEST(ResponseQueue, FollowsSeveralStatementsInOneQueryToOneReadyForQuery) {
  Exchange x;
  x.client("Q");
  x.server({"T", "D", "CSELECT 1", "CINSERT 0 1", "E", "ZI"});
  EXPECT_TRUE(x.queue.idle());
  x.client("Q");
  x.server({"I", "ZI"});
}

TEST(ResponseQueue, FollowsExtendedRequests) {
  Exchange x;
  x.client("PBDECS");
  x.server({"1", "2", "T", "D", "D", "CSELECT 2", "3"});
  EXPECT_EQ(x.last.entry.request, Request::close);
  EXPECT_FALSE(x.queue.idle());
  x.server({"ZI"});
  EXPECT_TRUE(x.queue.idle());
  x.client("PDS");
  x.server({"1", "t", "n", "ZI"});
}

TEST(ResponseQueue, IsNotIdleBeforeTheSyncOfWhatWasFlushed) {
  Exchange x;
  x.client("PBEH");
  x.server({"1", "2", "s"});
  EXPECT_TRUE(x.queue.empty());
  EXPECT_FALSE(x.queue.idle()) << "the implicit transaction is open";
  x.client("S");
  x.server({"ZI"});
  EXPECT_TRUE(x.queue.idle());
}

TEST(ResponseQueue, AnswersEachSync) {
  Exchange x;
  x.client("SSS");
  EXPECT_EQ(x.queue.outstanding(), 3u);
  x.server({"ZI", "ZI"});
  EXPECT_FALSE(x.queue.idle());
  x.server({"ZI"});
  EXPECT_TRUE(x.queue.idle());
}

TEST(ResponseQueue, SkipsToSyncAfterAnErrorAlsoSimpleQueriesAndFunctionCalls) {
  Exchange x;
  x.client("PBEQFPBES");
  x.server({"1", "2", "E"});
  EXPECT_EQ(x.last.entry.request, Request::execute);
  EXPECT_EQ(x.queue.outstanding(), 1u) << "only the Sync is left";
  x.server({"ZI"});
  EXPECT_TRUE(x.queue.idle());
}

TEST(ResponseQueue, SkipsWhatIsSentAfterTheErrorUntilTheSync) {
  Exchange x;
  x.client("PBE");
  x.server({"1", "E"});
  EXPECT_TRUE(x.queue.empty());
  EXPECT_FALSE(x.queue.idle());
  EXPECT_FALSE(x.queue.push(Request::query, kAnn)) << "the server discards it";
  x.client("PBEF");
  EXPECT_TRUE(x.queue.empty());
  x.client("SQ");
  x.server({"ZI", "T", "CSELECT 0", "ZI"});
  EXPECT_TRUE(x.queue.idle());
}

TEST(ResponseQueue, EndsSkippingAtTheFirstOfSeveralSyncs) {
  Exchange x;
  x.client("PBESPBESS");
  x.server({"E", "ZI", "1", "2", "CUPDATE 1", "ZI", "ZI"});
  EXPECT_TRUE(x.queue.idle());
}

TEST(ResponseQueue, FollowsAnErrorOfSyncItself) {
  Exchange x;
  x.client("PBES");
  x.server({"1", "2", "CINSERT 0 1", "E", "ZI"});  // a deferred constraint
  EXPECT_TRUE(x.queue.idle());
}

TEST(ResponseQueue, FollowsASimpleQueryInsideAnUnsyncedPipeline) {
  Exchange v18;
  v18.client("PBEQS");
  v18.server({"1", "2", "CINSERT 0 1", "T", "CSELECT 1", "ZT"});
  EXPECT_FALSE(v18.queue.idle());
  v18.server({"ZI"});
  EXPECT_TRUE(v18.queue.idle());
  Exchange v15;
  v15.client("PBEQ");
  v15.server({"1", "2", "CINSERT 0 1", "T", "CSELECT 1", "ZI"});
  EXPECT_TRUE(v15.queue.empty());
  EXPECT_TRUE(v15.queue.idle()) << "a Sync that comes now is a request like any other";
  v15.client("S");
  v15.server({"ZI"});
  EXPECT_TRUE(v15.queue.idle());
}

TEST(ResponseQueue, FollowsFunctionCalls) {
  Exchange x;
  x.client("FF");
  x.server({"V", "ZI", "E", "ZI"});
  EXPECT_TRUE(x.queue.idle());
}

TEST(ResponseQueue, LetsAsynchronousMessagesPass) {
  Exchange x;
  x.server({"N", "S", "A"});
  EXPECT_EQ(x.last.entry.request, Request::none);
  x.server({"E"});  // 57P01: the connection ends, nothing was open
  x.client("PBES");
  x.server({"N", "1", "S", "2", "A", "CSELECT 1", "S", "ZI"});
  EXPECT_TRUE(x.queue.idle());
}

TEST(ResponseQueue, RefusesWhatTheServerCannotSay) {
  auto unexpected = [](std::string_view client, std::string_view message) {
    Exchange x;
    x.client(client);
    return !x.queue.on_message(message[0], message.substr(1)).expected;
  };
  for (const char* message : {"ZI", "1", "2", "3", "CSELECT 1", "D", "T", "n", "G", "H",
                              "W",  "V", "I", "s", "t",         "d", "c", "K", "R", "v"}) {
    EXPECT_TRUE(unexpected("", message)) << message;
  }
  EXPECT_TRUE(unexpected("P", "2"));
  EXPECT_TRUE(unexpected("P", "ZI"));
  EXPECT_TRUE(unexpected("B", "1"));
  EXPECT_TRUE(unexpected("E", "T"));
  EXPECT_TRUE(unexpected("F", "CSELECT 1"));
  EXPECT_TRUE(unexpected("S", "D"));
  EXPECT_TRUE(unexpected("S", "Z"));
  EXPECT_TRUE(unexpected("S", "ZX"));
  EXPECT_TRUE(unexpected("S", "ZII"));
}

TEST(ResponseQueue, TellsWhatToSwallow) {
  Exchange x;
  x.client("PBE", ResponseQueue::kSwallow);
  x.client("PBES");
  x.server({"1"});
  EXPECT_TRUE(x.last.entry.swallow());
  x.server({"2", "CBEGIN", "1"});
  EXPECT_FALSE(x.last.entry.swallow());
  x.server({"2", "CSELECT 1", "ZI"});
  EXPECT_TRUE(x.queue.idle());
}

TEST(ResponseQueue, LetsTheProxyAnswerInTurn) {
  Exchange x;
  x.client("B");
  x.queue.push(Request::parse, kAnn, ResponseQueue::kByProxy);
  x.client("ES");
  EXPECT_FALSE(x.queue.take_due().has_value());
  x.server({"2"});
  auto due = x.queue.take_due();
  ASSERT_TRUE(due.has_value());
  EXPECT_EQ(due->request, Request::parse);
  EXPECT_FALSE(x.queue.take_due().has_value());
  x.server({"CSELECT 1", "ZI"});
  EXPECT_TRUE(x.queue.idle());
  x.queue.push(Request::parse, kAnn, ResponseQueue::kByProxy);
  EXPECT_TRUE(x.queue.take_due().has_value()) << "at once when nothing is before it";
  EXPECT_TRUE(x.queue.idle()) << "the server knows nothing of it";
}

TEST(ResponseQueue, DropsTheProxysAnswerWhenAnEarlierRequestFails) {
  Exchange x;
  x.client("B");
  x.queue.push(Request::parse, kAnn, ResponseQueue::kByProxy);
  x.client("S");
  x.server({"E"});
  EXPECT_FALSE(x.queue.take_due().has_value());
  x.server({"ZI"});
  EXPECT_TRUE(x.queue.idle());
  x.client("B");
  x.server({"E"});
  EXPECT_FALSE(x.queue.push(Request::parse, kAnn, ResponseQueue::kByProxy)) << "while it skips";
}

TEST(ResponseQueue, ExpectsAnErrorForAFlushWithABody) {
  EXPECT_EQ(request_of({.type = 'H', .length = 4}), std::nullopt);
  EXPECT_EQ(request_of({.type = 'H', .length = 5}), Request::bad_flush);
  Exchange x;
  x.queue.push(Request::bad_flush, kAnn);
  x.client("QS");
  x.server({"E", "ZI"});
  EXPECT_TRUE(x.queue.idle());
}

TEST(ResponseQueue, NeedsNoMemoryForEqualRequestsAndIsBounded) {
  Exchange x;
  for (uint32_t i = 0; i < ResponseQueue::kOutstandingMax; ++i) {
    ASSERT_FALSE(x.queue.full());
    x.client("S");
  }
  EXPECT_TRUE(x.queue.full());
  x.server({"ZI"});
  EXPECT_FALSE(x.queue.full());
}

TEST(ResponseQueue, BoundsDifferentRequests) {
  Exchange x;
  for (size_t i = 0; i < ResponseQueue::kRunsMax; ++i) {
    ASSERT_FALSE(x.queue.full());
    x.client(i % 2 == 0 ? "P" : "B");
  }
  EXPECT_TRUE(x.queue.full());
  for (size_t i = 0; i < ResponseQueue::kRunsMax; ++i) x.server({i % 2 == 0 ? "1" : "2"});
  EXPECT_FALSE(x.queue.full());
  EXPECT_TRUE(x.queue.empty());
  x.queue.trim();
  x.client("S");
  x.server({"ZI"});
  EXPECT_TRUE(x.queue.idle());
}

TEST(ResponseQueue, KeepsOrderWhileItGrowsFromTheMiddleOfItsRing) {
  Exchange x;
  std::string answers;
  for (int round = 0; round < 50; ++round) {
    x.client("PBC");
    answers += "123";
    x.server({answers.substr(0, 1), answers.substr(1, 1)});
    answers.erase(0, 2);
  }
  for (char type : answers) x.server({std::string(1, type)});
  EXPECT_TRUE(x.queue.empty());
}

TEST(ResponseQueue, NamesTheSessionOfEachAnswer) {
  ResponseQueue queue;
  queue.push(Request::sync, 1);
  queue.push(Request::sync, 2);
  EXPECT_EQ(queue.on_message('Z', "I").entry.owner, 1u);
  EXPECT_EQ(queue.on_message('Z', "I").entry.owner, 2u);
}

}  // namespace
}  // namespace trunkline::wire
