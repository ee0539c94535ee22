#include "io/sim_backend.h"

#include <cerrno>
#include <gtest/gtest.h>
#include <string>
#include <sys/socket.h>
#include <vector>

#include "io/sim_testing.h"
#include "io/socket.h"

namespace trunkline::io {
namespace {

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
