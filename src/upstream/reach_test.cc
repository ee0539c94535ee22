#include "upstream/reach.h"

#include <atomic>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/epoll_backend.h"
#include "server/fake_server_for_tests.h"
#include "upstream/set.h"

namespace trunkline::upstream {
namespace {

using server::FakeServer;
using testing::HasSubstr;

const std::string kNotNow = server::fake_refusal("57P03", "the database system is starting up");
const std::string kNoSuchRole = server::fake_refusal("28000", "role does not exist");

class ReachTest : public testing::Test {
 protected:
  using LoggedIn = std::expected<server::LoggedIn, server::Refusal>;

  // The upstream of servers on the loopback.
  using Mode = config::ServerTlsMode;
  void serve(const std::vector<uint16_t>& ports, Mode mode = Mode::disable) {
    std::vector<config::ServerAddress> servers;
    for (uint16_t port : ports) servers.push_back({.host = "127.0.0.1", .port = port});
    serve_at(std::move(servers), mode);
  }
  void serve_at(std::vector<config::ServerAddress> servers, Mode mode = Mode::disable) {
    config_.upstreams["main"].servers = std::move(servers);
    config_.upstreams["main"].tls.mode = mode;
    set_ = Set::compile(config_, nullptr, findings_);
  }
  uint16_t closed_port() { return FakeServer(loop_, {{}}).port(); }

  LoggedIn log_in(Duration timeout = 5s) {
    std::optional<LoggedIn> out;
    loop_.spawn(log_in_into(out, *this, loop_.now() + timeout));
    for (int round = 0; !out && round < 100'000; ++round) loop_.run_once(true);
    return std::move(*out);
  }
  static io::Task<> log_in_into(std::optional<LoggedIn>& out, ReachTest& test, Instant deadline) {
    server::LoginRequest request{.credentials = {.user = "ann"}, .parameters = {}};
    server::LoginContext context = test.context();
    out = co_await upstream::log_in(test.set_->named().at("main"), context, request,
                                    *test.resolver_, deadline);
  }
  std::expected<Opened, server::Refusal> open(server::Encryption encryption) {
    std::optional<std::expected<Opened, server::Refusal>> out;
    loop_.spawn(open_into(out, *this, encryption));
    for (int round = 0; !out && round < 100'000; ++round) loop_.run_once(true);
    return std::move(*out);
  }
  static io::Task<> open_into(std::optional<std::expected<Opened, server::Refusal>>& out,
                              ReachTest& test, server::Encryption encryption) {
    server::LoginContext context = test.context();
    out = co_await upstream::open(test.set_->named().at("main"), encryption, context,
                                  *test.resolver_, test.loop_.now() + 5s);
  }
  static io::Task<> cancel_into(std::optional<Result<>>& out, ReachTest& test) {
    out = co_await upstream::cancel(test.set_->named().at("main"), {77, "key!"}, test.loop_,
                                    test.gate_, *test.resolver_, test.loop_.now() + 5s);
  }
  server::LoginContext context() {
    return {.loop = loop_, .handshakes = gate_, .key_cache = cache_, .message_bytes_max = 65536};
  }
  const Health& health(size_t index) { return *set_->named().at("main")->servers()[index].health; }
  static server::FakeScript says(const std::string& answer) {
    return {.acts = {{answer}}, .keeps_open = true};
  }
  static server::FakeScript lets_in() { return says(server::fake_login()); }

  io::Loop loop_{std::make_unique<io::EpollBackend>()};
  tls::HandshakeGate gate_{loop_};
  auth::KeyCache cache_;
  config::Config config_;
  tls::Findings findings_;
  std::shared_ptr<const Set> set_;
  Resolver in_place_;
  Resolver* resolver_ = &in_place_;
};

TEST_F(ReachTest, TheFirstServerThatAnswersIsTheOne) {
  FakeServer first(loop_, {lets_in()});
  FakeServer second(loop_, {lets_in()});
  serve({first.port(), second.port()});
  LoggedIn logged_in = log_in();
  ASSERT_TRUE(logged_in) << logged_in.error().error.message;
  EXPECT_EQ(logged_in->connection.endpoint.address.port(), first.port());
  EXPECT_EQ(logged_in->connection.cancel_key.secret, "key!");
  EXPECT_EQ(second.connections(), 0);
  EXPECT_TRUE(health(0).last_answer());
  EXPECT_FALSE(health(1).last_answer());
}

TEST_F(ReachTest, AServerThatRefusesTheConnectionIsPassedBy) {
  FakeServer second(loop_, {lets_in()});
  serve({closed_port(), second.port()});
  LoggedIn logged_in = log_in();
  ASSERT_TRUE(logged_in) << logged_in.error().error.message;
  EXPECT_EQ(logged_in->connection.endpoint.address.port(), second.port());
  ASSERT_TRUE(health(0).last_failure());
  EXPECT_THAT(health(0).last_failure()->why, HasSubstr("Connection refused"));
  EXPECT_FALSE(health(0).last_answer());
  EXPECT_TRUE(health(1).last_answer());
}

TEST_F(ReachTest, AServerThatBreaksOffTheLoginIsPassedBy) {
  FakeServer first(loop_, {{.acts = {{""}}}});
  FakeServer second(loop_, {lets_in()});
  serve({first.port(), second.port()});
  ASSERT_TRUE(log_in());
  EXPECT_EQ(first.connections(), 1);
  EXPECT_TRUE(health(0).last_failure());
}

TEST_F(ReachTest, AServerThatCannotBeConnectedToNowIsPassedBy) {
  FakeServer first(loop_, {says(kNotNow)});
  FakeServer second(loop_, {lets_in()});
  serve({first.port(), second.port()});
  LoggedIn logged_in = log_in();
  ASSERT_TRUE(logged_in);
  EXPECT_EQ(logged_in->connection.endpoint.address.port(), second.port());
  EXPECT_THAT(health(0).last_failure()->why, HasSubstr("starting up"));
}

TEST_F(ReachTest, ANameThatDoesNotResolveIsPassedBy) {
  FakeServer second(loop_, {lets_in()});
  serve_at({{.host = "no-such-name.invalid", .port = 5432},
            {.host = "127.0.0.1", .port = second.port()}});
  ASSERT_TRUE(log_in());
  EXPECT_TRUE(health(0).last_failure());
}

TEST_F(ReachTest, AServerThatRefusesTheLoginHasTheLastWord) {
  FakeServer first(loop_, {says(kNoSuchRole)});
  FakeServer second(loop_, {lets_in()});
  serve({first.port(), second.port()});
  LoggedIn logged_in = log_in();
  ASSERT_FALSE(logged_in);
  EXPECT_EQ(logged_in.error().response, kNoSuchRole);
  EXPECT_EQ(second.connections(), 0);
  EXPECT_TRUE(health(0).last_answer()) << "it is there, it only does not want us";
  EXPECT_FALSE(health(0).last_failure());
}

TEST_F(ReachTest, WhenAllFailTheLastOneIsTold) {
  FakeServer second(loop_, {says(kNotNow)});
  serve({closed_port(), second.port()});
  LoggedIn logged_in = log_in();
  ASSERT_FALSE(logged_in);
  EXPECT_EQ(logged_in.error().response, kNotNow);
  EXPECT_TRUE(health(0).last_failure());
  EXPECT_TRUE(health(1).last_failure());
}

TEST_F(ReachTest, TheDeadlineOfTheLoginEndsTheWalk) {
  FakeServer first(loop_, {says("")});
  FakeServer second(loop_, {lets_in()});
  serve({first.port(), second.port()});
  LoggedIn logged_in = log_in(30ms);
  ASSERT_FALSE(logged_in);
  EXPECT_THAT(logged_in.error().error.message, HasSubstr("timeout expired"));
  EXPECT_EQ(second.connections(), 0);
}

TEST_F(ReachTest, TheDeadlineOfTheLoginEndsTheWaitForAName) {
  auto answer = std::make_shared<std::atomic<bool>>(false);
  Resolver slow(1, [answer](const std::string& /*host*/) -> Resolver::Addresses {
    answer->wait(false);
    return std::unexpected("late");
  });
  resolver_ = &slow;
  FakeServer second(loop_, {lets_in()});
  serve_at({{.host = "slow.invalid"}, {.host = "127.0.0.1", .port = second.port()}});
  LoggedIn logged_in = log_in(30ms);
  ASSERT_FALSE(logged_in);
  EXPECT_EQ(logged_in.error().error.message, "cannot resolve \"slow.invalid\": timeout expired");
  EXPECT_EQ(second.connections(), 0);
  *answer = true;
  answer->notify_all();
}

TEST_F(ReachTest, PreferOpensWithoutTlsWhereTlsFails) {
  FakeServer only(loop_, {{.acts = {{"?"}}}, says("")});
  serve({only.port()}, Mode::prefer);
  auto opened = open(server::Encryption::as_configured);
  ASSERT_TRUE(opened) << opened.error().error.message;
  EXPECT_FALSE(opened->stream.is_encrypted());
  EXPECT_EQ(only.connections(), 2);
}

TEST_F(ReachTest, ForTheTlsOfAClientAServerThatHasNoneIsPassedBy) {
  FakeServer closes(loop_, {{.acts = {{""}}}});
  FakeServer refuses(loop_, {says("N")});
  FakeServer agrees(loop_, {says("S")});
  serve({closes.port(), refuses.port(), agrees.port()});
  auto opened = open(server::Encryption::of_client);
  ASSERT_TRUE(opened) << opened.error().error.message;
  EXPECT_EQ(opened->endpoint.address.port(), agrees.port());
  EXPECT_FALSE(opened->stream.is_encrypted()) << "the handshake is the client's own";
  serve({closes.port(), refuses.port()});
  opened = open(server::Encryption::of_client);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().error.reason, Reason::server_tls_error);
  EXPECT_THAT(opened.error().error.message, HasSubstr("which passthrough needs"));
}

TEST_F(ReachTest, ACancelGoesToTheFirstAddressThatTakesIt) {
  Resolver two(0, [](const std::string& /*host*/) -> Resolver::Addresses {
    return std::vector{*IpAddress::parse("127.0.0.2"), *IpAddress::parse("127.0.0.1")};
  });
  resolver_ = &two;
  FakeServer at(loop_, {{.acts = {{""}}}});
  serve_at({{.host = "db", .port = at.port()}});
  std::optional<Result<>> sent;
  loop_.spawn(cancel_into(sent, *this));
  for (int round = 0; !sent && round < 100'000; ++round) loop_.run_once(true);
  ASSERT_TRUE(sent && *sent) << sent->error().message;
  std::string request;
  wire::append_cancel_request(request, 77, "key!");
  ASSERT_EQ(at.connections(), 1);
  EXPECT_EQ(at.heard[0], (std::vector{request}));
}

TEST_F(ReachTest, AStreamIsOpenedWithoutAWord) {
  FakeServer second(loop_, {says("")});
  serve({closed_port(), second.port()});
  auto opened = open(server::Encryption::never);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->endpoint.address.port(), second.port());
  for (int round = 0; round < 20; ++round) loop_.run_once(false);
  ASSERT_EQ(second.connections(), 1);
  EXPECT_TRUE(second.heard[0].empty());
  EXPECT_TRUE(health(1).last_answer());
}

}  // namespace
}  // namespace trunkline::upstream
