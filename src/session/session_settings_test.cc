#include "session/session_settings.h"

#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "sql/text_facts.h"

namespace trunkline::session {
namespace {

pool::SettingsPtr settings_of(
    std::initializer_list<std::pair<std::string_view, std::string_view>> entries) {
  auto settings = std::make_shared<pool::Settings>();
  for (const auto& [name, value] : entries) settings->set(name, std::string(value));
  return settings;
}

class SessionSettingsTest : public testing::Test {
 protected:
  void start(pool::SettingsPtr startup = nullptr) { settings = SessionSettings(startup); }

  // The server completes each of the statements, with the tags that belong to them.
  void run(std::string_view text, std::string_view tag = "") {
    auto facts = sql::TextFacts::of(text, {});
    for (const sql::Statement& statement : facts->statements()) {
      settings.on_completed(statement, tag);
    }
  }
  std::string operator[](std::string_view name) const {
    const std::string* value = settings.current() ? settings.current()->find(name) : nullptr;
    return value ? *value : "-";
  }

  SessionSettings settings{nullptr};
};

TEST_F(SessionSettingsTest, what_is_set_outside_of_a_transaction_stays) {
  run("SET enable_seqscan = off");
  settings.on_idle();
  EXPECT_EQ((*this)["enable_seqscan"], "off");
  run("SET Enable_SeqScan TO on; SET search_path = a, \"B\"; SET TIME ZONE 'UTC'");
  settings.on_idle();
  EXPECT_EQ((*this)["enable_seqscan"], "on");
  EXPECT_EQ((*this)["search_path"], "a, \"B\"");
  EXPECT_EQ((*this)["timezone"], "UTC");
}

TEST_F(SessionSettingsTest, what_is_set_in_a_transaction_goes_with_it) {
  run("SET a.x = 1");
  settings.on_idle();
  run("BEGIN; SET a.x = 2");
  EXPECT_EQ((*this)["a.x"], "2");
  run("ROLLBACK", "ROLLBACK");
  EXPECT_EQ((*this)["a.x"], "1");
  run("BEGIN; SET a.x = 3");
  run("COMMIT", "COMMIT");
  settings.on_idle();
  EXPECT_EQ((*this)["a.x"], "3");
}

TEST_F(SessionSettingsTest, commit_of_a_failed_transaction_is_a_rollback) {
  run("BEGIN; SET a.x = 2");
  settings.on_error(true);
  EXPECT_EQ((*this)["a.x"], "2") << "a savepoint may still be gone back to";
  run("COMMIT", "ROLLBACK");
  EXPECT_EQ((*this)["a.x"], "-");
  run("BEGIN; SET a.x = 2");
  run("PREPARE TRANSACTION 'p'", "ROLLBACK");
  EXPECT_EQ((*this)["a.x"], "-");
  run("BEGIN; SET a.x = 2");
  run("PREPARE TRANSACTION 'p'", "PREPARE TRANSACTION");
  EXPECT_EQ((*this)["a.x"], "2");
}

TEST_F(SessionSettingsTest, an_error_outside_of_a_block_undoes_what_ran_since_the_last_commit) {
  run("SET a.x = 1");
  settings.on_error(false);
  EXPECT_EQ((*this)["a.x"], "-");
  run("SET a.x = 1");
  run("COMMIT", "COMMIT");
  run("SET a.x = 2");
  settings.on_error(false);
  EXPECT_EQ((*this)["a.x"], "1");
}

TEST_F(SessionSettingsTest, set_local_is_not_the_sessions) {
  run("BEGIN; SET LOCAL a.x = 1; SET LOCAL ROLE joe");
  EXPECT_EQ((*this)["a.x"], "-");
  EXPECT_EQ((*this)["role"], "-");
}

TEST_F(SessionSettingsTest, a_savepoint_is_gone_back_to_as_often_as_wanted) {
  run("BEGIN; SET a.x = 1; SAVEPOINT s; SET a.x = 2; SAVEPOINT t; SET a.x = 3");
  run("ROLLBACK TO t");
  EXPECT_EQ((*this)["a.x"], "2");
  run("SET a.x = 4; ROLLBACK TO s");
  EXPECT_EQ((*this)["a.x"], "1");
  run("SET a.x = 5; ROLLBACK TO s");
  EXPECT_EQ((*this)["a.x"], "1");
  run("COMMIT", "COMMIT");
  EXPECT_EQ((*this)["a.x"], "1");
}

TEST_F(SessionSettingsTest, the_last_savepoint_of_a_name_counts_and_released_ones_do_not) {
  run("BEGIN; SET a.x = 1; SAVEPOINT s; SET a.x = 2; SAVEPOINT s; SET a.x = 3; ROLLBACK TO s");
  EXPECT_EQ((*this)["a.x"], "2");
  run("RELEASE s; SET a.x = 4; ROLLBACK TO s");
  EXPECT_EQ((*this)["a.x"], "1");
  run("SAVEPOINT t; SET a.x = 5; SAVEPOINT u; SAVEPOINT t; SET a.x = 6; RELEASE u; ROLLBACK TO t");
  EXPECT_EQ((*this)["a.x"], "1") << "the inner t is released with u";
}

// The server completes ROLLBACK TO only for what it knows.
TEST_F(SessionSettingsTest, a_savepoint_that_is_not_known_was_made_before_all_of_them) {
  run("SET a.x = 1");
  settings.on_idle();
  run("BEGIN; SAVEPOINT s; SET a.x = 2; ROLLBACK TO older");
  EXPECT_EQ((*this)["a.x"], "1");
}

TEST_F(SessionSettingsTest, what_the_server_has_gone_back_to_is_not_the_sessions) {
  start(settings_of({{"datestyle", "German, DMY"}}));
  run("DISCARD ALL");
  settings.on_reported("DateStyle", "ISO, MDY");
  EXPECT_EQ((*this)["datestyle"], "German, DMY");
  EXPECT_TRUE(settings.is_to_be_set("DateStyle", "ISO, MDY"));
  settings.server_was_set();
  EXPECT_FALSE(settings.is_to_be_set("DateStyle", "ISO, MDY"));
}

TEST_F(SessionSettingsTest, reset_goes_back_to_the_startup_packet) {
  start(settings_of({{"a.x", "start"}}));
  run("SET a.x = 1; SET a.y = 1");
  EXPECT_FALSE(settings.server_differs());
  run("RESET a.y");
  EXPECT_EQ((*this)["a.y"], "-");
  EXPECT_FALSE(settings.server_differs()) << "the server's own default is meant";
  run("RESET a.x");
  EXPECT_EQ((*this)["a.x"], "start");
  EXPECT_TRUE(settings.server_differs()) << "it went to a default that is not the session's";
  settings.server_was_set();
  EXPECT_FALSE(settings.server_differs());
  run("SET a.x = 2; SET a.x TO DEFAULT");
  EXPECT_EQ((*this)["a.x"], "start");
  EXPECT_TRUE(settings.server_differs());
}

TEST_F(SessionSettingsTest, reset_all_leaves_the_role_and_discard_all_does_not) {
  start(settings_of({{"a.x", "start"}}));
  run("SET a.x = 1; SET a.y = 1; SET ROLE joe; RESET ALL");
  EXPECT_EQ((*this)["a.x"], "start");
  EXPECT_EQ((*this)["a.y"], "-");
  EXPECT_EQ((*this)["role"], "joe");
  EXPECT_TRUE(settings.server_differs());
  settings.server_was_set();
  run("SET a.y = 1; DISCARD ALL");
  EXPECT_TRUE(pool::same(settings.current(), settings.startup()));
  EXPECT_TRUE(settings.server_differs());
}

TEST_F(SessionSettingsTest, without_startup_settings_the_server_does_not_differ_after_a_reset) {
  run("SET a.x = 1; RESET ALL");
  EXPECT_FALSE(settings.server_differs());
  EXPECT_EQ((*this)["a.x"], "-");
  run("SET a.x = 1; DISCARD ALL; RESET a.x");
  EXPECT_FALSE(settings.server_differs());
}

TEST_F(SessionSettingsTest, roles_are_settings) {
  run("SET ROLE joe");
  settings.on_idle();
  EXPECT_EQ((*this)["role"], "joe");
  run("BEGIN; RESET ROLE");
  EXPECT_EQ((*this)["role"], "-");
  run("ROLLBACK", "ROLLBACK");
  EXPECT_EQ((*this)["role"], "joe");
  run("SET ROLE NONE");
  EXPECT_EQ((*this)["role"], "none");
}

TEST_F(SessionSettingsTest, whoever_gives_up_being_another_gives_up_his_role) {
  for (std::string back :
       {"RESET SESSION AUTHORIZATION", "SET SESSION AUTHORIZATION DEFAULT", "RESET ROLE"}) {
    run("SET ROLE joe");
    run(back);
    EXPECT_EQ((*this)["role"], "-") << back;
  }
}

TEST_F(SessionSettingsTest, values_are_in_the_encoding_they_were_set_in) {
  auto german = settings_of({{"a.x", "Z\xc3\xbcrich"}});
  auto latin = settings_of({{"a.x", "Z\xc3\xbcrich"}, {"client_encoding", "LATIN1"}});
  auto plain = settings_of({{"a.x", "Zug"}, {"client_encoding", "LATIN1"}});
  EXPECT_TRUE(SessionSettings::is_encoded_otherwise(german, latin));
  EXPECT_FALSE(SessionSettings::is_encoded_otherwise(latin, latin));
  EXPECT_FALSE(SessionSettings::is_encoded_otherwise(german, plain));
  EXPECT_FALSE(SessionSettings::is_encoded_otherwise(german, nullptr));
}

TEST_F(SessionSettingsTest, what_was_shared_is_not_changed) {
  pool::SettingsPtr startup = settings_of({{"a.x", "start"}});
  start(startup);
  run("SET a.x = 1; SET a.y = 2");
  EXPECT_EQ(startup->size(), 1u);
  EXPECT_EQ(*startup->find("a.x"), "start");
}

}  // namespace
}  // namespace trunkline::session
