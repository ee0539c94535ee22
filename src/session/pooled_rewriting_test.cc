#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "session/pooled_for_tests.h"

// SQL's PREPARE, EXECUTE and DEALLOCATE, and RESET, on shared connections.
namespace trunkline::session {
namespace {

using Verdict = PooledMachine::Verdict;

const std::string kSelectDone = done("SELECT 1");
// What a statement of our own in the midst of the client's is answered with.
const std::string kOwnRun = kClosed + kParsed + kBound + done("PREPARE") + kClosed + kClosed;

std::string own_run(std::string_view sql) {
  std::string close = "P";
  return close_statement("trunkline_own") + parse("trunkline_own", sql) +
         binding("trunkline_own", "trunkline_own") + execute("trunkline_own") +
         msg('C', close + c("trunkline_own")) + close_statement("trunkline_own");
}

std::string failed_at(std::string_view message, std::string_view place) {
  wire::ErrorField fields[] = {{'S', "ERROR"}, {'V', "ERROR"}, {'C', "42601"},
                               {'M', message}, {'P', place},   {'R', "x"}};
  std::string bytes;
  wire::append_error_response(bytes, fields);
  return bytes;
}

class PooledRewriting : public PooledTest {
 protected:
  void prepare(PooledPlay& play, std::string_view sql) {
    play.use(*connection);
    run(play, sql, "PREPARE");
    play.leave();
  }
};

TEST_F(PooledRewriting, each_session_has_its_own) {
  prepare(a, "PREPARE p AS SELECT 1");
  prepare(b, "PREPARE p AS SELECT 2");
  a.use(*connection);
  a.client(query("EXECUTE p"));
  EXPECT_EQ(a.heard(), query("EXECUTE trunkline_1"));
  EXPECT_EQ(a.server(kSelectDone + ready()), kSelectDone + ready());
  run(a, "DEALLOCATE p", "DEALLOCATE");
  a.client(query("EXECUTE p"));
  EXPECT_EQ(a.heard(), query("EXECUTE p")) << "the server says that there is none";
}

TEST_F(PooledRewriting, on_another_connection_it_is_prepared_unseen) {
  prepare(a, "PREPARE p(int) AS SELECT $1");
  auto other = PooledPlay::connection(metrics);
  a.use(*other);
  a.client(query("SELECT 0; EXECUTE p(1)"));
  EXPECT_EQ(a.heard(), query("SELECT 0; PREPARE trunkline_1(int) AS SELECT $1; "
                             "EXECUTE trunkline_1(1)"));
  EXPECT_EQ(a.server(kSelectDone + done("PREPARE") + kSelectDone + ready()),
            kSelectDone + kSelectDone + ready());
  a.client(query("EXECUTE p(1)"));
  EXPECT_EQ(a.heard(), query("EXECUTE trunkline_1(1)"));
}

TEST_F(PooledRewriting, what_has_failed_is_not_there) {
  a.use(*connection);
  a.client(query("PREPARE p AS SELECT nothing; SELECT 1"));
  a.server(failed("42703", "column \"nothing\" does not exist") + ready());
  a.heard();
  a.client(query("EXECUTE p"));
  EXPECT_EQ(a.heard(), query("EXECUTE p"));
}

TEST_F(PooledRewriting, errors_tell_the_clients_names_and_places) {
  prepare(a, "PREPARE p AS SELECT 1");
  a.use(*connection);
  a.client(query("PREPARE p AS SELECT 2"));
  EXPECT_EQ(
      a.server(failed("42P05", "prepared statement \"trunkline_1\" already exists") + ready()),
      failed("42P05", "prepared statement \"p\" already exists") + ready());
  a.heard();
  a.client(query("EXECUTE p; SELEC"));
  EXPECT_EQ(a.heard(), query("EXECUTE trunkline_1; SELEC"));
  EXPECT_EQ(a.server(failed_at("syntax error at or near \"SELEC\"", "22") + ready()),
            failed_at("syntax error at or near \"SELEC\"", "12") + ready());
}

TEST_F(PooledRewriting, the_extended_protocol_executes_under_the_names_of_the_connection) {
  a.use(*connection);
  a.client(parse("", "PREPARE p AS SELECT 1") + binding("", "") + execute() + kSync);
  EXPECT_EQ(a.heard(), parse("", "PREPARE p AS SELECT 1") +
                           parse("", "PREPARE trunkline_1 AS SELECT 1") + binding("", "") +
                           execute() + kSync);
  EXPECT_EQ(a.server(kParsed + kParsed + kBound + done("PREPARE") + ready()),
            kParsed + kBound + done("PREPARE") + ready());
  a.leave();
  auto other = PooledPlay::connection(metrics);
  a.use(*other);
  a.client(parse("e", "EXECUTE p") + binding("", "e") + execute() + kSync);
  EXPECT_EQ(a.heard(), parse("trunkline_1", "EXECUTE p") +
                           own_run("PREPARE trunkline_2 AS SELECT 1") +
                           parse("trunkline_3", "EXECUTE trunkline_2") +
                           binding("", "trunkline_3") + execute() + kSync);
  EXPECT_EQ(a.server(kParsed + kOwnRun + kParsed + kBound + kSelectDone + ready()),
            kParsed + kBound + kSelectDone + ready());
  a.client(binding("", "e") + execute() + kSync);
  EXPECT_EQ(a.heard(), binding("", "trunkline_3") + execute() + kSync);
}

TEST_F(PooledRewriting, what_follows_in_a_pipeline_waits) {
  a.use(*connection);
  EXPECT_EQ(a.client(parse("", "PREPARE p AS SELECT 1") + binding("", "") + execute() +
                     parse("x", "EXECUTE p") + binding("", "x") + execute() + kSync),
            Verdict::hold);
  EXPECT_TRUE(a.heard().ends_with(execute() + msg('H', "")))
      << "the server is asked for its answers";
  a.server(kParsed + kParsed + kBound + done("PREPARE"));
  EXPECT_EQ(a.heard(), parse("trunkline_2", "EXECUTE p") +
                           parse("trunkline_3", "EXECUTE trunkline_1") +
                           binding("", "trunkline_3") + execute() + kSync);
}

TEST_F(PooledRewriting, reset_in_a_transaction_goes_back_to_what_the_client_began_with) {
  PooledPlay c{3, settings_of({{"work_mem", "5MB"}})};
  connection->settings = settings_of({{"work_mem", "5MB"}});
  connection->last_session = 3;
  c.use(*connection);
  run(c, "BEGIN", "BEGIN", 'T');
  c.client(query("RESET work_mem"));
  EXPECT_EQ(c.heard(), query("RESET work_mem; SET \"work_mem\" TO '5MB'"));
  EXPECT_EQ(c.server(done("RESET") + done("SET") + ready('T')), done("RESET") + ready('T'));
  c.client(parse("", "RESET ALL") + binding("", "") + execute() + kSync);
  EXPECT_EQ(c.heard(), parse("", "RESET ALL") + binding("", "") + execute() +
                           own_run("SET \"work_mem\" TO '5MB'") + kSync);
  EXPECT_EQ(c.server(kParsed + kBound + done("RESET") + kOwnRun + ready('T')),
            kParsed + kBound + done("RESET") + ready('T'));
  run(c, "COMMIT", "COMMIT");
  c.client(query("SELECT 1"));
  EXPECT_EQ(c.heard(), query("SELECT 1")) << "and is there";
}

}  // namespace
}  // namespace trunkline::session
