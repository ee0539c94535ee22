#include "server/cancel.h"

#include <gtest/gtest.h>

#include "server/fake_server_for_tests.h"
#include "tls/fixture_for_tests.h"

namespace trunkline::server {
namespace {

class CancelTest : public tls::TlsTest {
 protected:
  CancelTest() {
    issue("server", {.common_name = "db", .alternative_names = "IP:127.0.0.1"});
    serve("server");
    wire::append_ssl_request(ssl_request_);
    wire::append_cancel_request(request_, 77, "key!");
  }

  void start(io::SocketAddress address, bool encrypted, std::string secret = "key!",
             Duration timeout = 5s) {
    Endpoint endpoint{.address = address, .host = "127.0.0.1", .tls = server_context()};
    loop.spawn(cancel_into(sent_, loop, std::move(endpoint), encrypted, {77, std::move(secret)},
                           gate, loop.now() + timeout));
  }
  void run_to_answer() {
    run_until([this] { return sent_.has_value(); });
  }
  static io::Task<> cancel_into(std::optional<Result<>>& out, io::Loop& loop, Endpoint endpoint,
                                bool encrypted, CancelKey key, tls::HandshakeGate& gate,
                                Instant deadline) {
    out = co_await cancel(loop, std::move(endpoint), encrypted, std::move(key), gate, deadline);
  }

  std::string ssl_request_;
  std::string request_;
  std::optional<Result<>> sent_;
};

TEST_F(CancelTest, IsDoneWhenTheServerHasClosed) {
  FakeServer at(loop, {{.acts = {{""}}, .keeps_open = true}});
  start(at.address(), false);
  run_until([&] { return at.connections() == 1 && !at.heard[0].empty(); });
  EXPECT_EQ(at.heard[0][0], request_);
  for (int i = 0; i < 20; ++i) loop.run_once(true);
  EXPECT_FALSE(sent_) << "the signal may not be out yet";
  at.close_all();
  run_to_answer();
  EXPECT_TRUE(*sent_);
}

TEST_F(CancelTest, GoesUnderTlsWhereTheSessionDoes) {
  FakeServer at(loop, {{.acts = {{"S", true}, {""}}}}, client_context());
  start(at.address(), true);
  run_to_answer();
  EXPECT_TRUE(*sent_);
  EXPECT_EQ(at.heard[0], (std::vector{ssl_request_, request_}));
}

TEST_F(CancelTest, NeverLeavesTlsForAServerThatHasNone) {
  server.mode = config::ServerTlsMode::prefer;
  FakeServer at(loop, {{.acts = {{"N"}}, .keeps_open = true}});
  start(at.address(), true);
  run_to_answer();
  EXPECT_FALSE(*sent_);
  EXPECT_EQ(at.heard[0], (std::vector{ssl_request_})) << "the key was not shown";
}

TEST_F(CancelTest, KeysOfAnyLengthAreToldWhole) {
  std::string key(256, 'k');
  FakeServer at(loop, {{.acts = {{""}}}});
  start(at.address(), false, key);
  run_to_answer();
  EXPECT_TRUE(*sent_);
  EXPECT_EQ(at.heard[0][0].size(), 12 + 256);
  EXPECT_TRUE(at.heard[0][0].ends_with(key));
}

TEST_F(CancelTest, AServerThatNeverClosesIsLeftAtTheDeadline) {
  FakeServer at(loop, {{.acts = {{""}}, .keeps_open = true}});
  start(at.address(), false, "key!", 30ms);
  run_to_answer();
  run_until([&] { return at.ended == 1; });
  ASSERT_FALSE(*sent_);
  EXPECT_EQ(sent_->error().reason, Reason::server_unreachable);
  EXPECT_NE(sent_->error().retry, Retry::safe) << "it may yet come";
}

TEST_F(CancelTest, WhatTheServerHasNotSeenCannotCome) {
  FakeServer at(loop, {{.acts = {}, .keeps_open = true}});
  start(at.address(), true, "key!", 30ms);
  run_to_answer();
  ASSERT_FALSE(*sent_);
  EXPECT_EQ(sent_->error().retry, Retry::safe) << "no TLS, so no key was shown";
}

TEST_F(CancelTest, AServerThatCannotBeReachedIsAFailure) {
  std::optional<io::SocketAddress> address;
  {
    FakeServer gone(loop, {{}});
    address = gone.address();
  }
  start(*address, false);
  run_to_answer();
  ASSERT_FALSE(*sent_);
  EXPECT_EQ(sent_->error().reason, Reason::server_connect_failed);
  EXPECT_EQ(sent_->error().retry, Retry::safe);
}

}  // namespace
}  // namespace trunkline::server
