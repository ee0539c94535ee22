#include "io/sim_backend.h"

#include <cerrno>
#include <gtest/gtest.h>
#include <string>
#include <sys/socket.h>

#include "io/loop.h"
#include "io/socket.h"

namespace trunkline::io {
namespace {

const SocketAddress kServer = SocketAddress::ip(*IpAddress::parse("10.0.0.1"), 5432);

struct Simulation {
  explicit Simulation(const SimOptions& options = {})
      : loop(std::make_unique<SimBackend>(options)),
        backend(static_cast<SimBackend&>(loop.backend())),
        network(backend.network()) {}

  // False when a coroutine waits for ever.
  bool run_to_end() {
    while (loop.spawned() > 0 && !backend.deadlocked()) loop.run_once(true);
    return loop.spawned() == 0;
  }
  // Until nothing happens any more.
  void settle() {
    do loop.run_once(true);
    while (!backend.deadlocked());
  }

  Loop loop;
  SimBackend& backend;
  SimNetwork& network;
};

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

// What one wake-up of a registered socket says, and how many there are.
struct Edges : testing::Test {
  Simulation sim;
  int owner = 0;

  std::vector<uint8_t> reports() {
    std::vector<uint8_t> seen;
    do {
      for (const Event& event : sim.backend.wait(Duration{-1})) seen.push_back(event.ready);
    } while (!sim.backend.deadlocked());
    return seen;
  }
  void send(int fd, std::string_view bytes) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    sim.network.send(fd, {&part, 1});
  }
};

TEST_F(Edges, NewBytesAreAnEdgeAndOldOnesAreNot) {
  auto [a, b] = sim.network.socket_pair(false);
  sim.backend.add(a, &owner, Interest::edge);
  EXPECT_TRUE(reports().empty());
  send(b, "1");
  EXPECT_EQ(reports(), (std::vector<uint8_t>{kReadable}));
  EXPECT_TRUE(reports().empty());
  send(b, "2");
  EXPECT_EQ(reports(), (std::vector<uint8_t>{kReadable}));
  sim.network.shutdown(b, SHUT_WR);
  EXPECT_EQ(reports(), (std::vector<uint8_t>{kReadable | kHangup}));
}

TEST_F(Edges, RegistrationAndChangeReportWhatIsThere) {
  auto [a, b] = sim.network.socket_pair(false);
  send(b, "1");
  sim.settle();
  sim.backend.add(a, &owner, Interest::edge);
  EXPECT_EQ(reports(), (std::vector<uint8_t>{kReadable}));
  sim.backend.modify(a, &owner, Interest::edge_and_write);
  EXPECT_EQ(reports(), (std::vector<uint8_t>{kReadable | kWritable}));
  EXPECT_EQ(sim.backend.add(a, &owner, Interest::edge), -EEXIST);
  sim.backend.remove(a);
  EXPECT_EQ(sim.backend.modify(a, &owner, Interest::edge), -ENOENT);
}

TEST_F(Edges, TcpReportsRoomOnlyToAWriterThatCameShort) {
  auto [a, b] = sim.network.socket_pair(false);
  sim.backend.add(a, &owner, Interest::edge_and_write);
  reports();
  char into[16];
  send(a, "x");
  sim.settle();
  sim.network.recv(b, into);
  EXPECT_TRUE(reports().empty());
  send(a, std::string(100 << 10, 'x'));
  sim.settle();
  std::string all(100 << 10, '\0');
  sim.network.recv(b, all);
  EXPECT_EQ(reports(), (std::vector<uint8_t>{kWritable}));
}

TEST_F(Edges, AUnixSocketReportsRoomEachTimeItsPeerReads) {
  auto [a, b] = sim.network.socket_pair(true);
  sim.backend.add(a, &owner, Interest::edge_and_write);
  reports();
  char into[16];
  send(a, "x");
  sim.settle();
  sim.network.recv(b, into);
  EXPECT_EQ(reports(), (std::vector<uint8_t>{kWritable}));
}

TEST_F(Edges, AReadThatWasTakenMeanwhileIsNotReported) {
  auto [a, b] = sim.network.socket_pair(false);
  sim.backend.add(a, &owner, Interest::edge);
  reports();
  send(b, "x");
  sim.network.advance_to(sim.network.now() + 1ms);
  char into[16];
  EXPECT_EQ(sim.network.recv(a, into), 1);
  EXPECT_TRUE(reports().empty());
}

TEST_F(Edges, AListenerReportsAsLongAsSomebodyWaits) {
  int listener = sim.network.listen(kServer).value();
  sim.backend.add(listener, &owner, Interest::exclusive);
  sim.network.connect(kServer).value();
  EXPECT_EQ(sim.backend.wait(Duration{-1}).size(), 1U);
  EXPECT_EQ(sim.backend.wait(Duration{-1}).size(), 1U);
  sim.network.accept(listener);
  EXPECT_TRUE(reports().empty());
}

// A transfer in both directions at once, in the roughest of networks without faults.
struct Transfer {
  size_t sent = 0;
  std::string received;
  std::string history;  // when each piece came, for comparing runs
};

constexpr size_t kTransferBytes = 20'000;

char byte_at(size_t position) {
  return static_cast<char>('a' + position * 7 % 26);
}

Task<> send_pattern(Socket& socket, Transfer& transfer) {
  std::string all(kTransferBytes, '\0');
  for (size_t i = 0; i < all.size(); ++i) all[i] = byte_at(i);
  while (transfer.sent < all.size()) {
    iovec part{all.data() + transfer.sent, all.size() - transfer.sent};
    ssize_t n = socket.send({&part, 1});
    if (n > 0) transfer.sent += static_cast<size_t>(n);
    if (n == -EAGAIN) co_await socket.wait_writable(Instant::max());
    if (n < 0 && n != -EAGAIN) co_return;
  }
  socket.shutdown_write();
}

Task<> receive_pattern(Socket& socket, Transfer& transfer) {
  char buffer[1024];
  for (;;) {
    co_await socket.wait_readable(Instant::max());
    ssize_t n = socket.recv(buffer);
    if (n == -EAGAIN) continue;
    if (n <= 0) co_return;
    transfer.received.append(buffer, static_cast<size_t>(n));
    transfer.history += std::to_string(socket.loop().now().time_since_epoch().count()) + ":" +
                        std::to_string(n) + " ";
  }
}

SimOptions rough(uint64_t seed) {
  return {.seed = seed,
          .latency_max = 2ms,
          .buffer_bytes_min = 1,
          .buffer_bytes_max = 4096,
          .split_chance = 300,
          .short_write_chance = 300,
          .late_event_chance = 300,
          .stall_chance = 5,
          .stall_max = 10s};
}

Transfer run_transfer(const SimOptions& options, bool is_unix) {
  Simulation sim(options);
  auto fds = sim.network.socket_pair(is_unix);
  Transfer transfer;
  {
    Socket a(sim.loop, fds.first, is_unix);
    Socket b(sim.loop, fds.second, is_unix);
    sim.loop.spawn(send_pattern(a, transfer));
    sim.loop.spawn(receive_pattern(b, transfer));
    EXPECT_TRUE(sim.run_to_end()) << "seed " << options.seed;
  }
  EXPECT_EQ(sim.network.open_descriptors(), 0U);
  EXPECT_EQ(sim.backend.registered(), 0U);
  for (size_t i = 0; i < transfer.received.size(); ++i) {
    if (transfer.received[i] != byte_at(i)) {
      ADD_FAILURE() << "seed " << options.seed << ": byte " << i;
      break;
    }
  }
  if (options.reset_chance == 0) EXPECT_EQ(transfer.received.size(), kTransferBytes);
  return transfer;
}

TEST(SimTransfer, EveryByteArrivesOnceAndInOrderWhateverTheSeed) {
  for (uint64_t seed = 1; seed <= 200; ++seed) run_transfer(rough(seed), seed % 2 == 0);
}

TEST(SimTransfer, ABrokenConnectionEndsBothSidesWithAPrefixOfTheBytes) {
  int cut = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SimOptions options = rough(seed);
    options.reset_chance = 1000;
    options.reset_bytes_max = kTransferBytes;
    cut += run_transfer(options, seed % 2 == 0).received.size() < kTransferBytes ? 1 : 0;
  }
  EXPECT_GT(cut, 190);
}

TEST(SimTransfer, OneSeedIsOneRun) {
  EXPECT_EQ(run_transfer(rough(7), false).history, run_transfer(rough(7), false).history);
  EXPECT_NE(run_transfer(rough(7), false).history, run_transfer(rough(8), false).history);
}

}  // namespace
}  // namespace trunkline::io
