#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <utility>

#include "io/epoll_backend.h"
#include "io/loop.h"
#include "tls/certificates_for_tests.h"
#include "tls/handshake.h"

namespace trunkline::tls {

// What both ends of a handshake came to.
struct Outcome {
  Stream client_side;  // ours, towards the client: accepted
  Stream server_side;  // towards the server: connected
  Result<> accepted;
  Result<> connected;
};

// Our two ends talk to each other over a socket pair on the real loop: the proxy as its own client.
struct TlsTest : testing::Test {
  TestFolder folder;
  TestIdentity authority =
      make_test_identity({.common_name = "Test authority", .is_authority = true});
  io::Loop loop;
  HandshakeGate gate{loop};
  config::ListenTls listen;
  config::ServerTls server;

  TlsTest() : TlsTest(std::make_unique<io::EpollBackend>()) {}
  explicit TlsTest(std::unique_ptr<io::Backend> backend) : loop(std::move(backend)) {
    write_test_certificate(folder.file("ca.crt"), authority);
    listen.mode = config::ClientTlsMode::allow;
    server.mode = config::ServerTlsMode::verify_full;
    server.ca_file = folder.file("ca.crt");
  }

  // Writes NAME.crt and NAME.key, signed by the authority.
  TestIdentity issue(const std::string& name, const TestCertificateWish& wish) {
    TestIdentity identity = make_test_identity(wish, &authority);
    write_test_certificate(folder.file(name + ".crt"), identity);
    write_test_key(folder.file(name + ".key"), identity);
    return identity;
  }

  // The certificate is also for `names`.
  void serve(const std::string& name, std::vector<std::string> names = {}) {
    listen.certificates.push_back({.names = std::move(names),
                                   .cert_file = folder.file(name + ".crt"),
                                   .key_file = folder.file(name + ".key")});
  }

  void issue_and_serve(const std::string& host) {
    issue("server", {.common_name = host, .alternative_names = "DNS:" + host});
    serve("server");
  }

  std::shared_ptr<const ClientContext> client_context() {
    Findings findings;
    auto context = ClientContext::compile(listen, "listen[0].tls", findings);
    for (const auto& error : findings.errors) ADD_FAILURE() << error.key << ": " << error.text;
    return context;
  }

  std::shared_ptr<const ServerContext> server_context() {
    Findings findings;
    auto context = ServerContext::compile(server, "upstreams.main.tls", findings);
    for (const auto& error : findings.errors) ADD_FAILURE() << error.key << ": " << error.text;
    return context;
  }

  std::pair<int, int> socket_pair() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    return {fds[0], fds[1]};
  }

  template <typename Done>
  void run_until(Done done) {
    for (int round = 0; !done(); ++round) {
      ASSERT_LT(round, 1'000'000) << "it never ends";
      loop.run_once(true);
    }
  }
  void run_to_end() {
    run_until([this] { return loop.spawned() == 0; });
  }

  static io::Task<> accept_into(Outcome& out, std::shared_ptr<const ClientContext> context,
                                HandshakeGate& gate, Instant deadline) {
    out.accepted = co_await accept_tls(out.client_side, std::move(context), "", gate, deadline);
    if (!out.accepted) out.client_side.close();
  }
  static io::Task<> connect_into(Outcome& out, std::shared_ptr<const ServerContext> context,
                                 std::string host, HandshakeGate& gate, Instant deadline) {
    out.connected =
        co_await connect_tls(out.server_side, std::move(context), std::move(host), gate, deadline);
    if (!out.connected) out.server_side.close();
  }

  std::unique_ptr<Outcome> shake_hands(const std::string& host) {
    return shake_hands(host, client_context(), server_context());
  }

  std::unique_ptr<Outcome> shake_hands(const std::string& host,
                                       std::shared_ptr<const ClientContext> clients,
                                       std::shared_ptr<const ServerContext> servers) {
    auto [a, b] = socket_pair();
    auto out = std::make_unique<Outcome>(Stream(io::Socket(loop, a, true)),
                                         Stream(io::Socket(loop, b, true)));
    if (!clients || !servers) return out;
    loop.spawn(accept_into(*out, clients, gate, loop.now() + 10s));
    loop.spawn(connect_into(*out, servers, host, gate, loop.now() + 10s));
    run_to_end();
    return out;
  }

  static std::string error_of(const Result<>& result) {
    return result ? "" : result.error().message;
  }

  // Sends without waiting for room.
  static ssize_t send_text(Stream& stream, std::string_view text) {
    iovec part{const_cast<char*>(text.data()), text.size()};
    return stream.send({&part, 1});
  }

  // The next bytes, "" at the end of file, nullopt after an error or a second of silence.
  std::optional<std::string> receive(Stream& stream) {
    std::string bytes(65536, '\0');
    std::optional<std::string> answer;
    auto receiver = [](Stream& from, std::string& into,
                       std::optional<std::string>& got) -> io::Task<> {
      Instant deadline = from.socket().loop().now() + 1s;
      for (;;) {
        ssize_t count = from.recv(into);
        if (count >= 0) got = into.substr(0, static_cast<size_t>(count));
        if (count != -EAGAIN) co_return;
        if (!from.has_pending() && !co_await from.socket().wait_readable(deadline)) co_return;
      }
    };
    loop.spawn(receiver(stream, bytes, answer));
    run_to_end();
    return answer;
  }
};

}  // namespace trunkline::tls
