#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <mutex>
#include <thread>
#include <vector>

#include "base/random.h"
#include "pool/pool.h"

// Real threads, for ThreadSanitizer and for what only happens between them.
namespace trunkline::pool {
namespace {

constexpr uint32_t kWorkers = 4;
constexpr uint32_t kClientsEach = 8;
constexpr uint32_t kSize = 5;
constexpr int kTurnsEach = 20'000;

class ThreadDesk final : public Desk {
 public:
  ThreadDesk(uint32_t number, std::atomic<int>& open_now) : number_(number), open_(open_now) {}

  uint32_t worker() const override { return number_; }
  Instant now() const override { return Clock::now(); }
  void post(std::move_only_function<void()> action) override {
    std::lock_guard lock(mutex_);
    mail_.push_back(std::move(action));
  }
  void open(PoolPtr pool) override {
    int now_open = ++open_;
    if (now_open > static_cast<int>(kSize)) exceeded = true;
    post([this, pool] {
      auto connection = std::make_unique<Connection>();
      connection->generation = pool->generation();
      pool->opened(*this, std::move(connection));
    });
  }
  void pack(Connection&) override {}
  void unpack(Connection&) override {}
  bool is_alive(Connection&) override { return true; }
  void listen(PoolPtr, ListenerPtr) override {}
  void close(ConnectionPtr) override { --open_; }

  bool read_mail() {
    std::vector<std::move_only_function<void()>> mail;
    {
      std::lock_guard lock(mutex_);
      mail.swap(mail_);
    }
    for (auto& action : mail) action();
    return !mail.empty();
  }

  std::atomic<bool> exceeded = false;

 private:
  uint32_t number_;
  std::atomic<int>& open_;
  std::mutex mutex_;
  std::vector<std::move_only_function<void()>> mail_;
};

class Client final : public Request {
 public:
  using Request::Request;
  ConnectionPtr connection;

 private:
  void on_granted(ConnectionPtr granted) override { connection = std::move(granted); }
  void on_refused(const server::Refusal&) override {}
  void on_moved(PoolPtr) override {}
};

void work(Pool& pool, ThreadDesk& desk, std::atomic<uint32_t>& busy) {
  FastRandom random(desk.worker() + 1);
  std::vector<std::unique_ptr<Client>> clients;
  for (uint32_t i = 0; i < kClientsEach; ++i) clients.push_back(std::make_unique<Client>(desk));
  auto give_back = [&](Client& client) {
    if (random.next() % 50 == 0) {
      pool.discard(desk, std::move(client.connection));
    } else {
      pool.give_back(desk, std::move(client.connection));
    }
  };
  for (int turn = 0; turn < kTurnsEach; ++turn) {
    Client& client = *clients[random.next() % clients.size()];
    if (client.connection) {
      give_back(client);
    } else if (client.waits()) {
      if (random.next() % 20 == 0) client.leave();
    } else if (!(client.connection = pool.take(desk))) {
      pool.wait(client);
    }
    desk.read_mail();
  }
  // Everybody who waits is served, as others who are done give back.
  auto all_done = [&] {
    for (auto& client : clients) {
      if (client->connection) give_back(*client);
    }
    // Whoever gives one back may hand it to somebody who was looked at already.
    return std::ranges::none_of(clients,
                                [](auto& client) { return client->waits() || client->connection; });
  };
  while (!all_done()) {
    if (!desk.read_mail()) std::this_thread::yield();
  }
  --busy;
  while (busy > 0) {
    if (!desk.read_mail()) std::this_thread::yield();
  }
}

TEST(PoolThreadsTest, NobodyIsForgottenAndNoLimitExceeded) {
  std::atomic<int> open_now = 0;
  Ledger ledger;
  std::vector<std::unique_ptr<ThreadDesk>> desks;
  for (uint32_t i = 0; i < kWorkers; ++i) {
    desks.push_back(std::make_unique<ThreadDesk>(i, open_now));
  }
  PoolPtr pool =
      Pool::make(ledger, {.size = kSize}, {}, kWorkers,
                 std::make_unique<Destination>(nullptr, "db", config::Pool{}, auth::Credentials{}));
  std::atomic<uint32_t> busy = kWorkers;
  std::vector<std::thread> threads;
  for (auto& desk : desks) threads.emplace_back([&] { work(*pool, *desk, busy); });
  for (std::thread& thread : threads) thread.join();
  for (auto& desk : desks) {
    while (desk->read_mail()) {
    }
    EXPECT_FALSE(desk->exceeded);
  }
  EXPECT_EQ(pool->waiting(), 0U);
  EXPECT_EQ(pool->connections(), pool->idle());
  for (auto& desk : desks) pool->close_idle(*desk);
  EXPECT_EQ(open_now, 0);
  EXPECT_EQ(pool->connections(), 0U);
}

}  // namespace
}  // namespace trunkline::pool
