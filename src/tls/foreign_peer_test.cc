#include <algorithm>

#include "tls/fixture_for_tests.h"

// Our handshakes with peers that speak otherwise than we do.
namespace trunkline::tls {
namespace {

struct ForeignPeerTest : TlsTest {
  ForeignPeerTest() { issue_and_serve("db.example"); }

  struct Peer {
    Stream stream;
    int result = -EAGAIN;
  };

  static io::Task<> shake(Peer& peer) {
    Instant deadline = peer.stream.socket().loop().now() + 5s;
    for (;;) {
      peer.result = peer.stream.layer()->handshake(peer.stream.socket());
      if (peer.result != -EAGAIN) co_return;
      if (!co_await peer.stream.socket().wait_readable(deadline)) co_return;
    }
  }

  static SslContextPtr client_with(std::vector<std::string> protocols) {
    SslContextPtr context(SSL_CTX_new(TLS_client_method()));
    std::string wire;
    for (const auto& name : protocols) wire += static_cast<char>(name.size()) + name;
    SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                            static_cast<unsigned>(wire.size()));
    return context;
  }

  // A client made of `context`, with `session` to resume, against our accept_tls.
  std::unique_ptr<Outcome> accept_from(SSL_CTX* context, Peer& peer,
                                       SSL_SESSION* session = nullptr) {
    auto [a, b] = socket_pair();
    auto out = std::make_unique<Outcome>();
    out->client_side = Stream(io::Socket(loop, a, true));
    peer.stream = Stream(io::Socket(loop, b, true));
    SslPtr ssl(SSL_new(context));
    SSL_set_connect_state(ssl.get());
    if (session != nullptr) SSL_set_session(ssl.get(), session);
    peer.stream.start_tls(std::move(ssl), "");
    loop.spawn(accept_into(*out, client_context(), gate, loop.now() + 5s));
    loop.spawn(shake(peer));
    run_to_end();
    return out;
  }

  // A server made of `context` against our connect_tls.
  std::unique_ptr<Outcome> connect_to(SSL_CTX* context, Peer& peer) {
    auto [a, b] = socket_pair();
    auto out = std::make_unique<Outcome>();
    out->server_side = Stream(io::Socket(loop, a, true));
    peer.stream = Stream(io::Socket(loop, b, true));
    SslPtr ssl(SSL_new(context));
    SSL_set_accept_state(ssl.get());
    peer.stream.start_tls(std::move(ssl), "");
    loop.spawn(connect_into(*out, server_context(), "db.example", gate, loop.now() + 5s));
    loop.spawn(shake(peer));
    run_to_end();
    return out;
  }

  SslContextPtr foreign_server() {
    SslContextPtr context(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_use_certificate_file(context.get(), folder.file("server.crt").c_str(),
                                 SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(context.get(), folder.file("server.key").c_str(), SSL_FILETYPE_PEM);
    return context;
  }
};

TEST_F(ForeignPeerTest, a_client_without_alpn_is_served_and_seen_to_have_none) {
  Peer peer;
  auto out = accept_from(client_with({}).get(), peer);
  EXPECT_EQ(error_of(out->accepted), "");
  EXPECT_EQ(out->client_side.negotiated_alpn(), "");
}

TEST_F(ForeignPeerTest, postgresql_is_picked_among_several_protocols) {
  Peer peer;
  auto out = accept_from(client_with({"http/1.1", "postgresql", "h2"}).get(), peer);
  EXPECT_EQ(error_of(out->accepted), "");
  EXPECT_EQ(out->client_side.negotiated_alpn(), "postgresql");
  EXPECT_EQ(peer.stream.negotiated_alpn(), "postgresql");
}

TEST_F(ForeignPeerTest, other_protocols_alone_get_the_alert_for_it) {
  Peer peer;
  auto out = accept_from(client_with({"http/1.1", "postgresqlx", "postgres"}).get(), peer);
  EXPECT_FALSE(out->accepted);
  EXPECT_EQ(peer.result, -EPROTO);
  EXPECT_EQ(peer.stream.last_error_text(), "tlsv1 alert no application protocol");
}

TEST_F(ForeignPeerTest, a_host_name_that_is_none_gets_an_alert) {
  Peer peer;
  auto [a, b] = socket_pair();
  Outcome out;
  out.client_side = Stream(io::Socket(loop, a, true));
  peer.stream = Stream(io::Socket(loop, b, true));
  SslContextPtr context = client_with({});
  SslPtr ssl(SSL_new(context.get()));
  SSL_set_connect_state(ssl.get());
  SSL_set_tlsext_host_name(ssl.get(), "../etc/passwd");
  peer.stream.start_tls(std::move(ssl), "");
  loop.spawn(accept_into(out, client_context(), gate, loop.now() + 5s));
  loop.spawn(shake(peer));
  run_to_end();
  EXPECT_FALSE(out.accepted);
  EXPECT_EQ(peer.stream.last_error_text(), "sslv3 alert illegal parameter");
}

TEST_F(ForeignPeerTest, versions_before_1_2_are_refused_and_min_version_raises_it) {
  auto context = client_with({});
  SSL_CTX_set_security_level(context.get(), 0);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context.get(), TLS1_1_VERSION);
  Peer old;
  EXPECT_EQ(error_of(accept_from(context.get(), old)->accepted),
            "TLS handshake failed: unsupported protocol");
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  Peer fair;
  EXPECT_EQ(accept_from(context.get(), fair)->client_side.tls_version(), "TLSv1.2");
  listen.min_version = config::TlsVersion::v1_3;
  Peer late;
  EXPECT_EQ(error_of(accept_from(context.get(), late)->accepted),
            "TLS handshake failed: unsupported protocol");
}

TEST_F(ForeignPeerTest, tls_1_2_carries_data_and_refuses_to_renegotiate) {
  auto context = client_with({});
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  Peer peer;
  auto out = accept_from(context.get(), peer);
  ASSERT_EQ(error_of(out->accepted), "");
  send_text(peer.stream, "question");
  EXPECT_EQ(receive(out->client_side), "question");
  SSL_renegotiate(peer.stream.layer()->ssl());
  peer.stream.layer()->handshake(peer.stream.socket());
  EXPECT_EQ(receive(out->client_side), std::nullopt);
  EXPECT_EQ(receive(peer.stream), std::nullopt);
  EXPECT_EQ(peer.stream.last_error_text(), "no renegotiation");
}

TEST_F(ForeignPeerTest, a_session_is_never_resumed) {
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    auto context = client_with({});
    SSL_CTX_set_max_proto_version(context.get(), version);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT);
    Peer first;
    auto out = accept_from(context.get(), first);
    send_text(out->client_side, "x");
    receive(first.stream);  // a ticket of TLS 1.3 would come before it
    SSL_SESSION* session = SSL_get1_session(first.stream.layer()->ssl());
    EXPECT_EQ(SSL_SESSION_is_resumable(session), 0) << version;
    EXPECT_EQ(SSL_SESSION_has_ticket(session), 0) << version;
    Peer second;
    auto again = accept_from(context.get(), second, session);
    EXPECT_EQ(error_of(again->accepted), "");
    EXPECT_EQ(SSL_session_reused(second.stream.layer()->ssl()), 0) << version;
    SSL_SESSION_free(session);
  }
}

TEST_F(ForeignPeerTest, a_server_without_alpn_serves_after_sslrequest_and_not_directly) {
  SslContextPtr context = foreign_server();
  Peer peer;
  EXPECT_EQ(error_of(connect_to(context.get(), peer)->connected), "");
  server.negotiation = config::TlsNegotiation::direct;
  Peer direct;
  EXPECT_EQ(error_of(connect_to(context.get(), direct)->connected),
            "direct TLS was established without ALPN protocol negotiation; the server is older "
            "than PostgreSQL 17 or not PostgreSQL");
}

TEST_F(ForeignPeerTest, tickets_of_a_server_are_no_data) {
  SslContextPtr context = foreign_server();
  SSL_CTX_set_num_tickets(context.get(), 4);
  Peer peer;
  auto out = connect_to(context.get(), peer);
  ASSERT_EQ(error_of(out->connected), "");
  send_text(peer.stream, "data");
  EXPECT_EQ(receive(out->server_side), "data");
  EXPECT_TRUE(out->server_side.is_idle());
}

}  // namespace
}  // namespace trunkline::tls
