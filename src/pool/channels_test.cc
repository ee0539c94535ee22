#include "pool/channels.h"

#include <gtest/gtest.h>

namespace trunkline::pool {
namespace {

using Answers = Channels::Answers;
using Subscribers = std::vector<Channels::Subscriber>;

// Asks and is answered, as long as there is something to ask.
void settle(Channels& channels) {
  while (channels.next_request()) channels.on_done();
}

TEST(Channels, are_listened_to_together_and_answered_when_that_is_done) {
  Channels channels;
  EXPECT_TRUE(channels.idle());
  EXPECT_FALSE(channels.listen(1, "a", 10));
  EXPECT_FALSE(channels.listen(2, "b", 20));
  EXPECT_EQ(channels.next_request(), "LISTEN \"a\";LISTEN \"b\";");
  EXPECT_TRUE(channels.busy());
  EXPECT_EQ(channels.next_request(), std::nullopt);
  EXPECT_EQ(channels.on_done(), (Answers{{1, 10, true}, {2, 20, true}}));
  EXPECT_FALSE(channels.busy());
  EXPECT_FALSE(channels.idle());
  EXPECT_EQ(channels.next_request(), std::nullopt);
}

TEST(Channels, of_any_name_are_quoted) {
  Channels channels;
  channels.listen(1, "a\"; drop", 1);
  EXPECT_EQ(channels.next_request(), "LISTEN \"a\"\"; drop\";");
}

TEST(Channels, that_are_heard_already_need_no_request) {
  Channels channels;
  channels.listen(1, "a", 1);
  settle(channels);
  EXPECT_TRUE(channels.listen(2, "a", 1));
  EXPECT_EQ(channels.next_request(), std::nullopt);
  EXPECT_EQ(channels.subscribers("a"), (Subscribers{1, 2}));
}

TEST(Channels, that_are_being_asked_for_are_answered_with_the_next_request) {
  Channels channels;
  channels.listen(1, "a", 1);
  channels.next_request();
  EXPECT_FALSE(channels.listen(2, "a", 2));
  EXPECT_EQ(channels.on_done(), (Answers{{1, 1, true}}));
  EXPECT_EQ(channels.next_request(), "");
  EXPECT_EQ(channels.on_done(), (Answers{{2, 2, true}}));
}

TEST(Channels, are_left_when_the_last_one_goes) {
  Channels channels;
  channels.listen(1, "a", 1);
  channels.listen(2, "a", 1);
  settle(channels);
  channels.unlisten(1, "a");
  EXPECT_EQ(channels.next_request(), std::nullopt);
  channels.unlisten(2, "a");
  EXPECT_EQ(channels.next_request(), "UNLISTEN \"a\";");
  EXPECT_EQ(channels.on_done(), Answers{});
  EXPECT_TRUE(channels.idle());
}

TEST(Channels, that_somebody_wants_again_in_time_are_not_left) {
  Channels channels;
  channels.listen(1, "a", 1);
  settle(channels);
  channels.unlisten(1, "a");
  EXPECT_TRUE(channels.listen(2, "a", 2));
  EXPECT_EQ(channels.next_request(), std::nullopt);
  EXPECT_EQ(channels.subscribers("a"), (Subscribers{2}));
}

TEST(Channels, that_are_left_while_they_are_asked_for_are_unlistened) {
  Channels channels;
  channels.listen(1, "a", 1);
  channels.next_request();
  channels.unlisten(1, "a");
  EXPECT_EQ(channels.on_done(), (Answers{{1, 1, true}}));
  EXPECT_EQ(channels.next_request(), "UNLISTEN \"a\";");
}

TEST(Channels, that_are_taken_back_before_they_are_asked_for_cost_nothing) {
  Channels channels;
  channels.listen(1, "a", 1);
  channels.unlisten(1, "a");
  EXPECT_EQ(channels.next_request(), std::nullopt);
  EXPECT_TRUE(channels.idle());
}

TEST(Channels, a_fence_is_a_round_trip_for_all_who_wait) {
  Channels channels;
  channels.fence(1, 5);
  channels.fence(2, 6);
  EXPECT_EQ(channels.next_request(), "");
  channels.fence(3, 7);
  EXPECT_EQ(channels.on_done(), (Answers{{1, 5, true}, {2, 6, true}}));
  EXPECT_EQ(channels.next_request(), "");
  EXPECT_EQ(channels.on_done(), (Answers{{3, 7, true}}));
  EXPECT_TRUE(channels.idle());
}

TEST(Channels, who_leaves_is_asked_and_told_nothing_more) {
  Channels channels;
  channels.listen(1, "a", 1);
  channels.listen(1, "b", 2);
  channels.next_request();
  channels.fence(1, 3);
  channels.leave(1);
  EXPECT_EQ(channels.on_done(), Answers{});
  EXPECT_EQ(channels.subscribers("a"), Subscribers{});
  settle(channels);
  EXPECT_TRUE(channels.idle());
}

TEST(Channels, many_of_them_take_several_requests_and_each_is_answered_with_its_own) {
  Channels channels;
  for (size_t i = 0; i <= Channels::kChannelsPerRequest; ++i) {
    channels.listen(1, "c" + std::to_string(i), i);
  }
  ASSERT_TRUE(channels.next_request());
  EXPECT_EQ(channels.on_done().size(), Channels::kChannelsPerRequest);
  EXPECT_EQ(channels.next_request(),
            "LISTEN \"c" + std::to_string(Channels::kChannelsPerRequest) + "\";");
  EXPECT_EQ(channels.on_done(), (Answers{{1, Channels::kChannelsPerRequest, true}}));
}

TEST(Channels, are_listened_to_again_after_the_connection_was_lost) {
  Channels channels;
  channels.listen(1, "a", 1);
  settle(channels);
  channels.listen(2, "b", 2);
  channels.fence(1, 3);
  channels.next_request();
  channels.fence(1, 4);
  EXPECT_EQ(channels.on_lost(), (Answers{{1, 3, true}, {1, 4, true}}));
  std::optional<std::string> request = channels.next_request();
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->contains("LISTEN \"a\";"));
  EXPECT_TRUE(request->contains("LISTEN \"b\";"));
  EXPECT_EQ(channels.on_done(), (Answers{{2, 2, true}}));
}

TEST(Channels, that_the_server_refuses_are_not_heard_and_others_stay) {
  Channels channels;
  channels.listen(1, "a", 1);
  settle(channels);
  channels.listen(2, "b", 2);
  channels.next_request();
  EXPECT_EQ(channels.on_failed(), (Answers{{2, 2, false}}));
  EXPECT_EQ(channels.subscribers("b"), Subscribers{});
  EXPECT_EQ(channels.next_request(), "LISTEN \"a\";");
}

TEST(Channels, nobody_waits_for_a_connection_that_is_not_to_be_had) {
  Channels channels;
  channels.listen(1, "a", 1);
  settle(channels);
  channels.on_lost();
  channels.listen(2, "b", 2);
  channels.fence(2, 3);
  EXPECT_EQ(channels.on_unreachable(), (Answers{{2, 3, true}, {2, 2, false}}));
  EXPECT_EQ(channels.subscribers("a"), (Subscribers{1}));
  EXPECT_EQ(channels.next_request(), "LISTEN \"a\";");
}

}  // namespace
}  // namespace trunkline::pool
