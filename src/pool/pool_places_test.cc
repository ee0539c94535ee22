#include "pool/pool_for_tests.h"

// Connections that sessions make by themselves, and pools that others replace.
namespace trunkline::pool {
namespace {

class PoolPlacesTest : public PoolTest {};

TEST_F(PoolPlacesTest, APlaceCountsUntilItIsLeft) {
  make({.size = 1});
  FakeRequest own(a);
  pool->wait_for_place(own);
  ASSERT_TRUE(own.place) << "there is room";
  EXPECT_TRUE(a.opening.empty()) << "the session itself connects";
  EXPECT_EQ(pool->connections(), 1U);
  FakeRequest request(b);
  pool->wait(request);
  EXPECT_TRUE(b.opening.empty());
  own.place.reset();
  EXPECT_EQ(a.opening.size(), 1U) << "whoever waits has the room";
  a.finish_login();
  read_all_mail();
  ASSERT_NE(request.connection, nullptr);
  EXPECT_EQ(pool->connections(), 1U);
  pool->give_back(b, std::move(request.connection));
}

TEST_F(PoolPlacesTest, WhoWantsAPlaceWaitsInTheSameLine) {
  make({.size = 1});
  ConnectionPtr connection = connect(a);
  std::vector<FakeRequest*> order;
  FakeRequest first(a, &order);
  FakeRequest own(b, &order);
  FakeRequest third(a, &order);
  pool->wait(first);
  pass(10ms);
  pool->wait_for_place(own);
  pass(10ms);
  pool->wait(third);
  pool->give_back(a, std::move(connection));
  ASSERT_NE(first.connection, nullptr);
  pool->give_back(a, std::move(first.connection));
  EXPECT_EQ(a.closed, 1) << "a connection makes room for one that is made elsewhere";
  read_all_mail();
  ASSERT_TRUE(own.place);
  EXPECT_EQ(pool->connections(), 1U);
  EXPECT_TRUE(third.waits());
  own.place.reset();
  b.finish_login();
  read_all_mail();
  EXPECT_EQ(order, (std::vector<FakeRequest*>{&first, &own, &third}));
  pool->give_back(a, std::move(third.connection));
}

TEST_F(PoolPlacesTest, AnIdleConnectionMakesRoomForAPlace) {
  make({.size = 1});
  pool->give_back(a, connect(a));
  FakeRequest own(b);
  pool->wait_for_place(own);
  read_all_mail();
  ASSERT_TRUE(own.place);
  EXPECT_EQ(a.closed, 1);
  EXPECT_EQ(pool->connections(), 1U);
  own.place.reset();
  EXPECT_EQ(pool->connections(), 0U);
}

TEST_F(PoolPlacesTest, APlaceIsUnderTheLimitsThatPoolsShare) {
  CapName cap{CapName::Kind::upstream, "main"};
  make({.size = 5}, {cap});
  ledger.set_cap(cap, 1);
  PoolPtr other = Pool::make(ledger, {.size = 5}, {cap}, 2, some_destination());
  FakeRequest own(a);
  pool->wait_for_place(own);
  ASSERT_TRUE(own.place);
  FakeRequest late(b);
  other->wait_for_place(late);
  EXPECT_FALSE(late.place);
  own.place.reset();
  read_all_mail();
  EXPECT_TRUE(late.place);
  EXPECT_EQ(ledger.used(cap), 1U);
}

TEST_F(PoolPlacesTest, APlaceThatFindsNobodyGoesToTheNext) {
  make({.size = 1});
  ConnectionPtr connection = connect(a);
  FakeRequest own(b);
  FakeRequest next(a);
  pool->wait_for_place(own);
  pass(10ms);
  pool->wait(next);
  pool->give_back(a, std::move(connection));
  own.leave();  // before the mail is read
  read_all_mail();
  ASSERT_EQ(b.opening.size(), 1U);
  b.finish_login();
  read_all_mail();
  ASSERT_NE(next.connection, nullptr);
  pool->give_back(a, std::move(next.connection));
}

TEST_F(PoolPlacesTest, PlacesAreNoConnectionsThatCouldComeFree) {
  make({.size = 2});
  FakeRequest own(a);
  pool->wait_for_place(own);
  FakeRequest request(a);
  pool->wait(request);
  a.time += 1s;
  a.fail_login(a.time);
  EXPECT_TRUE(request.refused);
}

TEST_F(PoolPlacesTest, ARetiredPoolSendsWhoWaitsToItsSuccessorAndClosesWhatIsIdle) {
  make({.size = 2});
  ConnectionPtr used = connect(a);
  pool->give_back(b, connect(b));
  FakeRequest waiting(a);
  pool->wait(waiting);  // the idle one is on its way to it
  FakeRequest behind(b);
  pool->wait(behind);
  PoolPtr next = Pool::make(ledger, {.size = 2}, {}, 2, some_destination());
  pool->retire(next);
  read_all_mail();
  EXPECT_EQ(pool->successor(), next);
  EXPECT_TRUE(behind.moved_to == next || behind.connection);
  EXPECT_TRUE(waiting.moved_to == next || waiting.connection);
  for (FakeRequest* request : {&waiting, &behind}) {
    if (request->connection) pool->give_back(a, std::move(request->connection));
  }
  pool->give_back(a, std::move(used));
  read_all_mail();
  EXPECT_EQ(pool->connections(), 0U);
  FakeRequest late(a);
  pool->wait(late);
  EXPECT_EQ(late.moved_to, next);
  EXPECT_FALSE(late.waits());
  for (FakeRequest* request : {&waiting, &behind, &late}) request->moved_to.reset();
}

TEST_F(PoolPlacesTest, ALoginUnderWayWhenThePoolIsRetiredIsForNobody) {
  make({.size = 1});
  FakeRequest request(a);
  pool->wait(request);
  PoolPtr next = Pool::make(ledger, {.size = 1}, {}, 2, some_destination());
  uint64_t before = pool->generation();
  pool->retire(next);
  read_all_mail();
  EXPECT_EQ(request.moved_to, next);
  auto connection = std::make_unique<Connection>();
  connection->generation = before;
  a.opening.pop_front();
  ++a.held;
  pool->opened(a, std::move(connection));
  EXPECT_EQ(a.closed, 1);
  EXPECT_EQ(pool->connections(), 0U);
  EXPECT_TRUE(a.opening.empty());
}

}  // namespace
}  // namespace trunkline::pool
