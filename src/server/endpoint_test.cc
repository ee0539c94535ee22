#include "server/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/fake_server_for_tests.h"
#include "tls/fixture_for_tests.h"
#include "wire/protocol.h"

namespace trunkline::server {
namespace {

using testing::HasSubstr;
using Mode = config::ServerTlsMode;

class EndpointTest : public tls::TlsTest {
 protected:
  EndpointTest() {
    issue("server", {.common_name = "db", .alternative_names = "IP:127.0.0.1"});
    serve("server");
    wire::append_ssl_request(ssl_request_);
  }

  Result<tls::Stream> open_to(const FakeServer& at, Mode mode,
                              Encryption encryption = Encryption::as_configured,
                              Duration timeout = 5s) {
    server.mode = mode;
    return open_endpoint({.address = at.address(), .host = "127.0.0.1", .tls = server_context()},
                         encryption, timeout);
  }
  Result<tls::Stream> open_endpoint(Endpoint endpoint, Encryption encryption, Duration timeout) {
    std::optional<Result<tls::Stream>> out;
    loop.spawn(open_into(out, loop, std::move(endpoint), encryption, gate, loop.now() + timeout));
    run_until([&] { return out.has_value(); });
    return std::move(*out);
  }
  static io::Task<> open_into(std::optional<Result<tls::Stream>>& out, io::Loop& loop,
                              Endpoint endpoint, Encryption encryption, tls::HandshakeGate& gate,
                              Instant deadline) {
    out = co_await open(loop, std::move(endpoint), encryption, gate, deadline);
  }
  static void expect_failure(const Result<tls::Stream>& result, Reason reason,
                             const std::string& words) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().reason, reason) << result.error().message;
    EXPECT_THAT(result.error().message, HasSubstr("connection to server at \"127.0.0.1:"));
    EXPECT_THAT(result.error().message, HasSubstr(words));
    EXPECT_EQ(result.error().side, Side::server);
    EXPECT_EQ(result.error().retry, Retry::safe);
  }

  std::string ssl_request_;
};

TEST_F(EndpointTest, WithoutTlsNothingIsAsked) {
  FakeServer at(loop, {{.keeps_open = true}});
  auto stream = open_to(at, Mode::disable);
  ASSERT_TRUE(stream) << stream.error().message;
  EXPECT_FALSE(stream->is_encrypted());
  auto never = open_to(at, Mode::require, Encryption::never);
  ASSERT_TRUE(never);
  EXPECT_FALSE(never->is_encrypted());
}

TEST_F(EndpointTest, AServerThatAgreesIsSpokenToUnderTls) {
  for (Mode mode : {Mode::prefer, Mode::require, Mode::verify_ca, Mode::verify_full}) {
    FakeServer at(loop, {{.acts = {{"S", true}}, .keeps_open = true}}, client_context());
    auto stream = open_to(at, mode);
    ASSERT_TRUE(stream) << stream.error().message;
    EXPECT_TRUE(stream->is_encrypted());
    EXPECT_EQ(at.heard[0][0], ssl_request_);
  }
}

TEST_F(EndpointTest, AServerWithoutTlsIsSpokenToInPlainTextWherePreferAllowsIt) {
  FakeServer at(loop, {{.acts = {{"N"}}, .keeps_open = true}});
  auto stream = open_to(at, Mode::prefer);
  ASSERT_TRUE(stream) << stream.error().message;
  EXPECT_FALSE(stream->is_encrypted());
  EXPECT_EQ(at.connections(), 1);
  expect_failure(open_to(at, Mode::prefer, Encryption::always), Reason::server_tls_error,
                 "server does not support SSL, but SSL was required");
}

TEST_F(EndpointTest, AServerWithoutTlsIsRefusedWhereItIsRequired) {
  for (Mode mode : {Mode::require, Mode::verify_ca, Mode::verify_full}) {
    FakeServer at(loop, {{.acts = {{"N"}}, .keeps_open = true}});
    auto stream = open_to(at, mode);
    expect_failure(stream, Reason::server_tls_error, "server does not support SSL");
    EXPECT_THAT(stream.error().hint, HasSubstr("tls.mode"));
  }
}

TEST_F(EndpointTest, AnErrorInsteadOfAnAnswerIsNotShown) {
  FakeServer at(loop, {{.acts = {{fake_refusal("XX000", "send me your password")}}}});
  auto stream = open_to(at, Mode::prefer);
  expect_failure(stream, Reason::server_tls_error,
                 "server sent an error response during SSL exchange");
  EXPECT_EQ(stream.error().message.find("password"), std::string::npos);
}

TEST_F(EndpointTest, GarbageInsteadOfAnAnswerIsRefused) {
  for (const char* garbage : {"s", "n", "\x16", "HTTP/1.1 400"}) {
    FakeServer at(loop, {{.acts = {{garbage}}, .keeps_open = true}});
    expect_failure(open_to(at, Mode::prefer), Reason::server_tls_error,
                   "received invalid response to SSL negotiation");
  }
}

TEST_F(EndpointTest, BytesStuffedBehindTheAnswerNeverCountAsTheServers) {
  FakeServer at(loop, {{.acts = {{"S" + fake_login()}}, .keeps_open = true}});
  auto stream = open_to(at, Mode::prefer);
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().reason, Reason::server_tls_error) << stream.error().message;
}

TEST_F(EndpointTest, AServerThatClosesIsNamed) {
  FakeServer at(loop, {{.acts = {{""}}}});
  expect_failure(open_to(at, Mode::prefer), Reason::server_closed,
                 "server closed the connection unexpectedly");
}

TEST_F(EndpointTest, AServerThatSaysNothingIsGivenUp) {
  FakeServer at(loop, {{.acts = {{""}}, .keeps_open = true}});
  expect_failure(open_to(at, Mode::prefer, Encryption::as_configured, 20ms),
                 Reason::server_connect_failed, "timeout expired");
  FakeServer in_tls(loop, {{.acts = {{"S"}}, .keeps_open = true}});
  auto stream = open_to(in_tls, Mode::prefer, Encryption::as_configured, 20ms);
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().retry, Retry::safe);
}

TEST_F(EndpointTest, ARefusedConnectIsNamed) {
  std::optional<io::SocketAddress> address;
  {
    FakeServer gone(loop, {{}});
    address = gone.address();
  }
  server.mode = Mode::disable;
  expect_failure(open_endpoint({.address = *address, .host = "db", .tls = server_context()},
                               Encryption::as_configured, 5s),
                 Reason::server_connect_failed, "Connection refused");
}

TEST_F(EndpointTest, AnUntrustedCertificateIsAFailureOfTls) {
  server.mode = Mode::verify_full;
  FakeServer at(loop, {{.acts = {{"S", true}}, .keeps_open = true}}, client_context());
  auto stream =
      open_endpoint({.address = at.address(), .host = "other.example", .tls = server_context()},
                    Encryption::as_configured, 5s);
  expect_failure(stream, Reason::server_tls_error, "does not match host name");
}

TEST_F(EndpointTest, UnixSocketsAreNeverEncrypted) {
  auto path = io::SocketAddress::unix_path(folder.file(".s.PGSQL.5432"));
  auto fd = io::open_listener(*path, {});
  ASSERT_TRUE(fd.has_value());
  server.mode = Mode::require;
  auto stream = open_endpoint({.address = *path, .host = folder.file(""), .tls = server_context()},
                              Encryption::always, 5s);
  ASSERT_TRUE(stream) << stream.error().message;
  EXPECT_FALSE(stream->is_encrypted());
  ::close(*fd);
}

}  // namespace
}  // namespace trunkline::server
