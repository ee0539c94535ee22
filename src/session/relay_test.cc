#include "session/relay.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "session/relayed_for_tests.h"

namespace trunkline::session {
namespace {

TEST(RelayTest, PassesBothWaysUntilTerminate) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  session.client.say(kSelect);
  worker.run_until([&] { return session.server.heard == kSelect; });
  session.server.say(kAnswer);
  worker.run_until([&] { return session.client.heard == kAnswer; });
  EXPECT_EQ(worker.slab.in_use(), 0) << "an idle session holds no buffer";
  EXPECT_EQ(session.relay.client_stalled_since(), Instant::max());

  session.client.say(kTerminate + kSelect);
  worker.run_until([&] { return session.server.ended; });
  EXPECT_EQ(session.server.heard, kSelect + kTerminate);
  session.server.close();
  session.run_to_end();
  EXPECT_EQ(session.reason(), Reason::client_terminate);
  EXPECT_EQ(session.metrics.route->total(RouteCells::kBytesToClients), kAnswer.size());
}

TEST(RelayTest, EarlyBytesAndTheSocketsMakeOneStream) {
  TestWorker worker;
  Relayed session(worker);
  session.client.say(kSelect.substr(3) + kSelect);
  session.start(kSelect + kSelect.substr(0, 3), kAnswer.substr(0, 4));
  session.server.say(kAnswer.substr(4));
  worker.run_until([&] { return session.server.heard == kSelect + kSelect + kSelect; });
  worker.run_until([&] { return session.client.heard == kAnswer; });
  session.stop();
}

TEST(RelayTest, EarlyTerminateEndsTheSession) {
  TestWorker worker;
  Relayed session(worker);
  session.start(kSelect + kTerminate, "");
  worker.run_until([&] { return session.server.ended; });
  EXPECT_EQ(session.server.heard, kSelect + kTerminate);
  session.server.say(kAnswer);
  worker.turn();
  session.server.close();
  session.run_to_end();
  EXPECT_EQ(session.client.heard, kAnswer) << "what was asked before is answered";
}

TEST(RelayTest, LongMessagesBothWaysAtOnceDoNotWaitForEachOther) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  std::string request;
  std::string reply;
  for (int i = 0; i < 8; ++i) {
    request += msg('Q', std::string(1 << 20, 'q'));
    reply += msg('D', std::string(1 << 20, 'd'));
  }
  session.client.listens = session.server.listens = false;
  session.client.say(request);
  session.server.say(reply);
  worker.run_a_while();
  EXPECT_FALSE(session.client.all_said()) << "nobody reads, so the senders are held up";
  EXPECT_FALSE(session.server.all_said());
  EXPECT_LE(worker.slab.in_use(), 2);
  EXPECT_NE(session.relay.client_stalled_since(), Instant::max());
  EXPECT_NE(session.relay.server_stalled_since(), Instant::max());
  session.client.listens = true;
  worker.run_until([&] { return session.client.heard.size() == reply.size(); });
  EXPECT_EQ(session.relay.client_stalled_since(), Instant::max());
  EXPECT_NE(session.relay.server_stalled_since(), Instant::max());
  EXPECT_FALSE(session.client.all_said()) << "the other direction is still held up";
  session.server.listens = true;
  worker.run_until([&] { return session.server.heard.size() == request.size(); });
  EXPECT_EQ(session.client.heard, reply);
  EXPECT_EQ(session.server.heard, request);
  EXPECT_EQ(session.relay.server_stalled_since(), Instant::max());
  EXPECT_EQ(worker.slab.in_use(), 0);
  session.stop();
}

TEST(RelayTest, MoreRequestsThanTheQueueHoldsAreHeldBackAndGoOnWithTheAnswers) {
  TestWorker worker;
  Relayed session(worker);
  session.start();
  constexpr size_t kRequests = 3 * wire::ResponseQueue::kRunsMax;
  std::string requests;
  for (size_t i = 0; i < kRequests; ++i) requests += i % 2 == 0 ? msg('B', "b") : msg('C', "Ss");
  requests += msg('S', "");
  session.client.say(requests);
  // A server that answers all it has at once, and only when it is asked to.
  size_t answered = 0;
  size_t seen = 0;
  worker.run_until([&] {
    std::string_view fresh = std::string_view(session.server.heard).substr(seen);
    if (fresh.ends_with(kFlush) || fresh.ends_with(msg('S', ""))) {
      seen = session.server.heard.size();
      std::string answers;
      for (; fresh.size() >= wire::kHeaderBytes;) {
        size_t whole = 1 + load_big_endian<uint32_t>(fresh.data() + 1);
        if (fresh[0] == 'B' || fresh[0] == 'C') {
          answers += msg(fresh[0] == 'B' ? '2' : '3', "");
          ++answered;
        }
        if (fresh[0] == 'S') answers += kReady;
        fresh.remove_prefix(whole);
      }
      session.server.say(answers);
    }
    return session.client.heard.ends_with(kReady);
  });
  EXPECT_EQ(answered, kRequests);
  EXPECT_TRUE(session.machine.between_transactions());
  session.stop();
}

TEST(RelayTest, ASessionWithoutABufferGoesOnWhenOneIsFree) {
  TestWorker worker(1);
  Relayed session(worker);
  session.start();
  Lease taken = worker.slab.borrow();
  session.client.say(kSelect);
  session.server.say(kReady);
  worker.run_a_while();
  EXPECT_EQ(session.server.heard, "");
  EXPECT_TRUE(worker.slab.has_waiters());
  taken.reset();
  worker.run_until([&] { return session.server.heard == kSelect; });
  worker.run_until([&] { return session.client.heard == kReady; });
  EXPECT_FALSE(worker.slab.has_waiters());
  session.stop();
}

TEST(RelayTest, ManySessionsShareOneBuffer) {
  TestWorker worker(1);
  std::vector<std::unique_ptr<Relayed>> sessions;
  std::string request = msg('Q', std::string(200'000, 'q'));
  for (int i = 0; i < 20; ++i) {
    sessions.push_back(std::make_unique<Relayed>(worker));
    sessions.back()->start();
    sessions.back()->client.say(request);
    sessions.back()->server.say(kAnswer);
  }
  worker.run_until([&] {
    return std::ranges::all_of(sessions, [&](const auto& session) {
      return session->server.heard == request && session->client.heard == kAnswer;
    });
  });
  EXPECT_EQ(worker.slab.in_use(), 0);
  for (auto& session : sessions) session->stop();
}

TEST(RelayTest, AStatementDoesNotWaitForAllSessionsThatPour) {
  constexpr size_t kPouring = 100;
  TestWorker worker(2 * kPouring);
  std::vector<std::unique_ptr<Relayed>> pouring;
  for (size_t i = 0; i < kPouring; ++i) {
    pouring.push_back(std::make_unique<Relayed>(worker));
    pouring.back()->start();
    pouring.back()->client.say(msg('Q', std::string(4 << 20, 'q')));
  }
  auto moved_bytes = [&] {
    uint64_t sum = 0;
    for (const auto& session : pouring)
      sum += session->metrics.route->total(RouteCells::kBytesFromClients);
    return sum;
  };
  worker.run_until([&] { return moved_bytes() > 2 * kPouring * Relay::kMuchBytes; });
  for (auto& session : pouring) session->server.turn();  // so that there is room for all
  Relayed quick(worker);
  quick.start();
  quick.client.say(kSelect);
  quick.client.turn();
  uint64_t before = moved_bytes();
  worker.loop.run_once(false);
  EXPECT_LT(moved_bytes() - before, kPouring / 2 * Relay::kMuchBytes);
  quick.server.turn();
  EXPECT_EQ(quick.server.heard, kSelect);
  quick.stop();
  for (auto& session : pouring) session->stop();
}

TEST(RelayTest, ASessionThatEndsPassesOnTheBufferItWaitedFor) {
  TestWorker worker(1);
  Relayed first(worker);
  Relayed second(worker);
  first.start();
  second.start();
  Lease taken = worker.slab.borrow();
  first.client.say(kSelect);
  worker.run_a_while();
  second.client.say(kSelect);
  worker.run_a_while();
  first.relay.ask_to_end({.reason = Reason::client_limit}, false);
  taken.reset();  // tells the first, which ends without taking it
  first.run_to_end();
  worker.run_until([&] { return second.server.heard == kSelect; });
  second.stop();
}

TEST(RelayTest, WithoutInspectionBytesPassAndTheSessionEndsWithItsSockets) {
  TestWorker worker;
  Relayed session(worker, config::Inspect::bytes);
  session.start("early", "bytes");
  session.client.say("\x16 not ours to read");
  worker.run_until([&] { return session.server.heard == "early\x16 not ours to read"; });
  session.relay.ask_to_end({.reason = Reason::drain}, true);
  worker.run_a_while();
  EXPECT_FALSE(session.end) << "nobody knows whether it is idle";
  session.client.close();
  worker.run_until([&] { return session.server.ended; });
  session.server.close();
  session.run_to_end();
  EXPECT_EQ(session.metrics.route->total(RouteCells::kBytesFromClients), 23U);
  EXPECT_EQ(session.metrics.route->total(RouteCells::kBytesToClients), 5U);
}

}  // namespace
}  // namespace trunkline::session
