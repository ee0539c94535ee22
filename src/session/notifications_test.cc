#include "session/notifications.h"

#include <gtest/gtest.h>

#include "session/listening_for_tests.h"

namespace trunkline::session {
namespace {

class NotificationsTest : public testing::Test {
 protected:
  static constexpr uint32_t kSender = 7;  // that of `notification`

  static std::shared_ptr<const sql::TextFacts> facts(std::string_view text) {
    return sql::TextFacts::of(text, {});
  }
  // A transaction of its own, which the listener and the server do at once.
  void run(std::string_view text, std::optional<uint32_t> sender = std::nullopt) {
    auto of = facts(text);
    notifications.may_send(*of);
    for (Listening::Ticket i = 1; i <= listening.last; ++i) notifications.on_answer(i, true);
    ASSERT_TRUE(notifications.may_send(*of));
    notifications.on_sent(*of);
    for (const sql::Statement& statement : of->statements()) {
      notifications.on_completed(statement, "");
    }
    notifications.on_ready(false, sender);
  }
  std::string told() {
    uint64_t count = 0;
    return notifications.take(count);
  }

  FakeListening listening;
  Notifications notifications{listening, "UTF8"};
};

TEST_F(NotificationsTest, a_text_waits_until_the_listener_hears_what_it_listens_to) {
  EXPECT_EQ(listening.heard(), "open UTF8; ");
  auto of = facts("LISTEN a; SELECT 1; LISTEN b");
  EXPECT_FALSE(notifications.may_send(*of));
  EXPECT_FALSE(notifications.may_send(*of));
  EXPECT_EQ(listening.heard(), "listen a 1; listen b 2; ");
  notifications.on_answer(1, true);
  EXPECT_FALSE(notifications.may_send(*of));
  notifications.on_answer(2, true);
  EXPECT_TRUE(notifications.may_send(*of));
  EXPECT_TRUE(notifications.serves(*of));
  EXPECT_EQ(listening.heard(), "");
}

TEST_F(NotificationsTest, what_the_listener_cannot_hear_is_not_served) {
  auto of = facts("LISTEN a; LISTEN b");
  notifications.may_send(*of);
  notifications.on_answer(1, true);
  notifications.on_answer(2, false);
  EXPECT_TRUE(notifications.may_send(*of));
  EXPECT_FALSE(notifications.serves(*of));
  EXPECT_TRUE(notifications.serves("a"));
  EXPECT_FALSE(notifications.serves("b"));
  for (const sql::Statement& each : of->statements()) notifications.on_completed(each, "LISTEN");
  listening.heard();
  notifications.on_ready(false, std::nullopt);
  EXPECT_EQ(notifications.channels(), (SessionChannels::Names{"a"}));
  EXPECT_EQ(listening.heard(), "");
  // It is tried again with the next LISTEN.
  EXPECT_FALSE(notifications.may_send(*facts("LISTEN b")));
}

TEST_F(NotificationsTest, names_that_only_the_server_knows_are_not_served) {
  EXPECT_TRUE(notifications.may_send(*facts("LISTEN 'a'")));
  EXPECT_FALSE(notifications.serves(*facts("LISTEN 'a'")));
  EXPECT_TRUE(notifications.serves(*facts("SELECT 1; UNLISTEN b")));
}

TEST_F(NotificationsTest, what_was_not_committed_is_given_back) {
  run("LISTEN a");
  listening.heard();
  notifications.may_send(*facts("LISTEN b"));
  notifications.on_answer(listening.last, true);
  notifications.on_error(false);
  notifications.on_ready(false, std::nullopt);
  EXPECT_EQ(listening.heard(), "listen b 2; unlisten b; ");
  run("UNLISTEN a");
  EXPECT_EQ(listening.heard(), "unlisten a; ");
}

TEST_F(NotificationsTest, who_listens_to_nothing_any_more_is_as_before) {
  EXPECT_TRUE(notifications.idle());
  run("LISTEN a");
  notifications.forget_left();
  EXPECT_FALSE(notifications.idle());
  notifications.on_notification(notification("a"), false);
  run("UNLISTEN a");
  EXPECT_TRUE(notifications.idle());
}

TEST_F(NotificationsTest, what_comes_is_for_the_client_when_it_listens) {
  run("LISTEN a");
  notifications.on_notification(notification("a", "1"), false);
  notifications.on_notification(notification("b", "2"), false);
  EXPECT_EQ(listening.bytes_taken, notification("b", "2")->bytes());
  EXPECT_EQ(told(), notification("a", "1")->message);
  EXPECT_TRUE(notifications.empty());
  EXPECT_EQ(listening.bytes_taken,
            notification("b", "2")->bytes() + notification("a", "1")->bytes());
}

TEST_F(NotificationsTest, what_comes_while_a_listen_may_be_committing_is_kept_until_that_is_known) {
  auto of = facts("LISTEN a");
  notifications.may_send(*of);
  notifications.on_answer(listening.last, true);
  notifications.on_notification(notification("a", "kept"), true);
  notifications.on_completed(of->statements()[0], "LISTEN");
  notifications.on_ready(false, std::nullopt);
  EXPECT_EQ(told(), notification("a", "kept")->message);
}

TEST_F(NotificationsTest, what_came_before_the_commit_was_sent_is_not_the_clients) {
  auto of = facts("LISTEN a");
  notifications.may_send(*of);
  notifications.on_answer(listening.last, true);
  notifications.on_completed(of->statements()[0], "LISTEN");
  notifications.on_notification(notification("a"), true);
  notifications.on_ready(true, std::nullopt);
  notifications.on_notification(notification("a"), false);
  EXPECT_TRUE(notifications.empty());
  notifications.on_ready(false, std::nullopt);
  EXPECT_EQ(told(), "");
}

TEST_F(NotificationsTest, who_may_have_notified_itself_waits_for_what_the_listener_has_heard) {
  run("LISTEN a");
  listening.heard();
  notifications.on_ready(true, kSender);
  EXPECT_FALSE(notifications.fenced());
  notifications.on_ready(false, kSender);
  EXPECT_TRUE(notifications.fenced());
  EXPECT_EQ(listening.heard(), "fence 2; ");
  notifications.on_answer(2, true);
  EXPECT_FALSE(notifications.fenced());
}

TEST_F(NotificationsTest,
       what_it_has_sent_before_it_listened_is_not_told_though_the_listener_hears) {
  auto of = facts("COMMIT; LISTEN a; NOTIFY a");
  notifications.may_send(*of);
  notifications.on_answer(1, true);
  for (const sql::Statement& each : of->statements()) notifications.on_completed(each, "COMMIT");
  for (std::string_view each : {"before", "before", "after"}) {
    notifications.on_notification(notification("a", each), true);
    notifications.on_notification(notification("a", "another's", 8), true);
  }
  notifications.on_own_heard();
  notifications.on_ready(false, kSender);
  notifications.on_answer(2, true);
  std::string others = notification("a", "another's", 8)->message;
  EXPECT_EQ(told(), others + others + notification("a", "after")->message + others);
  EXPECT_EQ(listening.bytes_taken, notification("a", "before")->bytes() * 2 +
                                       notification("a", "after")->bytes() +
                                       notification("a", "another's")->bytes() * 3);
}

TEST_F(NotificationsTest, who_stops_and_starts_again_is_not_told_what_it_has_sent_in_between) {
  run("LISTEN a");
  for (std::string_view text : {"UNLISTEN a", "COMMIT", "LISTEN a"}) {
    auto of = facts(text);
    EXPECT_TRUE(notifications.may_send(*of));
    notifications.on_completed(of->statements()[0], "COMMIT");
  }
  notifications.on_notification(notification("a", "in between"), true);
  notifications.on_ready(false, kSender);
  notifications.on_answer(listening.last, true);
  EXPECT_EQ(told(), "");
}

TEST_F(NotificationsTest, who_listens_to_something_is_told_what_it_has_sent_before_a_further_one) {
  run("LISTEN a");
  auto of = facts("COMMIT; LISTEN b");
  notifications.may_send(*of);
  notifications.on_answer(listening.last, true);
  for (const sql::Statement& each : of->statements()) notifications.on_completed(each, "COMMIT");
  notifications.on_notification(notification("b", "before"), true);
  notifications.on_ready(false, kSender);
  notifications.on_answer(listening.last, true);
  EXPECT_EQ(told(), notification("b", "before")->message);
}

TEST_F(NotificationsTest, who_does_not_listen_waits_for_nothing) {
  listening.heard();
  notifications.on_ready(false, kSender);
  EXPECT_FALSE(notifications.fenced());
  EXPECT_EQ(listening.heard(), "");
}

TEST_F(NotificationsTest, another_clients_connection_is_used_when_all_is_heard_that_it_sent) {
  run("LISTEN a");
  listening.heard();
  int one = 0;
  int two = 0;
  EXPECT_FALSE(notifications.may_use(&one));
  EXPECT_FALSE(notifications.may_use(&one));
  EXPECT_EQ(listening.heard(), "fence 2; ");
  notifications.on_answer(2, true);
  EXPECT_TRUE(notifications.may_use(&one));
  EXPECT_FALSE(notifications.may_use(&two));
  // And again in another transaction.
  notifications.on_answer(3, true);
  notifications.on_ready(false, std::nullopt);
  EXPECT_FALSE(notifications.may_use(&two));
}

TEST_F(NotificationsTest, what_is_left_on_a_connection_is_ended_there) {
  run("LISTEN a; LISTEN \"b\"\"c\"");
  EXPECT_TRUE(notifications.has_left());
  EXPECT_EQ(notifications.take_left(), "UNLISTEN \"a\";UNLISTEN \"b\"\"c\";");
  EXPECT_FALSE(notifications.has_left());
  EXPECT_EQ(notifications.lay_on(), "LISTEN \"a\";LISTEN \"b\"\"c\";");
  EXPECT_TRUE(notifications.has_left());
  notifications.forget_left();
  EXPECT_EQ(notifications.take_left(), "");
}

TEST_F(NotificationsTest, many_are_given_out_a_few_at_a_time_and_in_order) {
  run("LISTEN a");
  std::string wanted;
  for (int i = 0; i < 200; ++i) {
    auto each = notification("a", std::to_string(i) + std::string(1000, 'x'));
    wanted += each->message;
    notifications.on_notification(each, false);
  }
  std::string all;
  uint64_t count = 0;
  int times = 0;
  for (; !notifications.empty(); ++times) all += notifications.take(count);
  EXPECT_EQ(all, wanted);
  EXPECT_EQ(count, 200);
  EXPECT_GT(times, 2);
}

}  // namespace
}  // namespace trunkline::session
