#include "pool/pool.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "pool/pool_for_tests.h"

namespace trunkline::pool {
namespace {

TEST_F(PoolTest, OpensForWhoWaits) {
  make({.size = 1});
  EXPECT_EQ(pool->take(a), nullptr);
  FakeRequest request(a);
  pool->wait(request);
  EXPECT_EQ(a.opening.size(), 1U);
  EXPECT_TRUE(request.waits());
  a.finish_login();
  EXPECT_NE(request.connection, nullptr);
  EXPECT_FALSE(request.waits());
  pool->give_back(a, std::move(request.connection));
  EXPECT_EQ(pool->idle(), 1U);
}

TEST_F(PoolTest, TakesTheOwnOneThatWasUsedLast) {
  make({.size = 2});
  ConnectionPtr first = connect(a);
  ConnectionPtr second = connect(a);
  Connection* last = second.get();
  pool->give_back(a, std::move(first));
  pool->give_back(a, std::move(second));
  EXPECT_EQ(pool->take(b), nullptr) << "another worker's is asked for in the line";
  ConnectionPtr taken = pool->take(a);
  EXPECT_EQ(taken.get(), last);
  pool->give_back(a, std::move(taken));
}

TEST_F(PoolTest, AnIdleOneOfAnotherWorkerIsSentOver) {
  make({.size = 2});
  pool->give_back(a, connect(a));
  FakeRequest request(b);
  pool->wait(request);
  EXPECT_TRUE(b.opening.empty()) << "one is on its way";
  read_all_mail();
  ASSERT_NE(request.connection, nullptr);
  EXPECT_EQ(a.held, 0);
  EXPECT_EQ(b.held, 1);
  pool->give_back(b, std::move(request.connection));
}

TEST_F(PoolTest, WhatWasPromisedAndIsGoneIsOpenedInstead) {
  make({.size = 2});
  pool->give_back(a, connect(a));
  FakeRequest request(b);
  pool->wait(request);
  pool->renew(a);  // before the mail is read
  read_all_mail();
  EXPECT_EQ(a.opening.size() + b.opening.size(), 1U);
  (a.opening.empty() ? b : a).finish_login();
  read_all_mail();
  EXPECT_NE(request.connection, nullptr);
  pool->give_back(b, std::move(request.connection));
}

TEST_F(PoolTest, AFreedOneGoesToTheFirstInTheLine) {
  make({.size = 1});
  ConnectionPtr connection = connect(a);
  std::vector<FakeRequest*> order;
  FakeRequest first(b, &order);
  FakeRequest second(a, &order);
  FakeRequest third(b, &order);
  for (FakeRequest* request : {&first, &second, &third}) {
    pool->wait(*request);
    pass(10ms);
  }
  EXPECT_EQ(pool->waiting(), 3U);
  pool->give_back(a, std::move(connection));
  read_all_mail();
  ASSERT_EQ(order, (std::vector{&first}));
  pool->give_back(b, std::move(first.connection));
  read_all_mail();
  ASSERT_EQ(order, (std::vector{&first, &second}));
  EXPECT_EQ(pool->take(a), nullptr) << "nobody passes the line";
  pool->give_back(a, std::move(second.connection));
  read_all_mail();
  ASSERT_EQ(order, (std::vector{&first, &second, &third}));
  pool->give_back(b, std::move(third.connection));
}

TEST_F(PoolTest, AFreedOneStaysWithItsWorkerWhoseFirstHasWaitedNearlyAsLong) {
  make({.size = 2});
  ConnectionPtr connection = connect(a);
  ConnectionPtr other = connect(b);
  std::vector<FakeRequest*> order;
  FakeRequest first(b, &order);
  FakeRequest second(a, &order);
  FakeRequest late(a, &order);
  pool->wait(first);
  a.time += 10ms;
  pool->wait(second);
  a.time += 30ms;
  pool->wait(late);
  pool->give_back(a, std::move(connection));
  ASSERT_EQ(order, (std::vector{&second})) << "30 of 40 ms";
  pool->give_back(a, std::move(second.connection));
  read_all_mail();
  ASSERT_EQ(order, (std::vector{&second, &first}));
  pool->give_back(b, std::move(first.connection));
  read_all_mail();
  pool->give_back(a, std::move(late.connection));
  pool->give_back(b, std::move(other));
}

// The line was looked at, the connection is not on the shelf yet: the moment at which each could
// miss the other.
TEST_F(PoolTest, WhoComesWhileOneIsGivenBackIsNotMissed) {
  make({.size = 1});
  ConnectionPtr connection = connect(a);
  FakeRequest request(b);
  int times = 0;
  a.when_asked_for_time = [&] {
    if (++times == 2) pool->wait(request);
  };
  pool->give_back(a, std::move(connection));
  a.when_asked_for_time = nullptr;
  ASSERT_GE(times, 2);
  read_all_mail();
  ASSERT_NE(request.connection, nullptr);
  pool->give_back(b, std::move(request.connection));
}

TEST_F(PoolTest, WhoLeavesTheLineIsPassedOver) {
  make({.size = 1});
  ConnectionPtr connection = connect(a);
  FakeRequest first(a);
  FakeRequest second(a);
  pool->wait(first);
  pool->wait(second);
  first.leave();
  EXPECT_FALSE(first.waits());
  pool->give_back(a, std::move(connection));
  EXPECT_EQ(first.connection, nullptr);
  EXPECT_NE(second.connection, nullptr);
  pool->give_back(a, std::move(second.connection));
}

TEST_F(PoolTest, WhoLeavesWhileOneIsOnItsWayLeavesItToTheNext) {
  make({.size = 1});
  ConnectionPtr connection = connect(a);
  auto first = std::make_unique<FakeRequest>(b);
  FakeRequest second(a);
  pool->wait(*first);
  pool->wait(second);
  pool->give_back(a, std::move(connection));
  first.reset();
  read_all_mail();
  EXPECT_NE(second.connection, nullptr);
  pool->give_back(a, std::move(second.connection));
}

TEST_F(PoolTest, OpensNoMoreThanAreWaitedFor) {
  make({.size = 10});
  FakeRequest first(a);
  FakeRequest second(b);
  pool->wait(first);
  pool->wait(second);
  EXPECT_EQ(a.opening.size() + b.opening.size(), 2U);
  a.finish_login();
  b.finish_login();
  read_all_mail();
  EXPECT_EQ(pool->connections(), 2U);
  pool->give_back(a, std::move(first.connection));
  pool->give_back(b, std::move(second.connection));
}

TEST_F(PoolTest, WhoWaitsIsRefusedWhenNobodyElseCouldServeHim) {
  make({.size = 1});
  FakeRequest early(a);
  a.time = Instant{} + 1s;
  pool->wait(early);
  FakeRequest also_early(b);
  pool->wait(also_early);
  Instant began = a.time;
  b.time = a.time + 1s;
  FakeRequest late(b);
  pool->wait(late);
  a.fail_login(began);
  read_all_mail();
  EXPECT_TRUE(early.refused);
  EXPECT_TRUE(also_early.refused);
  EXPECT_FALSE(late.refused);
  EXPECT_EQ(a.opening.size() + b.opening.size(), 1U) << "another try for who came later";
  (a.opening.empty() ? b : a).finish_login();
  read_all_mail();
  pool->give_back(b, std::move(late.connection));
}

TEST_F(PoolTest, WhereOthersComeFreeAFailedLoginIsTriedAgainAfterAPauseThatGrows) {
  make({.size = 2});
  ConnectionPtr connection = connect(a);
  FakeRequest request(b);
  pool->wait(request);
  for (Duration pause : {50ms, 100ms, 200ms, 400ms, 800ms, 1600ms, 2000ms, 2000ms}) {
    ASSERT_EQ(b.opening.size(), 1U);
    b.fail_login(b.time);
    EXPECT_EQ(b.opening.size(), 0U);
    b.time += pause - 1ms;
    pool->tend(b, {}, 0);
    EXPECT_EQ(b.opening.size(), 0U) << pause.count();
    b.time += 1ms;
    pool->tend(b, {}, 0);
  }
  b.finish_login();
  EXPECT_NE(request.connection, nullptr);
  pool->discard(b, std::move(request.connection));
  FakeRequest next(b);
  pool->wait(next);
  b.fail_login(b.time);
  pool->give_back(a, std::move(connection));
  read_all_mail();
  EXPECT_NE(next.connection, nullptr) << "a pause is nothing to those that come free";
  pool->give_back(b, std::move(next.connection));
}

TEST_F(PoolTest, AFailedLoginIsNoMatterWhereOthersComeFree) {
  make({.size = 2});
  ConnectionPtr connection = connect(a);
  FakeRequest request(a);
  pool->wait(request);
  a.fail_login(a.time);
  EXPECT_FALSE(request.refused);
  pool->give_back(a, std::move(connection));
  EXPECT_NE(request.connection, nullptr);
  pool->give_back(a, std::move(request.connection));
}

TEST_F(PoolTest, ADeadOneIsReplacedBeforeAClientNotices) {
  make({.size = 1});
  ConnectionPtr connection = connect(a);
  a.dead.insert(connection.get());
  pool->give_back(a, std::move(connection));
  EXPECT_EQ(pool->take(a), nullptr);
  EXPECT_EQ(a.closed, 1);
  EXPECT_EQ(pool->connections(), 0U);
}

TEST_F(PoolTest, ADiscardedOneMakesRoomForTheLine) {
  make({.size = 1});
  ConnectionPtr connection = connect(a);
  FakeRequest request(a);
  pool->wait(request);
  EXPECT_TRUE(a.opening.empty());
  pool->discard(a, std::move(connection));
  EXPECT_EQ(a.opening.size(), 1U);
  a.finish_login();
  EXPECT_NE(request.connection, nullptr);
  pool->give_back(a, std::move(request.connection));
}

TEST_F(PoolTest, OldOnesAreClosedWhenTheyAreGivenBack) {
  make({.size = 2});
  ConnectionPtr retires = connect(a);
  retires->opened = a.time + 1s - config::Pool{}.max_lifetime;
  ConnectionPtr outdated = connect(a);
  pool->renew(a);
  a.time += 2s;
  pool->give_back(a, std::move(retires));
  pool->give_back(a, std::move(outdated));
  EXPECT_EQ(pool->connections(), 0U);
  read_all_mail();
}

TEST_F(PoolTest, RenewClosesIdleOnesOfAllWorkers) {
  make({.size = 2});
  ConnectionPtr other = connect(b);
  pool->give_back(a, connect(a));
  pool->give_back(b, std::move(other));
  pool->renew(a);
  read_all_mail();
  EXPECT_EQ(pool->connections(), 0U);
}

TEST_F(PoolTest, LoweredLimitsTakeEffectAtTheNextReturn) {
  make({.size = 2});
  ConnectionPtr first = connect(a);
  ConnectionPtr second = connect(a);
  pool->set_limits({.size = 1});
  pool->give_back(a, std::move(first));
  EXPECT_EQ(pool->connections(), 1U);
  pool->give_back(a, std::move(second));
  EXPECT_EQ(pool->idle(), 1U);
}

TEST_F(PoolTest, OfThoseThatAreTooManyNoMoreAreClosed) {
  make({.size = 3});
  std::vector<ConnectionPtr> connections;
  for (int i = 0; i < 3; ++i) connections.push_back(connect(a));
  for (ConnectionPtr& each : connections) pool->give_back(a, std::move(each));
  pool->set_limits({.size = 2});
  pool->tend(a, a.time - 1s, 0);
  EXPECT_EQ(pool->idle(), 2U);
}

TEST_F(PoolTest, TheReserveIsForThoseWhoWait) {
  make({.size = 1, .reserve = 1});
  ConnectionPtr first = connect(a);
  FakeRequest request(a);
  pool->wait(request);
  pool->open_reserve(a, a.time);
  a.finish_login();
  ASSERT_NE(request.connection, nullptr);
  FakeRequest next(a);
  pool->wait(next);
  pool->give_back(a, std::move(first));
  ASSERT_NE(next.connection, nullptr) << "somebody waits";
  pool->give_back(a, std::move(next.connection));
  EXPECT_EQ(pool->connections(), 1U);
  pool->give_back(a, std::move(request.connection));
  EXPECT_EQ(pool->idle(), 1U);
}

TEST_F(PoolTest, AShorterLifetimeReachesWhatIsOpen) {
  make({.size = 1});
  ConnectionPtr connection = connect(a);
  connection->opened = a.time;
  a.time += 2min;
  pool->destination().set_settings({.max_lifetime = 1min});
  pool->give_back(a, std::move(connection));
  EXPECT_EQ(pool->connections(), 0U);
}

TEST_F(PoolTest, TheMinimumIsKeptNoLongerThanSomebodyUsesThePool) {
  make({.size = 2});
  pool->destination().set_settings({.min_size = 2, .idle_timeout = 1min});
  EXPECT_EQ(pool->connections_min(a.time), 2U);
  pool->note_use(false, a.time);
  pool->note_use(false, a.time + 30s);
  EXPECT_EQ(pool->connections_min(a.time + 59s), 2U);
  EXPECT_EQ(pool->connections_min(a.time + 60s), 0U);
  pool->note_use(true, a.time + 61s);
  EXPECT_EQ(pool->connections_min(a.time + 61s), 2U);
}

TEST_F(PoolTest, AMinimumTakesNothingFromOthers) {
  CapName cap{CapName::Kind::upstream, "main"};
  ledger.set_cap(cap, 1);
  make({.size = 1}, {cap});
  PoolPtr other = Pool::make(ledger, {.size = 1}, {cap}, 2, some_destination());
  pool->give_back(a, connect(a));
  other->fill(b, 1);
  read_all_mail();
  EXPECT_EQ(pool->idle(), 1U);
  EXPECT_TRUE(b.opening.empty());
}

TEST_F(PoolTest, WhatOthersWaitForIsNotKept) {
  CapName cap{CapName::Kind::upstream, "main"};
  ledger.set_cap(cap, 1);
  make({.size = 1}, {cap});
  PoolPtr other = Pool::make(ledger, {.size = 1}, {cap}, 2, some_destination());
  ConnectionPtr connection = connect(a);
  FakeRequest request(b);
  other->wait(request);
  EXPECT_TRUE(b.opening.empty());
  pool->give_back(a, std::move(connection));
  read_all_mail();
  ASSERT_EQ(b.opening.size(), 1U);
  b.finish_login();
  ASSERT_NE(request.connection, nullptr);
  other->discard(b, std::move(request.connection));
}

TEST_F(PoolTest, TendClosesWhatIsIdleForTooLongAndKeepsTheMinimum) {
  make({.size = 3});
  std::vector<ConnectionPtr> connections;
  for (int i = 0; i < 3; ++i) connections.push_back(connect(a));
  for (ConnectionPtr& each : connections) pool->give_back(a, std::move(each));
  pool->tend(a, a.time - 1s, 1);
  EXPECT_EQ(pool->idle(), 3U);
  pool->tend(a, a.time, 1);
  EXPECT_EQ(pool->idle(), 1U);
  pool->fill(a, 2);
  a.finish_login();
  EXPECT_EQ(pool->idle(), 2U);
}

TEST_F(PoolTest, TheReserveOpensForWhoHasWaitedLong) {
  make({.size = 1, .reserve = 1});
  ConnectionPtr connection = connect(a);
  FakeRequest request(a);
  a.time += 1s;
  pool->wait(request);
  pool->open_reserve(a, a.time - 1s);
  EXPECT_TRUE(a.opening.empty());
  pool->open_reserve(a, a.time);
  ASSERT_EQ(a.opening.size(), 1U);
  a.finish_login();
  EXPECT_NE(request.connection, nullptr);
  pool->give_back(a, std::move(connection));
  pool->give_back(a, std::move(request.connection));
}

TEST_F(PoolTest, AnIdleOneOfAnotherPoolMakesRoomUnderASharedCap) {
  CapName cap{CapName::Kind::upstream, "main"};
  ledger.set_cap(cap, 1);
  make({.size = 1}, {cap});
  PoolPtr other = Pool::make(ledger, {.size = 1}, {cap}, 2, some_destination());
  pool->give_back(a, connect(a));
  FakeRequest request(b);
  other->wait(request);
  EXPECT_TRUE(b.opening.empty());
  read_all_mail();
  EXPECT_EQ(a.closed, 1);
  ASSERT_EQ(b.opening.size(), 1U);
  b.finish_login();
  EXPECT_NE(request.connection, nullptr);
  other->give_back(b, std::move(request.connection));
  other->close_idle(b);
}

// Workers that do anything at any time, with mail read in any order: no limit is exceeded, nothing
// is lost, and when all has come to rest nobody waits beside an idle connection or free room.
TEST(PoolRandomTest, ServesEverybodyInRandomWorlds) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    FastRandom random(seed);
    auto below = [&](uint64_t bound) { return random.next() % bound; };
    Ledger ledger;
    const uint32_t size = 1 + static_cast<uint32_t>(below(4));
    FakeDesk desks[3] = {FakeDesk(0), FakeDesk(1), FakeDesk(2)};
    PoolPtr pool = Pool::make(ledger, {.size = size}, {}, 3, some_destination());
    struct Client {
      explicit Client(FakeDesk& at) : desk(at), request(at) {}
      FakeDesk& desk;
      FakeRequest request;
    };
    std::vector<std::unique_ptr<Client>> clients;
    for (size_t i = 0; i < 9; ++i) clients.push_back(std::make_unique<Client>(desks[i % 3]));
    auto turn = [&](FakeDesk& desk) {
      uint64_t what = below(4);
      if (what == 0 && !desk.opening.empty()) desk.finish_login();
      if (what == 1 && !desk.opening.empty() && below(4) == 0) desk.fail_login(desk.time);
      if (what >= 2) desk.read_mail();
    };
    auto act = [&](Client& client) {
      client.desk.time += 1ms;
      client.request.refused = false;
      if (client.request.place) {
        client.request.place.reset();
      } else if (client.request.connection) {
        if (below(8) == 0) {
          pool->discard(client.desk, std::move(client.request.connection));
        } else {
          pool->give_back(client.desk, std::move(client.request.connection));
        }
      } else if (client.request.waits()) {
        if (below(6) == 0) client.request.leave();
      } else if (below(5) == 0) {
        pool->wait_for_place(client.request);
      } else if (ConnectionPtr taken = pool->take(client.desk)) {
        client.request.connection = std::move(taken);
      } else {
        pool->wait(client.request);
      }
    };
    for (int step = 0; step < 400; ++step) {
      below(2) == 0 ? act(*clients[below(clients.size())]) : turn(desks[below(3)]);
      ASSERT_LE(pool->connections(), size);
    }
    // To rest: everything in flight arrives, and whoever has a connection gives it back.
    for (int round = 0; round < 200; ++round) {
      for (FakeDesk& desk : desks) {
        while (desk.read_mail()) {
        }
        while (!desk.opening.empty()) desk.finish_login();
      }
      for (auto& client : clients) {
        client->request.place.reset();
        if (client->request.connection) {
          pool->give_back(client->desk, std::move(client->request.connection));
        }
      }
    }
    EXPECT_EQ(pool->waiting(), 0U);
    for (auto& client : clients) EXPECT_FALSE(client->request.waits());
    uint32_t held = 0;
    for (FakeDesk& desk : desks) held += static_cast<uint32_t>(desk.held);
    EXPECT_EQ(held, pool->idle());
    EXPECT_EQ(pool->connections(), pool->idle());
    for (FakeDesk& desk : desks) pool->close_idle(desk);
    EXPECT_EQ(pool->connections(), 0U);
  }
}

}  // namespace
}  // namespace trunkline::pool
