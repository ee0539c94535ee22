#include "upstream/resolve.h"

#include <atomic>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "io/blocking_pool.h"
#include "io/epoll_backend.h"

namespace trunkline::upstream {
namespace {

// A clock set by hand; there are no sockets in these tests.
class ClockBackend final : public io::Backend {
 public:
  explicit ClockBackend(Instant& now) : now_(now) {}
  Instant now() override { return now_; }
  std::span<const io::Event> wait(Duration /*timeout*/) override { return {}; }
  void wake() override {}
  int add(int /*fd*/, void* /*owner*/, io::Interest /*interest*/) override { return 0; }
  int modify(int /*fd*/, void* /*owner*/, io::Interest /*interest*/) override { return 0; }
  void remove(int /*fd*/) override {}
  ssize_t recv(int /*fd*/, std::span<char> /*into*/) override { return -EBADF; }
  ssize_t peek(int /*fd*/) override { return -EBADF; }
  ssize_t send(int /*fd*/, std::span<const iovec> /*from*/) override { return -EBADF; }
  std::expected<std::pair<int, io::SocketAddress>, int> accept(int /*fd*/) override {
    return std::unexpected(-EBADF);
  }
  std::expected<int, int> connect(const io::SocketAddress& /*to*/) override {
    return std::unexpected(-EBADF);
  }
  int take_error(int /*fd*/) override { return 0; }
  void shutdown(int /*fd*/, int /*how*/) override {}
  void close(int /*fd*/) override {}

 private:
  Instant& now_;
};

class ResolverTest : public testing::Test {
 protected:
  using Answer = std::expected<std::vector<io::SocketAddress>, std::string>;

  // "1.2.3.4:5, …", or the error.
  std::string resolve(const config::ServerAddress& server) {
    loop_.run_once(false);  // reads the clock
    Answer answer;
    loop_.spawn([](io::Loop& loop, Resolver& resolver, const config::ServerAddress& to,
                   Answer& out) -> io::Task<> {
      out = co_await resolver.resolve(loop, to, Instant::max());
    }(loop_, resolver_, server, answer));
    for (int round = 0; loop_.spawned() > 0; ++round) {
      if (round == 1000) return "never ends";
      loop_.run_once(false);
    }
    if (!answer) return answer.error();
    std::string text;
    for (const io::SocketAddress& address : *answer) text += address.to_string() + " ";
    return text;
  }

  Resolver::Addresses look_up(const std::string& host) {
    ++lookups_;
    if (host == "slow") now_ += 2 * kNameLifetime;
    if (host == "gone") return std::unexpected("Name or service not known");
    std::vector<IpAddress> addresses;
    size_t count = host == "many" ? kAddressesMax + 1 : 2;
    for (size_t i = 0; i < count; ++i) {
      addresses.push_back(*IpAddress::parse("10.0.0." + std::to_string(9 - i % 2)));
    }
    return addresses;
  }

  Instant now_{100s};
  int lookups_ = 0;
  io::Loop loop_{std::make_unique<ClockBackend>(now_)};
  Resolver resolver_{0, [this](const std::string& host) { return look_up(host); },
                     [this] { return now_; }};
};

TEST_F(ResolverTest, AddressesAndUnixFoldersNeedNoLookUp) {
  EXPECT_EQ(resolve({.host = "10.1.2.3", .port = 6000}), "10.1.2.3:6000 ");
  EXPECT_EQ(resolve({.host = "::1"}), "[::1]:5432 ");
  EXPECT_EQ(resolve({.host = "/run/pg"}), "/run/pg/.s.PGSQL.5432 ");
  EXPECT_EQ(lookups_, 0);
  EXPECT_EQ(resolver_.size(), 0);
}

TEST_F(ResolverTest, AUnixPathTooLongForTheSystemIsAnError) {
  EXPECT_THAT(resolve({.host = "/" + std::string(200, 'x')}), testing::HasSubstr("too long"));
}

TEST_F(ResolverTest, AddressesComeInTheResolversOrderForEveryPort) {
  EXPECT_EQ(resolve({.host = "db", .port = 1}), "10.0.0.9:1 10.0.0.8:1 ");
  EXPECT_EQ(resolve({.host = "db", .port = 2}), "10.0.0.9:2 10.0.0.8:2 ");
  EXPECT_EQ(lookups_, 1);
}

TEST_F(ResolverTest, ANameIsAskedAgainAtTheEndOfItsLifetime) {
  resolve({.host = "db"});
  now_ += kNameLifetime - 1ns;
  resolve({.host = "db"});
  EXPECT_EQ(lookups_, 1);
  now_ += 1ns;
  resolve({.host = "db"});
  EXPECT_EQ(lookups_, 2);
}

TEST_F(ResolverTest, ALookUpLongerThanALifetimeIsKeptForOne) {
  resolve({.host = "slow"});
  resolve({.host = "slow"});
  EXPECT_EQ(lookups_, 1);
}

TEST_F(ResolverTest, AFailureIsKeptForASecondOnly) {
  EXPECT_EQ(resolve({.host = "gone"}), "cannot resolve \"gone\": Name or service not known");
  now_ += kFailureLifetime - 1ns;
  EXPECT_EQ(resolve({.host = "gone"}), "cannot resolve \"gone\": Name or service not known");
  EXPECT_EQ(lookups_, 1);
  now_ += 1ns;
  resolve({.host = "gone"});
  EXPECT_EQ(lookups_, 2);
}

TEST_F(ResolverTest, KeepsAtMostSoManyAddressesOfAName) {
  std::string text = resolve({.host = "many"});
  EXPECT_EQ(std::ranges::count(text, ' '), kAddressesMax);
}

TEST_F(ResolverTest, KeepsAtMostSoManyNamesAndDropsTheOldest) {
  for (size_t i = 0; i < kNamesMax; ++i) {
    resolve({.host = "h" + std::to_string(i)});
    now_ += 1us;
  }
  EXPECT_EQ(resolver_.size(), kNamesMax);
  resolve({.host = "one more"});
  EXPECT_EQ(resolver_.size(), kNamesMax);
  lookups_ = 0;
  resolve({.host = "h1"});
  EXPECT_EQ(lookups_, 0);
  resolve({.host = "h0"});
  EXPECT_EQ(lookups_, 1);
}

// A system resolver whose look-ups hang until it is let go. Shared with the look-ups, which may
// outlive the test.
class SlowSystem {
 public:
  Resolver::Lookup lookup() const {
    return [state = state_](const std::string& /*host*/) -> Resolver::Addresses {
      ++state->lookups;
      state->go.wait(false);
      return std::vector{*IpAddress::parse("10.0.0.1")};
    };
  }
  void let_go() {
    state_->go = true;
    state_->go.notify_all();
  }
  size_t lookups() const { return state_->lookups; }
  ~SlowSystem() { let_go(); }

 private:
  struct State {
    std::atomic<bool> go = false;
    std::atomic<size_t> lookups = 0;
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

class ResolverOnThreads : public testing::Test {
 protected:
  using Answers = std::vector<std::string>;  // "found", or the error

  void ask(const std::string& host, Duration timeout = 60s) {
    loop_->spawn(ask_into(answers_, *loop_, resolver_, host, loop_->now() + timeout));
  }
  static io::Task<> ask_into(Answers& out, io::Loop& loop, Resolver& names, std::string host,
                             Instant deadline) {
    auto addresses = co_await names.resolve(loop, {.host = std::move(host)}, deadline);
    out.push_back(addresses ? "found" : addresses.error());
  }
  void run_until_answers(size_t count) {
    while (answers_.size() < count) loop_->run_once(true);
  }

  SlowSystem system_;
  Resolver resolver_{kLookupThreads, system_.lookup()};
  io::BlockingPool blocking_{1};
  std::unique_ptr<io::Loop> loop_ =
      std::make_unique<io::Loop>(std::make_unique<io::EpollBackend>(), &blocking_);
  Answers answers_;
};

TEST_F(ResolverOnThreads, AStormForOneNameCostsOneLookUp) {
  for (int i = 0; i < 500; ++i) ask("db");
  system_.let_go();
  run_until_answers(500);
  EXPECT_EQ(answers_, Answers(500, "found"));
  EXPECT_EQ(system_.lookups(), 1);
}

TEST_F(ResolverOnThreads, LookUpsThatHangDoNotHoldUpDerivations) {
  for (unsigned i = 0; i < 2 * kLookupThreads; ++i) ask("h" + std::to_string(i));
  loop_->spawn([](io::Loop& on, Answers& out) -> io::Task<> {
    out.push_back(co_await on.offload([] { return "derived"; }));
  }(*loop_, answers_));
  run_until_answers(1);
  EXPECT_EQ(answers_, (Answers{"derived"}));
  system_.let_go();
  run_until_answers(size_t{2} * kLookupThreads + 1);
}

TEST_F(ResolverOnThreads, ADeadlineEndsTheWaitAndWhatIsFoundLaterIsKept) {
  ask("db", 20ms);
  run_until_answers(1);
  EXPECT_EQ(answers_, (Answers{"cannot resolve \"db\": timeout expired"}));
  ask("db");
  system_.let_go();
  run_until_answers(2);
  EXPECT_EQ(answers_.back(), "found");
  EXPECT_EQ(system_.lookups(), 1);
  EXPECT_EQ(resolver_.size(), 1);
}

TEST_F(ResolverOnThreads, OneNameMoreThanFitIsAnError) {
  for (size_t i = 0; i < kLookupsMax; ++i) ask("h" + std::to_string(i));
  EXPECT_THAT(answers_, testing::IsEmpty());
  ask("h7");
  EXPECT_THAT(answers_, testing::IsEmpty()) << "it waits with the first for h7";
  ask("one more");
  EXPECT_EQ(answers_, (Answers{"cannot resolve \"one more\": too many names are being looked up "
                               "at once"}));
  system_.let_go();
  run_until_answers(kLookupsMax + 2);
  ask("one more");
  run_until_answers(kLookupsMax + 3);
  EXPECT_EQ(answers_.back(), "found");
  EXPECT_EQ(system_.lookups(), kLookupsMax + 1);
}

TEST_F(ResolverOnThreads, ALoopMayEndWhileItsNamesAreLookedUp) {
  ask("db");
  ask("db2");
  loop_ = std::make_unique<io::Loop>(std::make_unique<io::EpollBackend>());
  ask("db");
  system_.let_go();
  run_until_answers(1);
  EXPECT_EQ(answers_, (Answers{"found"}));
}

TEST(ResolverEnd, WaitsForNoLookUp) {
  SlowSystem system;
  auto resolver = std::make_unique<Resolver>(1, system.lookup());
  auto loop = std::make_unique<io::Loop>(std::make_unique<io::EpollBackend>());
  for (const char* host : {"begun", "queued"}) {
    loop->spawn([](io::Loop& on, Resolver& names, std::string name) -> io::Task<> {
      co_await names.resolve(on, {.host = std::move(name)}, Instant::max());
    }(*loop, *resolver, host));
  }
  while (system.lookups() == 0) std::this_thread::yield();
  loop.reset();
  resolver.reset();
  EXPECT_EQ(system.lookups(), 1);
}

TEST(SystemLookup, FindsLocalhostAndExplainsWhatDoesNotExist) {
  auto local = Resolver::system_lookup("localhost");
  ASSERT_TRUE(local);
  EXPECT_TRUE(local->front().is_loopback());
  auto missing = Resolver::system_lookup("no-such-name.invalid");
  ASSERT_FALSE(missing);
  EXPECT_FALSE(missing.error().empty());
}

}  // namespace
}  // namespace trunkline::upstream
