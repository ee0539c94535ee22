#include "pool/listener.h"

#include <deque>
#include <gtest/gtest.h>
#include <string>

#include "pool/pool.h"

namespace trunkline::pool {
namespace {

// A worker whose mail is read when the test says so.
class MailDesk final : public Desk {
 public:
  uint32_t worker() const override { return 0; }
  Instant now() const override { return {}; }
  void post(std::move_only_function<void()> action) override { mail.push_back(std::move(action)); }
  void open(PoolPtr) override {}
  void pack(Connection&) override {}
  void unpack(Connection&) override {}
  bool is_alive(Connection&) override { return true; }
  void close(ConnectionPtr) override {}
  void listen(PoolPtr, ListenerPtr listener) override {
    ++listens;
    listener->set_wake([this] { ++wakes; });
  }
  void read_mail() {
    while (!mail.empty()) {
      std::move_only_function<void()> action = std::move(mail.front());
      mail.pop_front();
      action();
    }
  }

  std::deque<std::move_only_function<void()>> mail;
  int listens = 0;
  int wakes = 0;
};

struct FakeHearer final : Hearer {
  void on_notification(NotificationPtr notification) override {
    heard += notification->channel + " ";
    bytes += notification->bytes();
  }
  void on_answer(Channels::Ticket ticket, bool hears) override {
    answers += std::to_string(ticket) + (hears ? " yes " : " no ");
  }
  void on_overflow() override { ++overflows; }
  void on_outdated() override { is_outdated = true; }

  std::string heard;
  std::string answers;
  size_t bytes = 0;
  int overflows = 0;
  bool is_outdated = false;
};

NotificationPtr notification(std::string_view channel, std::string_view payload = "") {
  return make_notification({1, channel, payload}, 1);
}

class ListenerTest : public testing::Test {
 protected:
  std::unique_ptr<Subscription> subscribe(MailDesk& desk, Hearer& hearer) {
    return std::make_unique<Subscription>(desk, nullptr, listener, hearer);
  }
  void settle() {
    do {
      home.read_mail();
      away.read_mail();
    } while (!home.mail.empty() || !away.mail.empty());
  }
  // The server does what it is asked.
  void serve() {
    settle();
    while (listener->channels().next_request()) listener->tell(listener->channels().on_done());
    settle();
  }

  MailDesk home;
  MailDesk away;
  FakeHearer one;
  FakeHearer two;
  ListenerPtr listener = std::make_shared<Listener>("UTF8");
};

TEST_F(ListenerTest, lives_with_the_first_who_listens_and_serves_all_workers) {
  auto first = subscribe(home, one);
  auto second = subscribe(away, two);
  first->listen("a", 1);
  second->listen("b", 2);
  serve();
  EXPECT_EQ(home.listens, 1);
  EXPECT_EQ(away.listens, 0);
  EXPECT_EQ(one.answers, "1 yes ");
  EXPECT_EQ(two.answers, "2 yes ");
  listener->deliver(notification("b"));
  listener->deliver(notification("c"));
  settle();
  EXPECT_EQ(one.heard, "");
  EXPECT_EQ(two.heard, "b ");
}

TEST_F(ListenerTest, answers_come_behind_what_was_heard_before_them) {
  auto first = subscribe(home, one);
  first->listen("a", 1);
  serve();
  first->fence(2);
  home.read_mail();
  ASSERT_TRUE(listener->channels().next_request());
  listener->deliver(notification("a"));
  listener->tell(listener->channels().on_done());
  ASSERT_EQ(home.mail.size(), 2);
  home.mail.front()();
  EXPECT_EQ(one.heard, "a ");
  EXPECT_EQ(one.answers, "1 yes ");
  home.mail.pop_front();
  home.read_mail();
  EXPECT_EQ(one.answers, "1 yes 2 yes ");
}

TEST_F(ListenerTest, who_is_gone_hears_nothing_and_is_forgotten) {
  auto first = subscribe(home, one);
  first->listen("a", 1);
  serve();
  listener->deliver(notification("a"));
  first.reset();
  settle();
  EXPECT_EQ(one.heard, "");
  serve();
  EXPECT_TRUE(listener->channels().idle());
}

TEST_F(ListenerTest, while_no_connection_is_to_be_had_nobody_waits) {
  listener->set_unreachable(true);
  auto first = subscribe(home, one);
  first->listen("a", 1);
  first->fence(2);
  settle();
  EXPECT_EQ(one.answers, "1 no 2 yes ");
  EXPECT_EQ(home.listens, 0);
}

TEST_F(ListenerTest, who_takes_too_little_is_told_once_and_others_go_on) {
  auto first = subscribe(home, one);
  auto second = subscribe(away, two);
  first->listen("a", 1);
  second->listen("a", 1);
  serve();
  NotificationPtr each = notification("a", std::string(7000, 'x'));
  size_t most = Subscription::kBytesMax / each->bytes() + 1;
  for (size_t i = 0; i < most; ++i) {
    listener->deliver(each);
    settle();
    second->taken(each->bytes());
  }
  EXPECT_EQ(one.overflows, 0);
  EXPECT_EQ(one.bytes, most * each->bytes());
  listener->deliver(each);
  listener->deliver(each);
  settle();
  EXPECT_EQ(one.overflows, 1);
  EXPECT_EQ(one.bytes, most * each->bytes());
  EXPECT_EQ(two.overflows, 0);
  EXPECT_EQ(two.bytes, (most + 2) * each->bytes());
}

TEST_F(ListenerTest, all_who_have_subscribed_are_told_that_the_pool_has_a_successor) {
  listener->announce_outdated();  // to nobody
  auto first = subscribe(home, one);
  auto second = subscribe(away, two);
  second->listen("b", 1);
  second.reset();
  serve();
  EXPECT_FALSE(one.is_outdated);
  listener->announce_outdated();
  settle();
  EXPECT_TRUE(one.is_outdated);
  EXPECT_FALSE(two.is_outdated) << "it is gone";
}

TEST_F(ListenerTest, at_the_end_of_its_worker_nothing_is_sent_there) {
  auto first = subscribe(home, one);
  serve();
  listener->retire(away);
  first->fence(1);
  EXPECT_FALSE(home.mail.empty());
  settle();
  listener->retire(home);
  first->fence(2);
  first.reset();
  EXPECT_TRUE(home.mail.empty());
}

}  // namespace
}  // namespace trunkline::pool
