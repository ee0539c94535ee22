#include <gtest/gtest.h>
#include <string>

#include "session/pooled_for_tests.h"

// What a text that only reads leaves on a connection: nothing, once the catalog has said so.
namespace trunkline::session {
namespace {

const std::string kRead = "select a from t";
const std::string kAllPlain = msg('D', std::string("\0\2\0\0\0\0\0\0\0\1f", 11));
const std::string kViewT = msg('D', std::string("\0\2\0\0\0\1t\0\0\0\1f", 12));

class PooledNamesTest : public PooledTest {
 protected:
  void SetUp() override { connection->destination = &destination; }

  // A session that runs this is about to leave; the answer to what the proxy asks for itself then.
  void read_and_ask(PooledPlay& play, std::string_view answer) {
    play.use(*connection);
    run(play, kRead, "SELECT 0");
    ASSERT_TRUE(play.machine.has_own_request());
    EXPECT_FALSE(play.machine.may_leave());
    play.own_request();
    EXPECT_TRUE(play.heard().contains("pg_catalog.pg_class"));
    EXPECT_EQ(play.server(answer), "") << "the client hears nothing of it";
    EXPECT_FALSE(play.machine.has_own_request());
    play.leave();
  }
  // On a connection of which all is known.
  void read(PooledPlay& play) {
    connection->unproven = false;
    play.use(*connection);
    run(play, kRead, "SELECT 0");
  }
  // What a session's first query on the connection has in front.
  bool is_wiped_for(PooledPlay& play) {
    play.use(*connection);
    play.client(query("select 1"));
    return play.heard().contains("RESET ALL");
  }

  pool::Destination destination{nullptr, "db", config::Pool{}, auth::Credentials{}};
};

TEST_F(PooledNamesTest, APlainReadIsBelievedFromTheNextOneOn) {
  read_and_ask(a, kAllPlain + done("SELECT 1") + ready());
  EXPECT_TRUE(connection->unproven) << "it had run before";
  read(a);
  EXPECT_FALSE(connection->unproven);
  EXPECT_FALSE(a.machine.has_own_request());
  a.leave();
  EXPECT_FALSE(is_wiped_for(b));
}

TEST_F(PooledNamesTest, AViewIsNot) {
  read_and_ask(a, kViewT + done("SELECT 1") + ready());
  read(a);
  EXPECT_TRUE(connection->unproven);
  EXPECT_FALSE(a.machine.has_own_request()) << "it is known";
  a.leave();
  EXPECT_TRUE(is_wiped_for(b));
}

TEST_F(PooledNamesTest, AQuestionThatFailsIsNobodysConcern) {
  read_and_ask(a, failed("42501", "permission denied") + ready());
  read(a);
  EXPECT_TRUE(connection->unproven);
  EXPECT_FALSE(a.machine.has_own_request()) << "not so soon again";
  a.leave();
}

TEST_F(PooledNamesTest, AServerThatIsEndedMeanwhileIsNobodysConcern) {
  a.use(*connection);
  run(a, kRead, "SELECT 0");
  EXPECT_TRUE(a.machine.may_lose_server());
  a.own_request();
  EXPECT_EQ(a.server(ended("57P01")), "");
  EXPECT_FALSE(a.machine.may_leave());
  EXPECT_TRUE(a.machine.may_lose_server());
}

TEST_F(PooledNamesTest, AnAnswerInPiecesIsOneToo) {
  a.every = 1;
  read_and_ask(a, kAllPlain + done("SELECT 1") + ready());
  read(a);
  EXPECT_FALSE(connection->unproven);
}

TEST_F(PooledNamesTest, WhoChangesDefinitionsIsNotBelievedNorIsAnybodyElseMeanwhile) {
  read_and_ask(a, kAllPlain + done("SELECT 1") + ready());
  auto other = PooledPlay::connection(metrics);
  other->destination = &destination;
  connection->unproven = false;
  b.use(*other);
  run(b, "begin", "BEGIN", 'T');
  b.client(query("alter table t rename to u"));
  a.use(*connection);
  run(a, kRead, "SELECT 0");
  EXPECT_TRUE(connection->unproven) << "it is under way";
  EXPECT_FALSE(a.machine.has_own_request()) << "no answer would be worth anything";
  a.leave();
  b.server(done("ALTER TABLE") + ready('T'));
  run(b, "commit", "COMMIT");
  connection->unproven = false;
  a.now += pool::PlainNames::kPause;
  read_and_ask(a, kViewT + done("SELECT 1") + ready());
}

TEST_F(PooledNamesTest, WhoVanishesWhileDefinitionsChangeLeavesNoDoubtBehind) {
  {
    PooledPlay c{3};
    auto other = PooledPlay::connection(metrics);
    other->destination = &destination;
    c.use(*other);
    run(c, "begin", "BEGIN", 'T');
    c.client(query("drop table u"));
  }
  read_and_ask(a, kAllPlain + done("SELECT 1") + ready());
  read(a);
  EXPECT_FALSE(connection->unproven);
}

TEST_F(PooledNamesTest, ASessionWithATemporaryObjectIsNotBelieved) {
  read_and_ask(a, kAllPlain + done("SELECT 1") + ready());
  connection->unproven = false;
  a.use(*connection);
  a.client(query("create temp view t as select 1"));
  a.server(done("CREATE VIEW") + ready());
  connection->unproven = false;
  run(a, kRead, "SELECT 0");
  EXPECT_TRUE(connection->unproven);
}

}  // namespace
}  // namespace trunkline::session
