#include "session/relay.h"

#include <algorithm>
#include <cerrno>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "io/epoll_backend.h"
#include "session/relay_testing.h"

namespace trunkline::session {
namespace {

// The far end of a socket pair: a client or a server that says what it is told and keeps what it
// hears.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() { close(); }

  void say(std::string_view bytes) { unsaid_.append(bytes); }
  void turn() {
    if (fd_ < 0) return;
    while (said_ < unsaid_.size()) {
      ssize_t sent = ::send(fd_, unsaid_.data() + said_, unsaid_.size() - said_, MSG_NOSIGNAL);
      if (sent <= 0) break;
      said_ += static_cast<size_t>(sent);
    }
    char chunk[65536];
    while (listens && !ended) {
      ssize_t got = ::recv(fd_, chunk, sizeof chunk, 0);
      if (got < 0 && errno == EAGAIN) break;
      if (got <= 0) {
        ended = true;
        break;
      }
      heard.append(chunk, static_cast<size_t>(got));
    }
  }
  size_t said() const { return said_; }
  bool all_said() const { return said_ == unsaid_.size(); }
  void hang_up_sending() { ::shutdown(fd_, SHUT_WR); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  std::string heard;
  bool ended = false;  // the end of file or a reset was heard
  bool listens = true;

 private:
  int fd_;
  std::string unsaid_;
  size_t said_ = 0;
};

// What a worker has.
struct TestWorker {
  explicit TestWorker(size_t buffers = 100) : slab(65536, buffers, 4) {}

  template <typename Done>
  void run_until(Done done) {
    Instant give_up = Clock::now() + 10s;
    while (!done()) {
      ASSERT_LT(Clock::now(), give_up) << "it never happens";
      turn();
    }
  }
  // Long enough for whatever is going to happen.
  void run_a_while() {
    for (int i = 0; i < 50; ++i) turn();
  }
  void turn() {
    for (auto* peer : peers) peer->turn();
    loop.run_once(false);
  }

  io::Loop loop{std::make_unique<io::EpollBackend>()};
  Slab slab;
  std::vector<Peer*> peers;
};

// One session's relay between two peers.
class Relayed {
 public:
  explicit Relayed(TestWorker& worker, config::Inspect inspect = config::Inspect::messages)
      : worker_(worker),
        client(pair(client_)),
        server(pair(server_)),
        machine(inspect, metrics.counters()),
        relay(client_, server_, machine, waiter_, worker.slab, metrics.cells) {
    worker.peers.insert(worker.peers.end(), {&client, &server});
  }
  ~Relayed() {
    std::erase(worker_.peers, &client);
    std::erase(worker_.peers, &server);
    EXPECT_TRUE(end.has_value()) << "still running";
    if (!end) worker_.loop.destroy_spawned();
  }

  void start(std::string early_client = "", std::string early_server = "") {
    worker_.loop.spawn(run(std::move(early_client), std::move(early_server)));
  }
  void run_to_end() {
    worker_.run_until([this] { return end.has_value(); });
  }
  // As the session does.
  void close() {
    client_.close();
    server_.close();
  }
  void stop() {
    relay.ask_to_end({.reason = Reason::client_limit}, false);
    run_to_end();
  }
  Reason reason() const { return end ? end->reason : Reason::kCount; }

 private:
  int pair(tls::Stream& near) {
    int fds[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    near = tls::Stream(io::Socket(worker_.loop, fds[0], true));
    return fds[1];
  }
  io::Task<> run(std::string early_client, std::string early_server) {
    end = std::move(*co_await relay.run(std::make_unique<EarlyBytes>(
        EarlyBytes{.of_client = std::move(early_client), .of_server = std::move(early_server)})));
    metrics.stats.on_session_end(machine.exchange_open());
  }

  TestWorker& worker_;
  io::Waiter waiter_{worker_.loop};  // outlives the sockets bound to it
  tls::Stream client_;
  tls::Stream server_;

 public:
  TestMetrics metrics;
  Peer client;
  Peer server;
  RelayMachine machine;
  Relay relay;
  std::optional<Error> end;
};

const std::string kSelect = msg('Q', c("select 1"));
const std::string kReady = msg('Z', "I");
const std::string kAnswer = msg('C', c("SELECT 1")) + kReady;
const std::string kTerminate = msg('X', "");
const std::string kFlush = msg('H', "");

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
    EXPECT_TRUE(session.relay.server_can_hear()) << "a Terminate in our place";
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
