#include "tls/handshake.h"

#include <algorithm>
#include <openssl/ssl.h>

#include "tls/fixture_for_tests.h"

namespace trunkline::tls {
namespace {

using config::ClientCertificate;
using config::ServerTlsMode;

struct HandshakeTest : TlsTest {};

TEST_F(HandshakeTest, both_ends_agree_on_tls_1_3_the_host_and_postgresql) {
  issue_and_serve("db.example");
  auto out = shake_hands("db.example");
  ASSERT_EQ(error_of(out->accepted), "");
  ASSERT_EQ(error_of(out->connected), "");
  EXPECT_EQ(out->client_side.tls_version(), "TLSv1.3");
  EXPECT_EQ(out->client_side.sni(), "db.example");
  EXPECT_EQ(out->client_side.negotiated_alpn(), "postgresql");
  EXPECT_EQ(out->server_side.negotiated_alpn(), "postgresql");
  EXPECT_FALSE(out->client_side.peer_certificate());
  EXPECT_EQ(out->server_side.peer_certificate()->common_name, "db.example");
}

TEST_F(HandshakeTest, bytes_pass_both_ways_and_close_is_the_end_of_file) {
  issue_and_serve("db.example");
  auto out = shake_hands("db.example");
  EXPECT_EQ(send_text(out->server_side, "question"), 8);
  EXPECT_EQ(receive(out->client_side), "question");
  EXPECT_EQ(send_text(out->client_side, "answer"), 6);
  EXPECT_EQ(receive(out->server_side), "answer");
  out->client_side.close();
  EXPECT_EQ(receive(out->server_side), "");
  EXPECT_EQ(receive(out->server_side), "") << "and stays";
}

TEST_F(HandshakeTest, addresses_are_verified_and_not_sent_as_host) {
  issue("server", {.common_name = "x", .alternative_names = "IP:127.0.0.1,IP:::1"});
  serve("server");
  for (const char* host : {"127.0.0.1", "::1"}) {
    auto out = shake_hands(host);
    EXPECT_EQ(error_of(out->connected), "") << host;
    EXPECT_EQ(out->client_side.sni(), "") << host;
  }
  EXPECT_EQ(error_of(shake_hands("127.0.0.2")->connected),
            "server certificate for \"x\" does not match host name \"127.0.0.2\"");
}

TEST_F(HandshakeTest, a_certificate_for_another_host_fails_verify_full_only) {
  issue_and_serve("db.example");
  EXPECT_EQ(error_of(shake_hands("other.example")->connected),
            "server certificate for \"db.example\" does not match host name \"other.example\"");
  server.mode = ServerTlsMode::verify_ca;
  EXPECT_EQ(error_of(shake_hands("other.example")->connected), "");
}

TEST_F(HandshakeTest, server_name_overrides_the_host) {
  issue_and_serve("db.example");
  server.server_name = "db.example";
  auto out = shake_hands("10.0.0.1");
  EXPECT_EQ(error_of(out->connected), "");
  EXPECT_EQ(out->client_side.sni(), "db.example");
}

TEST_F(HandshakeTest, an_unknown_authority_fails_where_verification_is_asked) {
  issue_and_serve("db.example");
  TestIdentity other = make_test_identity({.common_name = "Another", .is_authority = true});
  write_test_certificate(folder.file("ca.crt"), other);
  auto out = shake_hands("db.example");
  EXPECT_EQ(error_of(out->connected),
            "TLS handshake failed: certificate verify failed: unable to get local issuer "
            "certificate");
  EXPECT_EQ(error_of(out->accepted), "TLS handshake failed: tlsv1 alert unknown ca");
  EXPECT_EQ(out->connected.error().reason, Reason::server_tls_error);
  EXPECT_EQ(out->accepted.error().reason, Reason::client_tls_error);
  for (ServerTlsMode mode : {ServerTlsMode::prefer, ServerTlsMode::require}) {
    server.mode = mode;
    server.ca_file = "";
    EXPECT_EQ(error_of(shake_hands("db.example")->connected), "");
  }
}

TEST_F(HandshakeTest, an_expired_certificate_fails_with_its_cause) {
  issue("server", {.common_name = "db.example", .valid_from_s = -7200, .valid_until_s = -3600});
  serve("server");
  EXPECT_EQ(error_of(shake_hands("db.example")->connected),
            "TLS handshake failed: certificate verify failed: certificate has expired");
}

TEST_F(HandshakeTest, the_certificate_follows_the_host_name) {
  for (const char* host : {"default.example", "a.example", "wild.example", "a.wild.example"}) {
    issue(host, {.common_name = host});
  }
  serve("default.example");
  serve("wild.example", {"*.wild.example", "*.Upper.example."});
  serve("a.wild.example", {"a.wild.example"});
  serve("a.example", {"a.example", "b.example"});
  server.mode = ServerTlsMode::verify_ca;
  auto chosen = [&](const char* host) {
    return shake_hands(host)->server_side.peer_certificate()->common_name;
  };
  EXPECT_EQ(chosen("a.example"), "a.example");
  EXPECT_EQ(chosen("B.Example"), "a.example");
  EXPECT_EQ(chosen("b.wild.example"), "wild.example");
  EXPECT_EQ(chosen("a.wild.example"), "a.wild.example") << "exact before wildcard";
  EXPECT_EQ(chosen("x.a.wild.example"), "default.example") << "one label";
  EXPECT_EQ(chosen("wild.example"), "default.example");
  EXPECT_EQ(chosen("x.upper.example"), "wild.example");
  EXPECT_EQ(chosen("unknown.example"), "default.example");
  EXPECT_EQ(chosen("10.0.0.1"), "default.example") << "no name at all";
}

TEST_F(HandshakeTest, a_client_certificate_is_asked_for_as_configured) {
  issue_and_serve("db.example");
  issue("alice", {.common_name = "alice"});
  listen.client_ca_file = folder.file("ca.crt");

  listen.client_certificate = ClientCertificate::request;
  auto out = shake_hands("db.example");
  EXPECT_EQ(error_of(out->accepted), "") << "may be missing";
  EXPECT_FALSE(out->client_side.peer_certificate());

  listen.client_certificate = ClientCertificate::require;
  EXPECT_EQ(error_of(shake_hands("db.example")->accepted),
            "TLS handshake failed: peer did not return a certificate");

  server.cert_file = folder.file("alice.crt");
  server.key_file = folder.file("alice.key");
  for (auto asked : {ClientCertificate::request, ClientCertificate::require}) {
    listen.client_certificate = asked;
    out = shake_hands("db.example");
    ASSERT_EQ(error_of(out->accepted), "");
    EXPECT_EQ(out->client_side.peer_certificate()->common_name, "alice");
    EXPECT_EQ(out->client_side.peer_certificate()->distinguished_name, "CN=alice,O=Tests");
  }

  listen.client_certificate = ClientCertificate::none;
  listen.client_ca_file = "";
  EXPECT_FALSE(shake_hands("db.example")->client_side.peer_certificate());
}

TEST_F(HandshakeTest, a_client_certificate_of_a_stranger_fails_even_when_only_requested) {
  issue_and_serve("db.example");
  TestIdentity stranger = make_test_identity({.common_name = "alice"});
  write_test_certificate(folder.file("alice.crt"), stranger);
  write_test_key(folder.file("alice.key"), stranger);
  server.cert_file = folder.file("alice.crt");
  server.key_file = folder.file("alice.key");
  listen.client_ca_file = folder.file("ca.crt");
  listen.client_certificate = ClientCertificate::request;
  EXPECT_EQ(error_of(shake_hands("db.example")->accepted),
            "TLS handshake failed: certificate verify failed: self-signed certificate");
}

TEST_F(HandshakeTest, both_ends_know_the_same_end_point_hash) {
  struct Case {
    const char* key;
    const EVP_MD* hash;
    size_t bytes;
  };
  server.mode = ServerTlsMode::require;
  server.ca_file = "";
  for (const Case& c : {Case{"RSA", EVP_sha256(), 32}, Case{"RSA", EVP_sha384(), 48},
                        Case{"P-256", EVP_sha256(), 32}, Case{"P-384", EVP_sha512(), 64}}) {
    TestIdentity own = make_test_identity({.common_name = "x", .key = c.key, .hash = c.hash});
    write_test_certificate(folder.file("own.crt"), own);
    write_test_key(folder.file("own.key"), own);
    listen.certificates.clear();
    serve("own");
    auto out = shake_hands("x");
    auto hash = out->client_side.end_point_hash();
    ASSERT_TRUE(hash) << c.key;
    EXPECT_EQ(hash->size(), c.bytes) << c.key;
    EXPECT_EQ(hash, out->server_side.end_point_hash()) << c.key;
  }
}

TEST_F(HandshakeTest, the_end_point_hash_is_that_of_the_certificate_chosen) {
  issue("a", {.common_name = "a"});
  issue("b", {.common_name = "b"});
  serve("a");
  serve("b", {"b.example"});
  server.mode = ServerTlsMode::verify_ca;
  auto first = shake_hands("a.example");
  auto second = shake_hands("b.example");
  EXPECT_EQ(second->client_side.end_point_hash(), second->server_side.end_point_hash());
  EXPECT_NE(first->client_side.end_point_hash(), second->client_side.end_point_hash());
}

TEST_F(HandshakeTest, ed25519_has_no_end_point_hash) {
  TestIdentity own = make_test_identity({.common_name = "x", .key = "ED25519"});
  write_test_certificate(folder.file("own.crt"), own);
  write_test_key(folder.file("own.key"), own);
  serve("own");
  server.mode = ServerTlsMode::require;
  server.ca_file = "";
  auto out = shake_hands("x");
  ASSERT_EQ(error_of(out->connected), "");
  EXPECT_EQ(out->client_side.end_point_hash(), std::nullopt);
  EXPECT_EQ(out->server_side.end_point_hash(), std::nullopt);
}

TEST(EndPointHash, takes_sha256_for_md5_and_sha1) {
  for (const EVP_MD* weak : {EVP_md5(), EVP_sha1()}) {
    TestIdentity own = make_test_identity({.common_name = "x", .key = "RSA", .hash = weak});
    unsigned char expected[32];
    X509_digest(own.certificate.get(), EVP_sha256(), expected, nullptr);
    EXPECT_EQ(end_point_hash(*own.certificate),
              std::string(reinterpret_cast<char*>(expected), sizeof expected));
  }
}

TEST_F(HandshakeTest, silence_ends_at_the_deadline) {
  issue_and_serve("db.example");
  auto [a, b] = socket_pair();
  Outcome out{Stream(io::Socket(loop, a, true)), Stream(io::Socket(loop, b, true)), {}, {}};
  loop.spawn(accept_into(out, client_context(), gate, loop.now() + 20ms));
  run_to_end();
  ASSERT_FALSE(out.accepted);
  EXPECT_EQ(out.accepted.error().reason, Reason::login_timeout);
}

TEST_F(HandshakeTest, a_peer_that_leaves_or_talks_nonsense_is_told_so) {
  issue_and_serve("db.example");
  for (std::string_view said : {"", "GET / HTTP/1.1\r\n\r\n"}) {
    auto [a, b] = socket_pair();
    Outcome out{Stream(io::Socket(loop, a, true)), Stream(io::Socket(loop, b, true)), {}, {}};
    send_text(out.server_side, said);
    loop.spawn(accept_into(out, client_context(), gate, loop.now() + 10s));
    out.server_side.close();
    run_to_end();
    EXPECT_EQ(error_of(out.accepted), said.empty()
                                          ? "TLS handshake failed: the peer closed the connection"
                                          : "TLS handshake failed: http request");
  }
}

// One handshake at a time may step in a turn: the second waits, and both end well.
TEST_F(HandshakeTest, the_gate_lets_so_many_steps_run_in_a_turn) {
  HandshakeGate narrow(loop, 2);
  std::vector<int> entered_in_turn;
  int turn = 0;
  for (int i = 0; i < 5; ++i) {
    loop.spawn([](HandshakeGate& by, std::vector<int>& log, int& now) -> io::Task<> {
      co_await by.enter();
      log.push_back(now);
    }(narrow, entered_in_turn, turn));
  }
  EXPECT_EQ(entered_in_turn, (std::vector<int>{0, 0})) << "at once, as far as there is room";
  run_until([&] {
    ++turn;
    return loop.spawned() == 0;
  });
  ASSERT_EQ(entered_in_turn.size(), 5U);
  std::map<int, int> counts;
  for (int at : entered_in_turn) ++counts[at];
  for (auto [at, count] : counts) EXPECT_LE(count, 2) << "turn " << at;
  EXPECT_TRUE(std::ranges::is_sorted(entered_in_turn));
}

}  // namespace
}  // namespace trunkline::tls
