#include "session/rewriting.h"

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>

#include "session/pooled_for_tests.h"

namespace trunkline::session {
namespace {

using StepKind = Rewriting::Step::Kind;

class RewriterTest : public testing::Test {
 protected:
  // What the text becomes on the connection.
  std::string query(std::string_view text) { return rewrite(Rewriter::Of::query, text); }
  std::string parsed(std::string_view text) { return rewrite(Rewriter::Of::parse, text); }

  std::string rewrite(Rewriter::Of of, std::string_view text) {
    Rewriter::Place place{.statement_named =
                              [&](std::string_view name) {
                                auto found = clients.find(std::string(name));
                                return found == clients.end() ? nullptr : found->second;
                              },
                          .cache = cache,
                          .syntax = {},
                          .meaning = nullptr,
                          .startup = startup,
                          .server = server,
                          .ddl_epoch = 0,
                          .is_failed = is_failed};
    made = Rewriter(of, place).rewrite(text, *cache.facts_of(text, {}));
    return made->edits.apply(text);
  }
  // As when all of it has run.
  void run(std::string_view text) {
    query(text);
    for (const Rewriting::Step& step : made->steps) {
      if (step.kind == StepKind::prepares) clients[step.name] = step.statement;
      if (step.kind == StepKind::deallocates) clients.erase(step.name);
    }
    made->done = made->steps.size();
  }
  void prepared_by_protocol(const std::string& name, std::string_view text) {
    clients[name] = cache.get(std::string(text) + std::string(3, '\0'), nullptr, {});
  }

  StatementCache cache;
  pool::ServerStatements server;
  std::map<std::string, pool::StatementPtr> clients;
  pool::SettingsPtr startup;
  bool is_failed = false;
  std::shared_ptr<Rewriting> made;
};

TEST_F(RewriterTest, names_are_the_connections) {
  EXPECT_EQ(query("PREPARE p (int, text) AS SELECT $1"),
            "PREPARE trunkline_1 (int, text) AS SELECT $1");
  run("PREPARE p (int, text) AS SELECT $1");
  EXPECT_EQ(query("EXECUTE p(1, 'x')"), "EXECUTE trunkline_2(1, 'x')");
  EXPECT_TRUE(made->knows_all);
  ASSERT_EQ(made->executed.size(), 1u);
  EXPECT_TRUE(made->executed[0]->is_read_only());
  EXPECT_EQ(query("EXPLAIN (COSTS off) EXECUTE \"p\"(1, 'x')"),
            "EXPLAIN (COSTS off) EXECUTE trunkline_2(1, 'x')");
  EXPECT_EQ(query("CREATE TABLE t AS EXECUTE P(1, 'x')"),
            "CREATE TABLE t AS EXECUTE trunkline_2(1, 'x')");
  EXPECT_EQ(made->client_name("trunkline_2"), "p");
}

TEST_F(RewriterTest, what_is_missing_is_prepared_in_the_same_text) {
  run("PREPARE p(int) AS SELECT $1; PREPARE q AS SELECT 2");
  server.clear();
  EXPECT_EQ(query("BEGIN; EXECUTE p(1); EXECUTE q; EXECUTE p(2)"),
            "BEGIN; PREPARE trunkline_3(int) AS SELECT $1; EXECUTE trunkline_3(1); "
            "PREPARE trunkline_4 AS SELECT 2; EXECUTE trunkline_4; EXECUTE trunkline_3(2)");
  ASSERT_EQ(made->steps.size(), 2u);
  EXPECT_EQ(made->steps[0].kind, StepKind::inserted);
  EXPECT_EQ(made->steps[0].after, 1u);
  EXPECT_EQ(made->steps[1].after, 2u);
  // An error has come before the second.
  made->done = 1;
  Rewriter::undo(*made, server);
  EXPECT_EQ(query("EXECUTE p(1)"), "EXECUTE trunkline_3(1)");
  EXPECT_EQ(query("EXECUTE q"), "PREPARE trunkline_5 AS SELECT 2; EXECUTE trunkline_5");
}

TEST_F(RewriterTest, what_is_missing_for_a_parse_goes_ahead_of_it) {
  run("PREPARE p AS SELECT 1");
  server.clear();
  EXPECT_EQ(parsed("EXECUTE p"), "EXECUTE trunkline_2");
  ASSERT_EQ(made->ahead.size(), 1u);
  EXPECT_EQ(made->ahead[0].number, 2u);
  EXPECT_EQ(Rewriter::prepare(*made->ahead[0].statement, "trunkline_2"),
            "PREPARE trunkline_2 AS SELECT 1");
}

TEST_F(RewriterTest, statements_of_the_protocol_have_the_same_names) {
  prepared_by_protocol("p", "SELECT 1");
  EXPECT_EQ(query("EXECUTE p"), "EXECUTE trunkline_1");
  ASSERT_EQ(made->ahead.size(), 1u) << "by a Parse";
  EXPECT_EQ(query("EXECUTE p; DEALLOCATE p; EXECUTE p"),
            "EXECUTE trunkline_1; DEALLOCATE trunkline_1; EXECUTE p");
  EXPECT_TRUE(made->ahead.empty());
  EXPECT_FALSE(made->knows_all) << "the last one";
}

TEST_F(RewriterTest, names_follow_what_the_text_does) {
  EXPECT_EQ(query("PREPARE p AS SELECT 1; DEALLOCATE p; PREPARE p AS SELECT 2; EXECUTE p"),
            "PREPARE trunkline_1 AS SELECT 1; DEALLOCATE trunkline_1; "
            "PREPARE trunkline_2 AS SELECT 2; EXECUTE trunkline_2");
  // The same for two names: one does not know of the other.
  EXPECT_EQ(query("PREPARE a AS SELECT 3; PREPARE b AS SELECT 3; EXECUTE a"),
            "PREPARE trunkline_3 AS SELECT 3; PREPARE trunkline_4 AS SELECT 3; "
            "EXECUTE trunkline_4");
  EXPECT_EQ(query("PREPARE a AS SELECT 5; DEALLOCATE ALL; EXECUTE a; PREPARE b AS SELECT 6"),
            "PREPARE trunkline_5 AS SELECT 5; DEALLOCATE ALL; EXECUTE a; "
            "PREPARE trunkline_6 AS SELECT 6");
}

TEST_F(RewriterTest, a_name_that_is_taken_is_so_on_the_server) {
  run("PREPARE p AS SELECT 1");
  EXPECT_EQ(query("PREPARE p AS SELECT 2"), "PREPARE trunkline_1 AS SELECT 2");
  EXPECT_TRUE(made->steps.empty());
  EXPECT_EQ(made->client_name("trunkline_1"), "p");
}

TEST_F(RewriterTest, what_the_client_has_not_is_the_servers_to_say_but_for_names_of_ours) {
  EXPECT_EQ(query("EXECUTE none; DEALLOCATE none"), "EXECUTE none; DEALLOCATE none");
  EXPECT_FALSE(made->knows_all);
  EXPECT_EQ(query("EXECUTE trunkline_1; DEALLOCATE PREPARE \"trunkline_x\""),
            "EXECUTE trunkline_0; DEALLOCATE PREPARE trunkline_0");
  EXPECT_EQ(query("PREPARE 7"), "PREPARE 7");
}

TEST_F(RewriterTest, what_is_not_there_any_more_can_be_dropped_whatever_became_of_it) {
  run("PREPARE p AS SELECT * FROM gone");
  server.clear();
  EXPECT_EQ(query("DEALLOCATE p"), "PREPARE trunkline_2 AS SELECT; DEALLOCATE trunkline_2");
  ASSERT_EQ(made->steps.size(), 2u);
  EXPECT_EQ(made->steps[1].kind, StepKind::deallocates);
  EXPECT_EQ(made->steps[1].name, "p");
  EXPECT_EQ(made->steps[1].after, 0u);
}

TEST_F(RewriterTest, reset_goes_back_to_what_the_client_began_with) {
  startup = settings_of({{"search_path", "a, b"}, {"work_mem", "5MB"}});
  EXPECT_EQ(query("RESET work_mem; SELECT 1"),
            "RESET work_mem; SET \"work_mem\" TO '5MB'; SELECT 1");
  ASSERT_EQ(made->steps.size(), 1u);
  EXPECT_EQ(made->steps[0].after, 1u);
  EXPECT_EQ(query("RESET ALL"),
            "RESET ALL; SET \"search_path\" TO 'a', 'b'; SET \"work_mem\" TO '5MB'");
  EXPECT_EQ(query("SET LOCAL search_path TO DEFAULT"), "SET LOCAL \"search_path\" TO 'a', 'b'");
  EXPECT_EQ(query("RESET lock_timeout"), "RESET lock_timeout");
  EXPECT_FALSE(made->restores);
  EXPECT_EQ(parsed("RESET ALL"), "RESET ALL");
  EXPECT_EQ(made->behind.size(), 2u);
}

TEST_F(RewriterTest, only_some_texts_need_it) {
  auto needed = [&](std::string_view text, bool has_startup) {
    return may_need_rewriting(*cache.facts_of(text, {}), has_startup);
  };
  EXPECT_TRUE(needed("select 1; execute p", false));
  EXPECT_TRUE(needed("explain analyze execute p", false));
  EXPECT_FALSE(needed("select 1", true));
  EXPECT_FALSE(needed("set work_mem to default", false));
  EXPECT_TRUE(needed("set work_mem to default", true));
}

}  // namespace
}  // namespace trunkline::session
