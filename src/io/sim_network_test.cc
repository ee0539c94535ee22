#include "io/sim_network.h"

#include <cerrno>
#include <gtest/gtest.h>
#include <string>
#include <sys/socket.h>

#include "io/sim_testing.h"
#include "io/socket.h"

namespace trunkline::io {
namespace {

// A connected pair as the system calls see it, registered with nothing.
struct SimSocket : testing::TestWithParam<bool> {
  Simulation sim;
  std::pair<int, int> pair = sim.network.socket_pair(GetParam());
  int a = pair.first;
  int b = pair.second;
  char buffer[64];

  ssize_t send(int fd, std::string_view bytes) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    return sim.network.send(fd, {&part, 1});
  }
  uint8_t poll(int fd) { return sim.network.poll(fd, true); }
};

INSTANTIATE_TEST_SUITE_P(Families, SimSocket, testing::Bool(), [](const auto& test) {
  return test.param ? std::string("Unix") : std::string("Tcp");
});

TEST_P(SimSocket, CarriesBytesOnceTheyHaveArrived) {
  EXPECT_EQ(send(a, "hello"), 5);
  EXPECT_EQ(sim.network.recv(b, buffer), -EAGAIN);
  EXPECT_EQ(poll(b), kWritable);
  sim.settle();
  EXPECT_EQ(poll(b), kReadable | kWritable);
  EXPECT_EQ(sim.network.recv(b, std::span(buffer).first(3)), 3);
  EXPECT_EQ(sim.network.recv(b, buffer), 2);
  EXPECT_EQ(sim.network.recv(b, buffer), -EAGAIN);
}

TEST_P(SimSocket, HalfCloseEndsOneDirection) {
  send(a, "last");
  sim.network.shutdown(a, SHUT_WR);
  EXPECT_EQ(send(a, "x"), -EPIPE);
  sim.settle();
  EXPECT_EQ(poll(b), kReadable | kWritable | kHangup);
  EXPECT_EQ(sim.network.recv(b, buffer), 4);
  EXPECT_EQ(sim.network.recv(b, buffer), 0);
  EXPECT_EQ(send(b, "answer"), 6);
  sim.settle();
  EXPECT_EQ(sim.network.recv(a, buffer), 6);
  EXPECT_EQ(sim.network.recv(a, buffer), -EAGAIN);
}

TEST_P(SimSocket, ACloseWithEverythingReadIsAnEndOfFile) {
  send(a, "last");
  sim.network.close(a);
  sim.settle();
  EXPECT_EQ(sim.network.recv(b, buffer), 4);
  EXPECT_EQ(sim.network.recv(b, buffer), 0);
}

TEST_P(SimSocket, ACloseWithUnreadBytesIsAReset) {
  send(a, "unread");
  sim.settle();
  sim.network.close(b);
  sim.settle();
  EXPECT_EQ(poll(a), kReadable | kWritable | kHangup);
  EXPECT_EQ(sim.network.recv(a, buffer), -ECONNRESET);
  EXPECT_EQ(sim.network.recv(a, buffer), 0);
  EXPECT_EQ(send(a, "x"), -EPIPE);
}

TEST_P(SimSocket, WhatHasArrivedBeforeAResetCanBeRead) {
  send(a, "unread");
  send(b, "read me");
  sim.settle();
  sim.network.close(b);
  sim.settle();
  EXPECT_EQ(sim.network.recv(a, buffer), 7);
  EXPECT_EQ(sim.network.recv(a, buffer), -ECONNRESET);
}

TEST_P(SimSocket, ShutDownBothWaysReadsTheEndOfFile) {
  sim.network.shutdown(a, SHUT_RDWR);
  EXPECT_EQ(sim.network.recv(a, buffer), 0);
  EXPECT_EQ(send(a, "x"), -EPIPE);
  EXPECT_EQ(poll(a), kReadable | kWritable | kHangup);
  sim.settle();
  EXPECT_EQ(sim.network.recv(b, buffer), 0);
}

TEST_P(SimSocket, TheBufferBoundsWhatIsUnreadAndUnderWay) {
  std::string full(SimOptions{}.buffer_bytes_max, 'x');
  EXPECT_EQ(send(a, full + "more"), static_cast<ssize_t>(full.size()));
  EXPECT_EQ(send(a, "x"), -EAGAIN);
  EXPECT_EQ(poll(a), 0);
  sim.settle();
  EXPECT_EQ(send(a, "x"), -EAGAIN);
  std::string into(full.size(), '\0');
  EXPECT_EQ(sim.network.recv(b, std::span(into).first(1)), 1);
  EXPECT_EQ(poll(a), 0);  // a third must be free
  EXPECT_EQ(sim.network.recv(b, into), static_cast<ssize_t>(full.size() - 1));
  EXPECT_EQ(poll(a), kWritable);
  EXPECT_EQ(send(a, full), static_cast<ssize_t>(full.size()));
}

TEST_P(SimSocket, NumbersAreTheLowestFreeAndNoneIsLeft) {
  sim.network.close(a);
  EXPECT_EQ(sim.network.open_descriptors(), 1U);
  auto [c, d] = sim.network.socket_pair(true);
  EXPECT_EQ(c, a);
  for (int fd : {b, c, d}) sim.network.close(fd);
  EXPECT_EQ(sim.network.open_descriptors(), 0U);
}

TEST(SimSocketTcp, BytesToAClosedSocketComeBackAsAReset) {
  Simulation sim;
  auto [a, b] = sim.network.socket_pair(false);
  sim.network.close(b);
  char byte = 'x';
  iovec part{&byte, 1};
  EXPECT_EQ(sim.network.send(a, {&part, 1}), 1);
  sim.settle();
  EXPECT_EQ(sim.network.send(a, {&part, 1}), -EPIPE);  // the end of file had come before the reset
}

TEST(SimSocketUnix, AClosedPeerIsKnownAtOnce) {
  Simulation sim;
  auto [a, b] = sim.network.socket_pair(true);
  sim.network.close(b);
  char byte = 'x';
  iovec part{&byte, 1};
  EXPECT_EQ(sim.network.send(a, {&part, 1}), -EPIPE);
}

TEST(SimConnect, UnixSocketsConnectAtOnceOrNotAtAll) {
  Simulation sim;
  SocketAddress path = *SocketAddress::unix_path("/run/.s.PGSQL.5432");
  EXPECT_EQ(sim.network.connect(path).error(), -ECONNREFUSED);
  int listener = sim.network.listen(path).value();
  EXPECT_EQ(sim.network.listen(path).error(), -EADDRINUSE);
  int fd = sim.network.connect(path).value();
  EXPECT_EQ(sim.network.poll(fd, true), kWritable);
  EXPECT_TRUE(sim.network.accept(listener).has_value());
  EXPECT_EQ(sim.network.accept(listener).error(), -EAGAIN);
}

TEST(SimConnect, TheCloseOfAListenerResetsWhoeverWaitsInItsBacklog) {
  Simulation sim;
  int listener = sim.network.listen(kServer).value();
  int fd = sim.network.connect(kServer).value();
  sim.settle();
  EXPECT_EQ(sim.network.poll(fd, true), kWritable);
  sim.network.close(listener);
  sim.settle();
  EXPECT_EQ(sim.network.take_error(fd), -ECONNRESET);
}

struct Outcome {
  int error = 1;
  Duration took{};
};

Task<> try_connect(Loop& loop, Outcome& out) {
  Instant began = loop.now();
  auto socket = co_await connect(loop, kServer, loop.now() + 5s);
  out = {.error = socket ? 0 : socket.error(), .took = loop.now() - began};
}

TEST(SimConnect, ALostConnectTakesItsWholeTimeoutInNoTimeAtAll) {
  Simulation sim({.lost_chance = 1000});
  Outcome outcome;
  int listener = sim.network.listen(kServer).value();
  sim.loop.spawn(try_connect(sim.loop, outcome));
  EXPECT_TRUE(sim.run_to_end());
  EXPECT_EQ(outcome.error, -ETIMEDOUT);
  EXPECT_GE(outcome.took, 5s);
  sim.network.close(listener);
  EXPECT_EQ(sim.network.open_descriptors(), 0U);
}

TEST(SimConnect, ARefusalIsAFaultThatCanBeAskedFor) {
  Simulation sim({.latency_max = 1ms, .refuse_chance = 1000});
  Outcome outcome;
  sim.network.listen(kServer).value();
  sim.loop.spawn(try_connect(sim.loop, outcome));
  EXPECT_TRUE(sim.run_to_end());
  EXPECT_EQ(outcome.error, -ECONNREFUSED);
  EXPECT_LT(outcome.took, 10ms);
}

}  // namespace
}  // namespace trunkline::io
