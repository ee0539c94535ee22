#include <gtest/gtest.h>

#include "wire/response_queue.h"
#include "wire/response_queue_testing.h"

namespace trunkline::wire {
namespace {

TEST(ResponseQueue, FollowsCopyOut) {
  Exchange x;
  x.client("Q");
  x.server({"H", "d", "d", "c", "CCOPY 2", "ZI"});
  EXPECT_TRUE(x.queue.idle());
  x.client("PBES");
  x.server({"1", "2", "H", "d", "c", "CCOPY 1", "ZI"});
  EXPECT_TRUE(x.queue.idle());
}

TEST(ResponseQueue, FollowsCopyInOfASimpleQuery) {
  Exchange x;
  x.client("Q");
  x.server({"G"});
  EXPECT_TRUE(x.queue.in_copy_in());
  EXPECT_FALSE(x.queue.idle());
  x.client("dddc");
  EXPECT_FALSE(x.queue.in_copy_in());
  x.server({"CCOPY 3", "ZI"});
  EXPECT_TRUE(x.queue.idle());
}

// Parse, Bind, Execute, Sync, CopyData, CopyDone, Sync: one ReadyForQuery, whatever of it was sent
// before the server's CopyInResponse came.
TEST(ResponseQueue, IgnoresSyncInsideCopyInWheneverItIsSent) {
  const std::string script = "PBESdHScS";
  for (size_t split = 3; split <= script.size(); ++split) {
    Exchange x;
    x.client(script.substr(0, split));
    x.server({"1", "2", "G"});
    x.client(script.substr(split));
    x.server({"CCOPY 1", "ZI"});
    EXPECT_TRUE(x.queue.idle()) << split;
  }
}

TEST(ResponseQueue, CountsASyncBehindAnEarlierCopyDone) {
  Exchange x;
  x.client("QdcQdcS");
  x.server({"G", "CCOPY 1", "ZI", "G", "CCOPY 1", "ZI"});
  EXPECT_FALSE(x.queue.idle());
  x.server({"ZI"});
  EXPECT_TRUE(x.queue.idle());
}

TEST(ResponseQueue, FollowsSeveralCopiesInOneQuery) {
  Exchange x;
  x.client("Qdcdc");
  x.server({"G", "CCOPY 1", "G", "CCOPY 1", "T", "CSELECT 1", "ZI"});
  EXPECT_TRUE(x.queue.idle());
}

// PBES: the COPY has failed before the server read the Sync, or after it has ignored that.
TEST(ResponseQueue, IsNotTakenToSkipWhileItMayHaveSeenTheSync) {
  for (bool has_seen : {true, false}) {
    Exchange x;
    x.client("PBES");
    x.server({"1", "2", "G", "E"});
    EXPECT_FALSE(x.queue.skips()) << "it may answer the Sync yet";
    if (has_seen) {
      x.server({"ZI"});
    } else {
      x.client("S");
      x.server({"ZI"});
    }
    EXPECT_FALSE(x.queue.skips());
    x.client("PS");
    x.server({"1", "ZI"});
    EXPECT_TRUE(x.queue.idle()) << has_seen;
  }
}

TEST(ResponseQueue, SwallowsNothingAfterACopyThatFailed) {
  Exchange simple;
  simple.client("Q");
  simple.server({"G"});
  simple.client("dd");
  simple.server({"E", "ZI"});
  simple.client("ddcf");  // late: the server discards them
  EXPECT_TRUE(simple.queue.idle());
  simple.client("Q");
  simple.server({"T", "CSELECT 1", "ZI"});
  EXPECT_TRUE(simple.queue.idle());

  Exchange extended;
  extended.client("PBE");
  extended.server({"1", "2", "G"});
  extended.client("d");
  extended.server({"E"});
  extended.client("dc");
  EXPECT_FALSE(extended.queue.idle());
  extended.client("S");
  extended.server({"ZI"});
  EXPECT_TRUE(extended.queue.idle());
}

TEST(ResponseQueue, IsInDoubtWhenACopyFailsThatHadASyncInside) {
  for (bool answered : {false, true}) {
    Exchange x;
    x.client("PBESdcS");
    x.server({"1", "2", "G", "E", "ZI"});
    EXPECT_TRUE(x.queue.empty());
    EXPECT_FALSE(x.queue.idle()) << "the first Sync may be answered or not";
    if (answered) {
      x.server({"ZI"});
      EXPECT_TRUE(x.queue.idle());
    }
    x.client("Q");
    x.server({"T", "CSELECT 1", "ZI"});
    EXPECT_TRUE(x.queue.idle());
  }
  Exchange late;  // the stray answer comes when the next Query is sent already
  late.client("PBESdcSQ");
  late.server({"1", "2", "G", "E", "ZI", "ZI"});
  EXPECT_FALSE(late.queue.empty());
  late.server({"T", "CSELECT 1", "ZI"});
  EXPECT_TRUE(late.queue.idle());
}

}  // namespace
}  // namespace trunkline::wire
