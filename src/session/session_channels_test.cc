#include "session/session_channels.h"

#include <gtest/gtest.h>

#include "sql/text_facts.h"

namespace trunkline::session {
namespace {

using Names = SessionChannels::Names;

class SessionChannelsTest : public testing::Test {
 protected:
  // The server completes each of the statements, with this tag.
  void run(std::string_view text, std::string_view tag = "") {
    auto facts = sql::TextFacts::of(text, {});
    for (const sql::Statement& statement : facts->statements()) {
      channels.on_completed(statement, tag);
    }
  }

  SessionChannels channels;
};

TEST_F(SessionChannelsTest, count_from_their_commit_on) {
  run("LISTEN a; LISTEN \"B\"");
  EXPECT_EQ(channels.committed(), Names{});
  EXPECT_EQ(channels.current(), (Names{"B", "a"}));
  channels.on_idle();
  EXPECT_EQ(channels.committed(), (Names{"B", "a"}));
}

TEST_F(SessionChannelsTest, end_with_unlisten_one_by_one_or_all_at_once) {
  run("LISTEN a; LISTEN b; LISTEN c; UNLISTEN b");
  channels.on_idle();
  EXPECT_EQ(channels.committed(), (Names{"a", "c"}));
  run("UNLISTEN *; LISTEN d");
  channels.on_idle();
  EXPECT_EQ(channels.committed(), (Names{"d"}));
  run("DISCARD ALL");
  channels.on_idle();
  EXPECT_EQ(channels.committed(), Names{});
}

TEST_F(SessionChannelsTest, go_with_a_transaction_that_is_rolled_back) {
  run("LISTEN a");
  channels.on_idle();
  run("BEGIN; UNLISTEN a; LISTEN b");
  run("ROLLBACK", "ROLLBACK");
  channels.on_idle();
  EXPECT_EQ(channels.committed(), (Names{"a"}));
  run("BEGIN; LISTEN b");
  run("COMMIT", "ROLLBACK");  // it had failed
  channels.on_idle();
  EXPECT_EQ(channels.committed(), (Names{"a"}));
}

TEST_F(SessionChannelsTest, go_with_an_error_outside_of_a_block) {
  run("LISTEN a");
  channels.on_error(false);
  channels.on_idle();
  EXPECT_EQ(channels.committed(), Names{});
}

TEST_F(SessionChannelsTest, stay_until_the_block_that_has_failed_ends) {
  run("BEGIN; LISTEN a; SAVEPOINT s");
  channels.on_error(true);
  run("ROLLBACK TO s");
  run("COMMIT", "COMMIT");
  channels.on_idle();
  EXPECT_EQ(channels.committed(), (Names{"a"}));
}

TEST_F(SessionChannelsTest, go_with_a_savepoint_that_is_rolled_back_to) {
  run("BEGIN; LISTEN a; SAVEPOINT s; LISTEN b; SAVEPOINT t; LISTEN c; ROLLBACK TO s; LISTEN d");
  EXPECT_EQ(channels.current(), (Names{"a", "d"}));
  run("ROLLBACK TO s");
  EXPECT_EQ(channels.current(), (Names{"a"}));
}

TEST_F(SessionChannelsTest, the_last_savepoint_of_a_name_counts) {
  run("BEGIN; SAVEPOINT s; LISTEN a; SAVEPOINT s; LISTEN b; ROLLBACK TO s");
  EXPECT_EQ(channels.current(), (Names{"a"}));
  run("RELEASE s; ROLLBACK TO s");
  EXPECT_EQ(channels.current(), Names{});
}

TEST_F(SessionChannelsTest, a_savepoint_that_is_not_known_was_made_before_all_of_them) {
  run("LISTEN a; SAVEPOINT t; LISTEN b; ROLLBACK TO older");
  EXPECT_EQ(channels.current(), Names{});
  run("LISTEN a; SAVEPOINT t; LISTEN b; RELEASE older; ROLLBACK TO t");
  EXPECT_EQ(channels.current(), Names{});
}

TEST_F(SessionChannelsTest, count_from_a_commit_that_begins_the_next_transaction) {
  run("BEGIN; LISTEN a");
  run("COMMIT AND CHAIN", "COMMIT");
  EXPECT_EQ(channels.committed(), (Names{"a"}));
  run("LISTEN b");
  run("ROLLBACK", "ROLLBACK");
  channels.on_idle();
  EXPECT_EQ(channels.committed(), (Names{"a"}));
}

}  // namespace
}  // namespace trunkline::session
