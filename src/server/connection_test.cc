#include "server/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/fake_server_for_tests.h"
#include "tls/fixture_for_tests.h"

namespace trunkline::server {
namespace {

using testing::HasSubstr;
using Mode = config::ServerTlsMode;

const std::string kNoEntry = fake_refusal("28000", "no pg_hba.conf entry for host");
const std::string kWrongPassword = fake_refusal("28P01", "password authentication failed");

// Which encryption a login is tried with, and what a refusal leads to.
class ConnectionTest : public tls::TlsTest {
 protected:
  using Outcome = std::expected<LoggedIn, Refusal>;

  ConnectionTest() {
    issue("server", {.common_name = "db", .alternative_names = "IP:127.0.0.1"});
    serve("server");
  }

  Outcome log_in_to(const FakeServer& at, Mode mode) {
    server.mode = mode;
    Endpoint endpoint{.address = at.address(), .host = "127.0.0.1", .tls = server_context()};
    std::optional<Outcome> out;
    loop.spawn(log_in_into(out, *this, std::move(endpoint)));
    run_until([&] { return out.has_value(); });
    return std::move(*out);
  }
  static io::Task<> log_in_into(std::optional<Outcome>& out, ConnectionTest& test,
                                Endpoint endpoint) {
    LoginContext context{.loop = test.loop,
                         .handshakes = test.gate,
                         .key_cache = test.cache_,
                         .message_bytes_max = 65536,
                         .tls_attempts = &test.attempts_};
    LoginRequest request{.credentials = {.user = "ann"}, .parameters = {}};
    Instant deadline = test.loop.now() + 5s;
    out = co_await connect_and_log_in(context, std::move(endpoint), request, deadline, deadline);
  }

  // A connection that asks for TLS and is answered under it, or in plain text after a no, or that
  // does not ask.
  static FakeScript under_tls(const std::string& answer) {
    return {.acts = {{"S", true}, {answer}}, .keeps_open = true};
  }
  static FakeScript without_tls(const std::string& answer) {
    return {.acts = {{"N"}, {answer}}, .keeps_open = true};
  }
  static FakeScript plain(const std::string& answer) {
    return {.acts = {{answer}}, .keeps_open = true};
  }

  void expect_attempts(uint32_t succeeded, uint32_t failed) {
    EXPECT_EQ(attempts_.succeeded, succeeded);
    EXPECT_EQ(attempts_.failed, failed);
    attempts_ = {};
  }

  auth::KeyCache cache_;
  TlsAttempts attempts_;
};

TEST_F(ConnectionTest, PreferLogsInWithoutTlsWhenTheServerRefusesTheLoginWithIt) {
  FakeServer at(loop, {under_tls(kNoEntry), plain(fake_login())}, client_context());
  Outcome logged_in = log_in_to(at, Mode::prefer);
  ASSERT_TRUE(logged_in) << logged_in.error().error.message;
  EXPECT_FALSE(logged_in->connection.stream.is_encrypted());
  EXPECT_EQ(at.connections(), 2);
}

TEST_F(ConnectionTest, PreferDoesNotRepeatALoginThatWasPlainAlready) {
  FakeServer at(loop, {without_tls(kNoEntry), plain(fake_login())});
  Outcome logged_in = log_in_to(at, Mode::prefer);
  ASSERT_FALSE(logged_in);
  EXPECT_EQ(logged_in.error().response, kNoEntry);
  EXPECT_EQ(at.connections(), 1);
}

TEST_F(ConnectionTest, PreferLogsInWithoutTlsWhenTlsFails) {
  FakeServer at(loop, {{.acts = {{"?"}}}, plain(fake_login())});
  Outcome logged_in = log_in_to(at, Mode::prefer);
  ASSERT_TRUE(logged_in) << logged_in.error().error.message;
  EXPECT_FALSE(logged_in->connection.stream.is_encrypted());
}

TEST_F(ConnectionTest, PreferDoesNotSendAPasswordThatWasWrongInPlainText) {
  FakeServer at(loop, {under_tls(kWrongPassword), plain(fake_login())}, client_context());
  Outcome logged_in = log_in_to(at, Mode::prefer);
  ASSERT_FALSE(logged_in);
  EXPECT_EQ(logged_in.error().response, kWrongPassword);
  EXPECT_EQ(at.connections(), 1);
}

TEST_F(ConnectionTest, WhenBothTriesAreRefusedTheLastWordsAreTheServers) {
  FakeServer at(loop, {under_tls(kNoEntry), plain(kWrongPassword)}, client_context());
  Outcome logged_in = log_in_to(at, Mode::prefer);
  ASSERT_FALSE(logged_in);
  EXPECT_EQ(logged_in.error().response, kWrongPassword);
}

TEST_F(ConnectionTest, WhenTheSecondTryIsNotAnsweredTheFirstIsTheCause) {
  FakeServer at(loop, {under_tls(kNoEntry), {.acts = {{""}}}}, client_context());
  Outcome logged_in = log_in_to(at, Mode::prefer);
  ASSERT_FALSE(logged_in);
  EXPECT_EQ(logged_in.error().response, kNoEntry);
  FakeServer garbage(loop, {{.acts = {{"?"}}}, plain(kNoEntry)});
  logged_in = log_in_to(garbage, Mode::prefer);
  ASSERT_FALSE(logged_in);
  EXPECT_THAT(logged_in.error().error.message, HasSubstr("SSL negotiation"));
}

TEST_F(ConnectionTest, AllowLogsInWithoutTlsWhereTheServerLetsIt) {
  FakeServer at(loop, {plain(fake_login())});
  Outcome logged_in = log_in_to(at, Mode::allow);
  ASSERT_TRUE(logged_in) << logged_in.error().error.message;
  EXPECT_FALSE(logged_in->connection.stream.is_encrypted());
  EXPECT_EQ(at.connections(), 1);
}

TEST_F(ConnectionTest, AllowLogsInWithTlsAfterAnyRefusalWithout) {
  for (const std::string& refusal : {kNoEntry, kWrongPassword}) {
    FakeServer at(loop, {plain(refusal), under_tls(fake_login())}, client_context());
    Outcome logged_in = log_in_to(at, Mode::allow);
    ASSERT_TRUE(logged_in) << logged_in.error().error.message;
    EXPECT_TRUE(logged_in->connection.stream.is_encrypted());
    EXPECT_EQ(at.connections(), 2);
  }
}

TEST_F(ConnectionTest, AllowNeverTriesWithoutTlsAgain) {
  FakeServer at(loop, {plain(kNoEntry), under_tls(kWrongPassword), plain(fake_login())},
                client_context());
  Outcome logged_in = log_in_to(at, Mode::allow);
  ASSERT_FALSE(logged_in);
  EXPECT_EQ(logged_in.error().response, kWrongPassword);
  EXPECT_EQ(at.connections(), 2);
}

TEST_F(ConnectionTest, AllowTellsTheRefusalOfAServerThatHasNoTls) {
  FakeServer at(loop, {plain(kNoEntry), without_tls(fake_login())});
  Outcome logged_in = log_in_to(at, Mode::allow);
  ASSERT_FALSE(logged_in);
  EXPECT_EQ(logged_in.error().response, kNoEntry);
}

TEST_F(ConnectionTest, AllowIsSatisfiedWithAnErrorAfterTheLogin) {
  std::string bytes;
  wire::append_authentication_ok(bytes);
  std::string no_database = fake_refusal("3D000", "database does not exist");
  FakeServer at(loop, {plain(bytes + no_database), under_tls(fake_login())}, client_context());
  Outcome logged_in = log_in_to(at, Mode::allow);
  ASSERT_FALSE(logged_in);
  EXPECT_EQ(logged_in.error().response, no_database);
  EXPECT_EQ(at.connections(), 1);
}

TEST_F(ConnectionTest, EveryAttemptAtTlsIsReportedWhateverBecomesOfTheLogin) {
  FakeServer both(loop, {under_tls(kNoEntry), plain(fake_login())}, client_context());
  EXPECT_TRUE(log_in_to(both, Mode::prefer));
  expect_attempts(1, 0);
  FakeServer says_no(loop, {without_tls(kWrongPassword)});
  EXPECT_FALSE(log_in_to(says_no, Mode::prefer));
  expect_attempts(0, 1);
  EXPECT_FALSE(log_in_to(says_no, Mode::require));
  expect_attempts(0, 1);
  FakeServer closes(loop, {{.acts = {{""}}}});
  EXPECT_FALSE(log_in_to(closes, Mode::require));
  expect_attempts(0, 1);
  FakeServer refuses(loop, {under_tls(kWrongPassword)}, client_context());
  EXPECT_FALSE(log_in_to(refuses, Mode::verify_full));
  expect_attempts(1, 0);
  FakeServer lets_in(loop, {plain(fake_login())});
  EXPECT_TRUE(log_in_to(lets_in, Mode::allow));
  expect_attempts(0, 0);
  FakeServer insists(loop, {plain(kNoEntry), without_tls("")});
  EXPECT_FALSE(log_in_to(insists, Mode::allow));
  expect_attempts(0, 1);
}

TEST_F(ConnectionTest, RequireNeverLogsInWithoutTls) {
  FakeServer at(loop, {under_tls(kNoEntry), plain(fake_login())}, client_context());
  Outcome logged_in = log_in_to(at, Mode::require);
  ASSERT_FALSE(logged_in);
  EXPECT_EQ(at.connections(), 1);
}

}  // namespace
}  // namespace trunkline::server
