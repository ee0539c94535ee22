#include "session/greeting.h"

#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <vector>

#include "session/environment_for_tests.h"
#include "session/pooled_relays.h"
#include "session/proxy_protocol.h"
#include "tls/fixture_for_tests.h"
#include "wire/builders.h"

namespace trunkline::session {
namespace {

std::string startup_packet(const std::string& user) {
  std::string bytes;
  wire::append_startup(bytes, wire::kProtocol30, {{{"user", user}}});
  return bytes;
}
std::string ssl_request() {
  std::string bytes;
  wire::append_ssl_request(bytes);
  return bytes;
}
std::string cancel_request(std::string_view key) {
  std::string bytes;
  wire::append_cancel_request(bytes, 77, key);
  return bytes;
}
const std::string kV1 = "PROXY TCP4 203.0.113.7 10.0.0.1 5555 6432\r\n";

class GreetingTest : public tls::TlsTest {
 protected:
  // Says the pieces one after the other, each when the one before has been taken in, then closes
  // the sending side unless `stays`.
  FirstRequest greeted(const std::vector<std::string>& pieces, bool stays = false,
                       Duration timeout = 5s) {
    auto [near, far] = socket_pair();
    tls::Stream client(io::Socket(loop, near, false));
    std::optional<FirstRequest> request;
    NoMail mail;
    Process process = test_process_.process(mail);
    Environment environment{.process = process,
                            .worker = 0,
                            .loop = loop,
                            .slab = slab_,
                            .handshakes = gate,
                            .metrics = metrics_,
                            .desk = desk_,
                            .statements = statements_,
                            .relays = relays_,
                            .route_uses = route_uses_,
                            .snapshot = nullptr};
    peer_ = io::SocketAddress::ip(*IpAddress::parse("10.1.2.3"), 1000);
    loop.spawn(greet_into(request, client, peer_, listener_, environment, loop.now() + timeout));
    for (const std::string& piece : pieces) {
      ::send(far, piece.data(), piece.size(), MSG_NOSIGNAL);
      for (int i = 0; i < 4; ++i) loop.run_once(false);
    }
    if (!stays) ::shutdown(far, SHUT_WR);
    run_until([&] { return request.has_value(); });
    char answer[256];
    ssize_t got = ::recv(far, answer, sizeof answer, 0);
    answered_.assign(answer, got > 0 ? static_cast<size_t>(got) : 0);
    ::close(far);
    return std::move(*request);
  }
  static io::Task<> greet_into(std::optional<FirstRequest>& out, tls::Stream& client,
                               io::SocketAddress& peer, const Listener& listener,
                               Environment& environment, Instant deadline) {
    out = co_await greet(client, peer, listener, environment, deadline);
  }

  static std::string user_of(const FirstRequest& request) {
    const auto* startup = std::get_if<StartupRequest>(&request);
    return startup == nullptr ? "" : startup->packet.user;
  }
  static const Error& error_in(const FirstRequest& request) {
    static const Error none;
    const auto* nobody = std::get_if<NoRequest>(&request);
    EXPECT_NE(nobody, nullptr);
    return nobody == nullptr ? none : nobody->error;
  }
  void believe(config::ProxyProtocolMode mode, const std::string& from) {
    listener_.proxy_protocol = {.mode = mode, .from = {*IpNetwork::parse(from)}};
  }
  // How a message comes: whole, byte by byte, and split at every point.
  static std::vector<std::vector<std::string>> ways(const std::string& bytes) {
    std::vector<std::vector<std::string>> all = {{bytes}, {}};
    for (char byte : bytes) all[1].emplace_back(1, byte);
    for (size_t i = 1; i < bytes.size(); ++i) all.push_back({bytes.substr(0, i), bytes.substr(i)});
    return all;
  }

  TestProcess test_process_;
  WorkerMetrics metrics_{test_process_.metrics, 0};
  Slab slab_{65536, 4, 4};
  NoDesk desk_;
  StatementCache statements_;
  PooledRelays relays_;
  RouteUses route_uses_{test_process_.metrics, 0};
  io::SocketAddress peer_;
  Listener listener_{.name = "test",
                     .tls_mode = config::ClientTlsMode::disable,
                     .tls = nullptr,
                     .proxy_protocol = {},
                     .is_unix = false};
  std::string answered_;
};

TEST_F(GreetingTest, AStartupPacketIsUnderstoodHoweverItComes) {
  for (const auto& pieces : ways(startup_packet("ann"))) {
    EXPECT_EQ(user_of(greeted(pieces)), "ann");
    EXPECT_EQ(answered_, "");
  }
}

TEST_F(GreetingTest, WhatComesBehindTheStartupPacketIsKept) {
  FirstRequest request = greeted({startup_packet("ann") + "early"});
  ASSERT_EQ(user_of(request), "ann");
  EXPECT_EQ(std::get<StartupRequest>(request).early.reveal(), "early");
}

TEST_F(GreetingTest, EncryptionThatIsNotOfferedIsDeclinedOnce) {
  for (const auto& pieces : ways(ssl_request())) {
    std::vector<std::string> all = pieces;
    all.push_back(startup_packet("ann"));
    EXPECT_EQ(user_of(greeted(all)), "ann");
    EXPECT_EQ(answered_, "N");
  }
}

TEST_F(GreetingTest, ACancelRequestIsUnderstoodWithKeysOfEachLength) {
  for (size_t length : {4, 32, 256}) {
    std::string key(length, 'k');
    FirstRequest request =
        greeted({cancel_request(key).substr(0, 13), cancel_request(key).substr(13)});
    ASSERT_TRUE(std::holds_alternative<CancelRequest>(request)) << length;
    EXPECT_EQ(std::get<CancelRequest>(request).process_id, 77);
    EXPECT_EQ(std::get<CancelRequest>(request).key, key);
  }
}

TEST_F(GreetingTest, WhoSaysNothingOrHalfIsNobody) {
  EXPECT_EQ(error_in(greeted({})).message, "");
  const FirstRequest half = greeted({startup_packet("ann").substr(0, 9)});
  EXPECT_EQ(error_in(half).reason, Reason::client_not_session);
  EXPECT_EQ(error_in(half).message, "");
  EXPECT_EQ(error_in(greeted({"\0\0"}, true, 20ms)).reason, Reason::login_timeout);
  EXPECT_EQ(error_in(greeted({"GET / HTTP/1.1\r\n"})).message, "");
}

TEST_F(GreetingTest, AClientHelloThatPassesThroughIsKeptToTheByte) {
  listener_.tls_mode = config::ClientTlsMode::passthrough;
  auto context = server_context();
  ASSERT_TRUE(context);
  auto ssl = context->new_ssl("db.example");
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), out);
  SSL_set_connect_state(ssl.get());
  SSL_do_handshake(ssl.get());
  char* data = nullptr;
  long bytes = BIO_get_mem_data(out, &data);
  std::string hello(data, static_cast<size_t>(bytes));
  for (size_t split : {size_t{1}, size_t{5}, size_t{50}, hello.size() - 1, hello.size()}) {
    FirstRequest direct = greeted({hello.substr(0, split), hello.substr(split)});
    ASSERT_TRUE(std::holds_alternative<PassthroughRequest>(direct)) << split;
    EXPECT_EQ(std::get<PassthroughRequest>(direct).bytes, hello);
    EXPECT_EQ(std::get<PassthroughRequest>(direct).hello.sni, "db.example");
    EXPECT_TRUE(std::get<PassthroughRequest>(direct).direct);
    EXPECT_EQ(answered_, "");
    FirstRequest asked = greeted({ssl_request(), hello.substr(0, split), hello.substr(split)});
    ASSERT_TRUE(std::holds_alternative<PassthroughRequest>(asked)) << split;
    EXPECT_EQ(std::get<PassthroughRequest>(asked).bytes, hello);
    EXPECT_FALSE(std::get<PassthroughRequest>(asked).direct);
    EXPECT_EQ(answered_, "S");
  }
  FirstRequest broken = greeted({ssl_request(), "not TLS at all, by any means"});
  EXPECT_EQ(error_in(broken).reason, Reason::client_tls_error);
}

TEST_F(GreetingTest, AProxyHeaderNamesTheClientHoweverItComes) {
  believe(config::ProxyProtocolMode::require, "10.0.0.0/8");
  for (const auto& pieces : ways(kV1 + startup_packet("ann"))) {
    EXPECT_EQ(user_of(greeted(pieces)), "ann");
    EXPECT_EQ(peer_.to_string(), "203.0.113.7:5555");
  }
}

TEST_F(GreetingTest, AProxyHeaderIsOptionalWhereItIsAccepted) {
  believe(config::ProxyProtocolMode::accept, "10.0.0.0/8");
  EXPECT_EQ(user_of(greeted({kV1, startup_packet("ann")})), "ann");
  EXPECT_EQ(peer_.to_string(), "203.0.113.7:5555");
  EXPECT_EQ(user_of(greeted({startup_packet("ann")})), "ann");
  EXPECT_EQ(peer_.to_string(), "10.1.2.3:1000");
}

TEST_F(GreetingTest, AMissingOrMalformedProxyHeaderEndsInSilence) {
  believe(config::ProxyProtocolMode::require, "10.0.0.0/8");
  for (const std::string& bytes :
       {startup_packet("ann"), std::string("PROXY nonsense\r\n"), std::string(600, 'P')}) {
    const FirstRequest request = greeted({bytes});
    EXPECT_EQ(error_in(request).reason, Reason::client_protocol_error);
    EXPECT_EQ(error_in(request).message, "");
  }
  EXPECT_EQ(error_in(greeted({kV1.substr(0, 20)})).reason, Reason::client_closed);
  EXPECT_EQ(error_in(greeted({kV1.substr(0, 20)}, true, 20ms)).reason, Reason::login_timeout);
}

TEST_F(GreetingTest, AStrangersProxyHeaderIsNotBelieved) {
  believe(config::ProxyProtocolMode::require, "192.168.0.0/16");
  EXPECT_EQ(error_in(greeted({kV1, startup_packet("ann")})).reason, Reason::client_rejected);
  believe(config::ProxyProtocolMode::accept, "192.168.0.0/16");
  EXPECT_EQ(user_of(greeted({startup_packet("ann")})), "ann");
  EXPECT_TRUE(std::holds_alternative<NoRequest>(greeted({kV1, startup_packet("ann")})));
  EXPECT_EQ(peer_.to_string(), "10.1.2.3:1000");
}

}  // namespace
}  // namespace trunkline::session
