#include "upstream/resolve.h"

#include <atomic>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
      out = co_await resolver.resolve(loop, to);
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
  Resolver resolver_{[this](const std::string& host) { return look_up(host); }};
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

TEST(ResolverOnThreads, AStormForOneNameCostsNoMoreLookUpsThanThreads) {
  constexpr unsigned kThreads = 2;
  std::atomic<unsigned> lookups = 0;
  int answered = 0;
  Resolver resolver([&](const std::string& /*host*/) -> Resolver::Addresses {
    ++lookups;
    return std::vector{*IpAddress::parse("10.0.0.1")};
  });
  auto pool = std::make_unique<io::BlockingPool>(kThreads);
  io::Loop loop(std::make_unique<io::EpollBackend>(), pool.get());
  for (int i = 0; i < 500; ++i) {
    loop.spawn([](io::Loop& on, Resolver& names, int& count) -> io::Task<> {
      auto addresses = co_await names.resolve(on, {.host = "db"});
      if (addresses) ++count;
    }(loop, resolver, answered));
  }
  while (loop.spawned() > 0) loop.run_once(true);
  EXPECT_EQ(answered, 500);
  EXPECT_GE(lookups, 1);
  EXPECT_LE(lookups, kThreads);
  pool.reset();
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
