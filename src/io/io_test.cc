#include <algorithm>
#include <array>
#include <cstring>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <numeric>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "io/blocking_pool.h"
#include "io/epoll_backend.h"
#include "io/listen.h"
#include "io/loop.h"
#include "io/sim_backend.h"
#include "io/socket.h"

namespace trunkline::io {
namespace {

// Each test runs over the kernel and over the simulation: what the loop relies on must hold in
// both.
struct LoopTest : testing::TestWithParam<bool> {
  bool simulated = GetParam();
  Loop loop{make_backend()};

  std::unique_ptr<Backend> make_backend() const {
    if (simulated) return std::make_unique<SimBackend>();
    return std::make_unique<EpollBackend>();
  }
  SimNetwork& network() { return static_cast<SimBackend&>(loop.backend()).network(); }

  // Runs until every spawned coroutine has ended.
  void run_to_end() {
    for (int round = 0; loop.spawned() > 0; ++round) {
      ASSERT_LT(round, 1'000'000) << "a coroutine never ends";
      loop.run_once(true);
    }
  }

  std::pair<Socket, Socket> socket_pair() {
    if (simulated) {
      auto [first, second] = network().socket_pair(true);
      return {Socket(loop, first, true), Socket(loop, second, true)};
    }
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    return {Socket(loop, fds[0], true), Socket(loop, fds[1], true)};
  }

  // On a port of 127.0.0.1.
  std::pair<int, SocketAddress> listen() {
    auto fd = simulated ? network().listen(SocketAddress::ip(kLocal, 5432))
                        : open_listener(SocketAddress::ip(kLocal, 0), {}).value();
    return {*fd, simulated ? SocketAddress::ip(kLocal, 5432) : bound_address(*fd)};
  }

  const IpAddress kLocal = *IpAddress::parse("127.0.0.1");
};

INSTANTIATE_TEST_SUITE_P(Backends, LoopTest, testing::Bool(), [](const auto& test) {
  return test.param ? std::string("Sim") : std::string("Epoll");
});

iovec view(std::string_view bytes) {
  return {const_cast<char*>(bytes.data()), bytes.size()};
}

Task<int> immediate(int value) {
  co_return value;
}

Task<int> deep(int depth) {
  if (depth == 0) co_return 0;
  co_return 1 + co_await deep(depth - 1);
}

void spin(Duration duration) {
  Instant end = Clock::now() + duration;
  while (Clock::now() < end) {
  }
}

TEST(LoopOrderTest, WhoStepsAsideIsPassedByThoseWhoAreReady) {
  Loop loop(std::make_unique<EpollBackend>());
  constexpr size_t kSlow = 10;
  constexpr int kRounds = 30;
  std::array<int, kSlow> slow_turns{};
  bool over = false;
  for (int& turns : slow_turns) {
    loop.spawn([](Loop& on, int& count, const bool& end) -> Task<> {
      Waiter waiter(on);
      while (!end) {
        co_await waiter.step_aside();
        spin(300us);
        ++count;
      }
    }(loop, turns, over));
  }
  loop.spawn([](Loop& on, bool& end) -> Task<> {
    Waiter waiter(on);
    for (int i = 0; i < kRounds; ++i) co_await waiter.yield();
    end = true;
  }(loop, over));
  while (!over) loop.run_once(true);
  EXPECT_EQ(std::accumulate(slow_turns.begin(), slow_turns.end(), 0), kRounds)
      << "one in each round, after the other";
  auto [least, most] = std::ranges::minmax(slow_turns);
  EXPECT_LE(most - least, 1) << "each in turn";
  while (loop.spawned() > 0) loop.run_once(true);
}

// Logins wait so: however many there are, who is in waits for few of them.
TEST(LoopOrderTest, WhoIsNotInYetIsPassedByThoseWhoAre) {
  Loop loop(std::make_unique<EpollBackend>());
  constexpr int kNewcomers = 100;
  int let_in = 0;
  int let_in_at_the_turn = -1;
  for (int i = 0; i < kNewcomers; ++i) {
    loop.spawn([](Loop& on, int& count) -> Task<> {
      Waiter waiter(on, Place::behind);
      co_await waiter.yield();
      spin(100us);
      ++count;
    }(loop, let_in));
  }
  loop.spawn([](Loop& on, const int& count, int& seen) -> Task<> {
    Waiter waiter(on);
    co_await waiter.yield();
    co_await waiter.yield();
    seen = count;
  }(loop, let_in, let_in_at_the_turn));
  while (loop.spawned() > 0) loop.run_once(true);
  EXPECT_EQ(let_in_at_the_turn, 1);
  EXPECT_EQ(let_in, kNewcomers);
}

TEST_P(LoopTest, WhoStepsAsideAloneGoesOnAtOnce) {
  int turns = 0;
  loop.spawn([](Loop& on, int& count) -> Task<> {
    Waiter waiter(on);
    for (; count < 100; ++count) co_await waiter.step_aside();
  }(loop, turns));
  run_to_end();
  EXPECT_EQ(turns, 100);
}

TEST_P(LoopTest, TasksThatFinishAtOnceCostNoSuspension) {
  int sum = 0;
  loop.spawn([](int& out) -> Task<> {
    for (int i = 0; i < 100'000; ++i) out += co_await immediate(1);
    out += co_await deep(100);
  }(sum));
  EXPECT_EQ(loop.spawned(), 0U);
  EXPECT_EQ(sum, 100'100);
}

TEST_P(LoopTest, TimersFireInOrder) {
  std::string order;
  auto sleeper = [](Loop& on, Duration delay, char mark, std::string& out) -> Task<> {
    co_await on.sleep_until(on.now() + delay);
    out += mark;
  };
  loop.spawn(sleeper(loop, 30ms, 'c', order));
  loop.spawn(sleeper(loop, 10ms, 'a', order));
  loop.spawn(sleeper(loop, 20ms, 'b', order));
  run_to_end();
  EXPECT_EQ(order, "abc");
}

TEST_P(LoopTest, ManyTimersStopAndFire) {
  Waiter waiter(loop);
  std::vector<std::unique_ptr<Timer>> timers;
  for (int i = 0; i < 1000; ++i) {
    timers.push_back(std::make_unique<Timer>(waiter, 1));
    timers.back()->start(loop.now() + std::chrono::milliseconds((i * 7919) % 1000));
  }
  for (size_t i = 0; i < timers.size(); i += 2) timers[i]->stop();
  EXPECT_EQ(loop.timers().size(), 500U);
  Instant last{};
  while (!loop.timers().empty()) {
    EXPECT_GE(loop.timers().next_deadline(), last);
    last = loop.timers().next_deadline();
    loop.timers().fire_due(last);
  }
}

TEST_P(LoopTest, ADeadlinePassesWithoutBytes) {
  auto [a, b] = socket_pair();
  bool readable = true;
  loop.spawn([](Loop& on, Socket& socket, bool& out) -> Task<> {
    out = co_await socket.wait_readable(on.now() + 10ms);
  }(loop, a, readable));
  run_to_end();
  EXPECT_FALSE(readable);
}

TEST_P(LoopTest, ACoroutineMayBeDestroyedWhileItWaitsForASocketOfItsCaller) {
  Waiter before(loop);
  auto [a, b] = socket_pair();
  a.bind(before, 0);
  before.clear(~0U);
  {
    Loop other(make_backend());
    other.spawn([](Socket& socket) -> Task<> { co_await socket.wait_readable(Instant::max()); }(a));
  }
  iovec part = view("x");
  b.send({&part, 1});
  loop.run_once(true);
  EXPECT_NE(before.ready() & kReadable, 0U);
}

TEST_P(LoopTest, BytesGoBothWaysUnderBackPressure) {
  auto [a, b] = socket_pair();
  constexpr size_t kBytes = 8 << 20;
  auto sender = [](Socket& socket) -> Task<> {
    std::string chunk(100'000, 'x');
    for (size_t sent = 0; sent < kBytes;) {
      iovec part = view(std::string_view(chunk).substr(0, std::min(chunk.size(), kBytes - sent)));
      ssize_t n = socket.send({&part, 1});
      if (n == -EAGAIN) {
        EXPECT_FALSE(socket.writable());
        co_await socket.wait_writable(Instant::max());
        continue;
      }
      EXPECT_GT(n, 0);
      sent += static_cast<size_t>(n);
    }
    socket.shutdown_write();
  };
  size_t received[2] = {};
  auto receiver = [](Socket& socket, size_t& total) -> Task<> {
    std::string buffer(64 << 10, '\0');
    for (;;) {
      co_await socket.wait_readable(Instant::max());
      ssize_t n = socket.recv(buffer);
      if (n == -EAGAIN) continue;
      if (n <= 0) co_return;
      total += static_cast<size_t>(n);
    }
  };
  // Sender and receiver of one socket wait at the same time, as the relay does not: so each has a
  // waiter's turn by itself.
  loop.spawn(sender(a));
  loop.spawn(receiver(b, received[0]));
  run_to_end();
  EXPECT_EQ(received[0], kBytes);
}

TEST_P(LoopTest, AShortReadIsTakenAsDrainedButNotAfterAHangup) {
  auto [a, b] = socket_pair();
  iovec part = view("hello");
  b.send({&part, 1});
  b.close();
  loop.run_once(false);
  ASSERT_TRUE(a.readable());
  char buffer[64];
  EXPECT_EQ(a.recv(buffer), 5);
  EXPECT_TRUE(a.readable());  // data and end of file came as one edge
  EXPECT_EQ(a.recv(buffer), 0);
}

TEST_P(LoopTest, AWaiterHearsSeveralSocketsAndADeadline) {
  auto [a, b] = socket_pair();
  auto [c, d] = socket_pair();
  Waiter waiter(loop);
  Timer timer(waiter, 1U << 16);
  a.bind(waiter, 0);
  c.bind(waiter, 8);
  timer.start(loop.now() + 5ms);
  std::vector<uint32_t> seen;
  constexpr uint32_t kMask = kReadable | kReadable << 8 | 1U << 16;
  loop.spawn([](Waiter& on, std::vector<uint32_t>& out) -> Task<> {
    while (out.size() < 2) {
      uint32_t bits = co_await on.wait(kMask);
      out.push_back(bits);
      on.clear(bits);
    }
  }(waiter, seen));
  iovec part = view("x");
  d.send({&part, 1});
  run_to_end();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0], kReadable << 8);
  EXPECT_EQ(seen[1], 1U << 16);
  a.unbind();
  c.unbind();
}

TEST_P(LoopTest, ClosingInsideABatchDropsItsEvents) {
  auto pair = std::make_unique<std::pair<Socket, Socket>>(socket_pair());
  auto other = socket_pair();
  iovec part = view("x");
  pair->second.send({&part, 1});
  other.second.send({&part, 1});
  int woken = 0;
  // Both sockets are readable in one batch; the first to wake closes the other's.
  auto closer = [](Socket& mine, std::unique_ptr<std::pair<Socket, Socket>>& victim,
                   int& count) -> Task<> {
    co_await mine.wait_readable(Instant::max());
    ++count;
    victim.reset();
  };
  loop.spawn(closer(other.first, pair, woken));
  run_to_end();
  loop.run_once(false);
  EXPECT_EQ(woken, 1);
}

TEST_P(LoopTest, MailFromOtherThreadsArrives) {
  int sum = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, &sum] {
      for (int i = 0; i < 1000; ++i) loop.post([&sum] { ++sum; });
    });
  }
  while (sum < 4000) loop.run_once(true);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, 4000);
}

TEST(Offload, RunsOnAnotherThreadAndComesBack) {
  Loop loop(std::make_unique<EpollBackend>());
  BlockingPool pool(2);
  Loop with_pool(std::make_unique<EpollBackend>(), &pool);
  std::thread::id there;
  std::thread::id back;
  with_pool.spawn([](Loop& on, std::thread::id& a, std::thread::id& b) -> Task<> {
    a = co_await on.offload([] { return std::this_thread::get_id(); });
    b = std::this_thread::get_id();
  }(with_pool, there, back));
  while (with_pool.spawned() > 0) with_pool.run_once(true);
  EXPECT_NE(there, std::this_thread::get_id());
  EXPECT_EQ(back, std::this_thread::get_id());
}

TEST(BlockingPoolTest, AnAbandonedPoolFinishesWhatHasBegunOnItsOwn) {
  struct Shared {
    std::atomic<bool> begun = false;
    std::atomic<bool> go = false;
    std::atomic<bool> finished = false;
    std::atomic<bool> second = false;
  };
  auto shared = std::make_shared<Shared>();
  {
    BlockingPool pool(1);
    pool.submit([shared] {
      shared->begun = true;
      shared->go.wait(false);
      shared->finished = true;
      shared->finished.notify_all();
    });
    pool.submit([shared] { shared->second = true; });
    while (!shared->begun) std::this_thread::yield();
    pool.abandon();
  }
  EXPECT_FALSE(shared->finished);
  shared->go = true;
  shared->go.notify_all();
  shared->finished.wait(false);
  EXPECT_FALSE(shared->second) << "it was dropped";
}

TEST_P(LoopTest, ConnectsAndAcceptsOverTcp) {
  auto [fd, bound] = listen();
  Acceptor acceptor(loop, fd);
  std::expected<Socket, int> connected = std::unexpected(0);
  loop.spawn([](Loop& on, SocketAddress to, std::expected<Socket, int>& out) -> Task<> {
    out = co_await connect(on, to, on.now() + 1s);
  }(loop, bound, connected));
  run_to_end();
  ASSERT_TRUE(connected.has_value());
  auto accepted = acceptor.accept();
  ASSERT_TRUE(accepted.has_value());
  EXPECT_TRUE(accepted->peer.is_ip());
  loop.backend().close(accepted->fd);
  EXPECT_EQ(acceptor.accept().error(), -EAGAIN);
  acceptor.stop();
  loop.backend().close(fd);
}

TEST(EpollBackend, TcpSocketsOfBothSidesSendAtOnceAndKeepAlive) {
  EpollBackend backend;
  int listening = open_listener(SocketAddress::ip(*IpAddress::parse("127.0.0.1"), 0), {}).value();
  auto connected = backend.connect(bound_address(listening));
  ASSERT_TRUE(connected.has_value());
  auto accepted = backend.accept(listening);
  ASSERT_TRUE(accepted.has_value());
  auto option = [](int fd, int level, int name) {
    int value = 0;
    socklen_t length = sizeof value;
    getsockopt(fd, level, name, &value, &length);
    return value;
  };
  for (int fd : {*connected, accepted->first}) {
    EXPECT_EQ(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    backend.close(fd);
  }
  backend.close(listening);
}

TEST(EpollBackend, TheUserTimeoutIsThatOfConnectsFromThenOn) {
  EpollBackend backend;
  int listening = open_listener(SocketAddress::ip(*IpAddress::parse("127.0.0.1"), 0), {}).value();
  auto timeout_ms = [&] {
    auto connected = backend.connect(bound_address(listening));
    int value = -1;
    socklen_t length = sizeof value;
    getsockopt(connected.value(), IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &length);
    backend.close(*connected);
    return value;
  };
  EXPECT_EQ(timeout_ms(), 0);
  backend.set_user_timeout_of_connects(2s);
  EXPECT_EQ(timeout_ms(), 2000);
  backend.set_user_timeout_of_connects({});
  EXPECT_EQ(timeout_ms(), 0);
  backend.close(listening);
}

TEST_P(LoopTest, AnAcceptorMayBeStoppedInTheRoundInWhichAConnectionComes) {
  auto [fd, bound] = listen();
  Acceptor acceptor(loop, fd);
  Waiter waiter(loop);
  acceptor.bind(waiter);
  int result = 0;
  loop.spawn([](Waiter& on, Acceptor& from, int& out) -> Task<> {
    co_await on.wait(kReadable);
    out = from.accept().error();
  }(waiter, acceptor, result));
  auto client = loop.backend().connect(bound);
  loop.post([&acceptor] { acceptor.stop(); });
  run_to_end();
  EXPECT_EQ(result, -EAGAIN);
  loop.backend().close(*client);
  loop.backend().close(fd);
}

TEST_P(LoopTest, WhatWasLeftOfTheBacklogIsShownAgain) {
  auto [fd, bound] = listen();
  Acceptor acceptor(loop, fd);
  Waiter waiter(loop);
  acceptor.bind(waiter);
  std::vector<int> accepted;
  loop.spawn([](Waiter& on, Acceptor& from, std::vector<int>& out) -> Task<> {
    while (out.size() < 3) {
      co_await on.wait(kReadable);
      auto one = from.accept();
      if (one) out.push_back(one->fd);
      from.look_again();
    }
  }(waiter, acceptor, accepted));
  std::vector<int> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(loop.backend().connect(bound).value());
  run_to_end();
  EXPECT_EQ(accepted.size(), 3U);
  acceptor.stop();
  for (int each : accepted) loop.backend().close(each);
  for (int each : clients) loop.backend().close(each);
  loop.backend().close(fd);
}

TEST_P(LoopTest, ARefusedConnectTellsSo) {
  auto [fd, bound] = listen();
  loop.backend().close(fd);
  int error = 0;
  loop.spawn([](Loop& on, SocketAddress to, int& out) -> Task<> {
    auto socket = co_await connect(on, to, on.now() + 1s);
    out = socket ? 0 : socket.error();
  }(loop, bound, error));
  run_to_end();
  EXPECT_EQ(error, -ECONNREFUSED);
}

// A unix listener whose backlog is full.
struct FullBacklogTest : testing::Test {
  Loop loop{std::make_unique<EpollBackend>()};
  SocketAddress address = *SocketAddress::unix_path(testing::TempDir() + "trunkline_backlog_" +
                                                    std::to_string(getpid()));
  int listening = open_listener(address, {.backlog = 1}).value();
  std::vector<int> waiting;  // not accepted yet
  int result = 1;

  FullBacklogTest() {
    std::expected<int, int> fd;
    while ((fd = loop.backend().connect(address))) waiting.push_back(*fd);
    EXPECT_EQ(fd.error(), -EAGAIN);
  }
  ~FullBacklogTest() override {
    for (int fd : waiting) close(fd);
    close(listening);
    unlink(std::string(address.path()).c_str());
  }

  void start_connect(Duration patience) {
    loop.spawn([](Loop& on, SocketAddress to, Duration within, int& out) -> Task<> {
      auto socket = co_await connect(on, to, on.now() + within);
      out = socket ? 0 : socket.error();
    }(loop, address, patience, result));
  }
  void run_to_end() {
    while (loop.spawned() > 0) loop.run_once(true);
  }
};

TEST_F(FullBacklogTest, AConnectWaitsForRoom) {
  start_connect(10s);
  for (int i = 0; i < 3 && loop.spawned() > 0; ++i) loop.run_once(true);
  EXPECT_EQ(result, 1) << "it is still trying";
  auto accepted = loop.backend().accept(listening);
  ASSERT_TRUE(accepted.has_value());
  waiting.push_back(accepted->first);
  run_to_end();
  EXPECT_EQ(result, 0);
}

TEST_F(FullBacklogTest, AConnectGivesUpAtItsDeadline) {
  Instant before = loop.now();  // the deadline counts from there
  start_connect(35ms);
  run_to_end();
  EXPECT_EQ(result, -ETIMEDOUT);
  EXPECT_GE(loop.backend().now() - before, 35ms);
}

TEST_P(LoopTest, ASocketMovesToAnotherLoop) {
  auto [a, b] = socket_pair();
  iovec part = view("moved");
  b.send({&part, 1});
  loop.run_once(false);
  // Simulated sockets belong to one backend: this one leaves its loop and comes back.
  Loop second(std::make_unique<EpollBackend>());
  Loop& other = simulated ? loop : second;
  Socket moved(other, a.release(), true);
  other.run_once(true);  // it reports what is there anew
  char buffer[16];
  EXPECT_EQ(moved.recv(buffer), 5);
}

TEST(SocketAddress, PrintsAndBounds) {
  EXPECT_EQ(SocketAddress::ip(*IpAddress::parse("10.0.0.1"), 5432).to_string(), "10.0.0.1:5432");
  EXPECT_EQ(SocketAddress::ip(*IpAddress::parse("::1"), 5432).to_string(), "[::1]:5432");
  EXPECT_EQ(SocketAddress::unix_path("/run/x")->to_string(), "/run/x");
  EXPECT_TRUE(SocketAddress::unix_path(std::string(107, 'p')));
  EXPECT_FALSE(SocketAddress::unix_path(std::string(108, 'p')));
}

}  // namespace
}  // namespace trunkline::io
