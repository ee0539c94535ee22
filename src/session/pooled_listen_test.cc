#include <gtest/gtest.h>
#include <string>

#include "session/listening_for_tests.h"
#include "session/pooled_for_tests.h"

// LISTEN and NOTIFY of a session of a pool: another connection listens for it.
namespace trunkline::session {
namespace {

using Verdict = PooledMachine::Verdict;

class PooledListen : public PooledListeningTest {
 protected:
  void answer(bool hears = true) {
    play.own.on_listening_answer(listening.last, hears);
    play.go_on();
  }
  // It listens, and its connection is as before.
  void listen(std::string_view channel) {
    play.client(query("LISTEN " + std::string(channel)));
    answer();
    play.server(done("LISTEN") + ready());
    unlisten_left();
    play.heard();
    listening.heard();
  }
  void unlisten_left() {
    ASSERT_TRUE(play.machine.has_own_request());
    play.own_request();
    EXPECT_EQ(play.server(done("UNLISTEN") + ready()), "");
  }
  static std::string told(std::string_view channel, std::string_view payload, uint32_t from = 7) {
    return notification(channel, payload, from)->message;
  }
};

TEST_F(PooledListen, the_listener_hears_before_listen_goes_to_the_server) {
  EXPECT_EQ(play.client(query("LISTEN a")), Verdict::hold);
  EXPECT_EQ(play.heard(), "");
  EXPECT_EQ(listening.heard(), "open ; listen a 1; ");
  answer();
  EXPECT_EQ(play.heard(), query("LISTEN a"));
  EXPECT_EQ(play.server(done("LISTEN") + ready()), done("LISTEN") + ready());
}

TEST_F(PooledListen, a_server_that_is_ended_before_it_listens_is_replaced) {
  play.client(query("LISTEN a"));
  answer();
  EXPECT_EQ(play.heard(), query("LISTEN a"));
  EXPECT_EQ(play.server(ended("57P01")), "");
  ASSERT_TRUE(play.machine.wants_restart());
  play.machine.restart();
  play.machine.detach();
  auto other = PooledPlay::connection(metrics);
  play.use(*other);
  play.client(query("LISTEN a"));
  if (play.last == Verdict::hold) answer();
  EXPECT_EQ(play.heard(), query("LISTEN a"));
  EXPECT_EQ(play.server(done("LISTEN") + ready()), done("LISTEN") + ready());
  EXPECT_TRUE(play.listens());
}

TEST_F(PooledListen, a_server_that_is_ended_while_it_is_tidied_up_is_nobodys_concern) {
  play.client(query("LISTEN a"));
  answer();
  play.server(done("LISTEN") + ready());
  ASSERT_TRUE(play.machine.has_own_request());
  play.own_request();
  EXPECT_EQ(play.server(ended("57P01")), "");
  EXPECT_TRUE(play.machine.may_lose_server());
  EXPECT_TRUE(play.listens());
}

TEST_F(PooledListen, it_keeps_no_connection_and_leaves_none_that_listens) {
  play.client(query("LISTEN a"));
  answer();
  play.heard();
  play.server(done("LISTEN") + ready());
  EXPECT_FALSE(play.machine.may_leave());
  ASSERT_TRUE(play.machine.has_own_request());
  play.own_request();
  EXPECT_EQ(play.heard(), query("UNLISTEN \"a\";"));
  EXPECT_EQ(play.server(done("UNLISTEN") + ready()), "");
  EXPECT_FALSE(play.machine.has_own_request());
  play.leave();
}

TEST_F(PooledListen, in_the_extended_protocol_it_waits_where_it_would_run) {
  EXPECT_EQ(play.client(parse("", "LISTEN a") + binding("", "") + execute() + kSync),
            Verdict::hold);
  EXPECT_EQ(play.heard(), parse("", "LISTEN a") + binding("", ""));
  answer();
  EXPECT_EQ(play.heard(), execute() + kSync);
  std::string answers = kParsed + kBound + done("LISTEN") + ready();
  EXPECT_EQ(play.server(answers), answers);
  unlisten_left();
  play.leave();
}

TEST_F(PooledListen, what_the_listener_cannot_hear_pins_the_session) {
  play.client(query("LISTEN a"));
  answer(false);
  EXPECT_EQ(play.heard(), query("LISTEN a"));
  play.server(done("LISTEN") + ready());
  ASSERT_TRUE(play.machine.has_own_request());
  play.own_request();
  EXPECT_EQ(play.heard(), query(kProbe));
  play.server(msg('D', std::string("\0\1\0\0\0\2", 6) + "16") + done("SELECT 1") + ready());
  EXPECT_TRUE(play.machine.pins().has(Pin::listen));
  // Of its own connection, under the client's own number where it is the sender.
  EXPECT_EQ(play.server(told("a", "x", 8)), told("a", "x", 8));
  EXPECT_EQ(play.server(told("a", "x", 7)), told("a", "x", kProcess));
}

TEST_F(PooledListen, notifications_reach_a_client_that_has_no_connection) {
  listen("a");
  play.leave();
  EXPECT_FALSE(play.machine.has_answers());
  play.own.on_notification(notification("a", "x"), play.machine.unit_open());
  EXPECT_TRUE(play.machine.has_answers());
  EXPECT_EQ(play.own_answers(), told("a", "x"));
  EXPECT_FALSE(play.machine.has_answers());
}

TEST_F(PooledListen, notifications_wait_for_the_end_of_the_transaction) {
  listen("a");
  run(play, "BEGIN", "BEGIN", 'T');
  play.own.on_notification(notification("a", "x"), play.machine.unit_open());
  EXPECT_FALSE(play.machine.has_answers());
  play.client(query("COMMIT"));
  EXPECT_EQ(play.server(done("COMMIT") + ready()), done("COMMIT") + told("a", "x") + ready());
}

TEST_F(PooledListen, notifications_come_ahead_of_ready_for_query) {
  listen("a");
  play.client(query("SELECT 1"));
  play.own.on_notification(notification("a", "x"), play.machine.unit_open());
  EXPECT_FALSE(play.machine.has_answers());
  EXPECT_EQ(play.server(done("SELECT 1") + ready()), done("SELECT 1") + told("a", "x") + ready());
}

TEST_F(PooledListen, a_client_that_notifies_itself_is_told_ahead_of_ready_for_query) {
  listen("a");
  play.client(query("NOTIFY a") + query("SELECT 2"));
  EXPECT_EQ(play.heard(), query("NOTIFY a"));
  EXPECT_EQ(connection->sender->client(), kProcess);
  EXPECT_EQ(play.server(done("NOTIFY") + ready()), done("NOTIFY"));
  EXPECT_EQ(listening.heard(), "fence 2; ");
  EXPECT_FALSE(play.machine.may_leave());
  EXPECT_TRUE(play.machine.exchange_open());
  EXPECT_EQ(play.heard(), "");
  play.own.on_notification(notification("a", ""), play.machine.unit_open());
  EXPECT_FALSE(play.machine.has_answers());
  play.own.on_listening_answer(2, true);
  EXPECT_EQ(play.own_answers(), told("a", "") + ready());
  play.go_on();
  EXPECT_EQ(play.heard(), query("SELECT 2"));
}

TEST_F(PooledListen, what_it_sent_before_it_listened_is_told_as_far_as_its_connection_hears_it) {
  run(play, "BEGIN", "BEGIN", 'T');
  run(play, "NOTIFY a, 'before'", "NOTIFY", 'T');
  play.client(query("COMMIT; LISTEN a; NOTIFY a, 'after'"));
  answer();
  for (std::string_view each : {"before", "after"}) {
    play.own.on_notification(notification("a", each, kProcess), play.machine.unit_open());
  }
  std::string answers = done("COMMIT") + done("LISTEN") + done("NOTIFY");
  EXPECT_EQ(play.server(answers + told("a", "after") + ready()), answers);
  play.own.on_listening_answer(listening.last, true);
  EXPECT_EQ(play.own_answers(), told("a", "after", kProcess) + ready());
}

TEST_F(PooledListen, another_clients_notifications_do_not_pass_for_its_own) {
  listen("a");
  connection->sender->set_client(1);
  EXPECT_EQ(play.client(query("SELECT 1")), Verdict::go_on);
  play.server(done("SELECT 1") + ready());
  play.heard();
  EXPECT_EQ(play.client(query("NOTIFY a")), Verdict::hold);
  EXPECT_EQ(listening.heard(), "fence 2; ");
  EXPECT_EQ(connection->sender->client(), 1);
  answer();
  EXPECT_EQ(play.heard(), query("NOTIFY a"));
  EXPECT_EQ(connection->sender->client(), kProcess);
}

TEST_F(PooledListen, what_comes_on_a_shared_connection_is_for_nobody) {
  EXPECT_EQ(play.server(told("a", "x")), "");
  listen("b");
  EXPECT_EQ(play.server(told("b", "x")), "");
}

TEST_F(PooledListen, a_client_that_asks_for_its_channels_sees_them_on_its_connection) {
  listen("a");
  std::string asks = query("SELECT pg_listening_channels()");
  EXPECT_EQ(play.client(asks), Verdict::hold);
  ASSERT_TRUE(play.machine.has_own_request());
  play.own_request();
  EXPECT_EQ(play.heard(), query("LISTEN \"a\";"));
  EXPECT_FALSE(play.machine.may_leave());
  EXPECT_EQ(play.server(done("LISTEN") + ready()), "");
  EXPECT_FALSE(play.machine.has_own_request());
  EXPECT_EQ(play.heard(), asks);
  EXPECT_EQ(play.server(done("SELECT 1") + ready()), done("SELECT 1") + ready());
  unlisten_left();
  EXPECT_EQ(play.heard(), query("UNLISTEN \"a\";"));
  play.leave();
}

TEST_F(PooledListen, on_anothers_connection_the_guard_leaves_its_channels_alone) {
  listen("a");
  connection->last_session = 99;
  connection->unproven = true;
  std::string asks = query("SELECT pg_listening_channels()");
  play.client(asks);
  play.own_request();
  EXPECT_EQ(play.heard(), query("UNLISTEN *;LISTEN \"a\";"));
  play.server(done("UNLISTEN") + done("LISTEN") + ready());
  std::string bytes = play.heard();
  EXPECT_TRUE(bytes.ends_with(asks));
  EXPECT_TRUE(bytes.contains("RESET ALL"));
  EXPECT_FALSE(bytes.contains("UNLISTEN"));
}

TEST_F(PooledListen, the_guards_error_is_that_of_a_listen_that_waits) {
  PooledPlay bad(5, settings_of({{"a.x", "bad"}}), false, &listening, &process_id);
  bad.use(*connection);
  EXPECT_EQ(bad.client(query("LISTEN a") + query("SELECT 1")), Verdict::hold);
  EXPECT_EQ(bad.heard(), guard(settings_of({{"a.x", "bad"}})));
  const std::string step = kParsed + kBound;
  const std::string refusal = failed("22023", "invalid value for parameter");
  EXPECT_EQ(bad.server(step + done("BEGIN") + step + refusal), refusal);
  // The server waits for a Sync, and what comes behind for the answer to it.
  EXPECT_EQ(std::exchange(bad.waiting, {}), query("SELECT 1"));
  ASSERT_TRUE(bad.machine.has_own_request());
  bad.own_request();
  EXPECT_EQ(bad.heard(), kSync);
  EXPECT_EQ(bad.server(ready('E')), ready());
  EXPECT_FALSE(bad.listens());
  EXPECT_TRUE(connection->spoilt);
  EXPECT_TRUE(bad.machine.may_leave());
}

TEST_F(PooledListen, a_client_that_is_gone_leaves_a_connection_that_does_not_listen) {
  play.client(query("LISTEN a"));
  answer();
  play.server(done("LISTEN") + ready());
  play.heard();
  EXPECT_EQ(play.clean_up(), PooledMachine::Cleaning::under_way);
  EXPECT_EQ(play.heard(), query("DISCARD ALL"));
}

TEST_F(PooledListen, with_a_connection_for_the_session_listen_stays_there) {
  PooledPlay own(4, nullptr, true, nullptr, &process_id);
  auto kept = PooledPlay::connection(metrics);
  kept->server.cancel_key.process_id = 9;
  own.use(*kept);
  own.client(query("LISTEN a"));
  EXPECT_EQ(own.heard(), query("LISTEN a"));
  own.server(done("LISTEN") + ready());
  EXPECT_EQ(own.server(told("a", "x", 8)), told("a", "x", 8));
  EXPECT_EQ(own.server(told("a", "x", 9)), told("a", "x", kProcess));
}

}  // namespace
}  // namespace trunkline::session
