#include "service/http_server.h"

#include <atomic>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "io/epoll_backend.h"
#include "io/listen.h"

namespace trunkline::service {
namespace {

constexpr size_t kBigBytes = 32 << 20;  // more than socket buffers hold

// A blocking client, which gives up after a while.
class Client {
 public:
  explicit Client(const io::SocketAddress& to) : fd_(socket(to.family(), SOCK_STREAM, 0)) {
    timeval patience{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int one = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    EXPECT_EQ(connect(fd_, to.raw(), to.raw_length()), 0);
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;

  // False once the server has closed.
  bool send(std::string_view bytes) {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == ssize_t(bytes.size());
  }
  // Until the text has come, or the end of the connection, which is marked "<end>".
  std::string read_until(std::string_view text) {
    std::string got;
    char buffer[4096];
    while (text.empty() || got.find(text) == std::string::npos) {
      ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
      if (n == 0) return got + "<end>";
      if (n < 0) return got + "<error>";
      got.append(buffer, size_t(n));
    }
    return got;
  }
  std::string read_to_end() { return read_until({}); }
  void hang_up() { shutdown(fd_, SHUT_RDWR); }
  void finish_writing() { shutdown(fd_, SHUT_WR); }

 private:
  int fd_;
};

// A server on a thread of its own, as the control thread is.
struct HttpServerTest : testing::Test {
  void start(HttpLimits limits = {}) {
    auto fd = io::open_listener(io::SocketAddress::ip(*IpAddress::parse("127.0.0.1"), 0), {});
    ASSERT_TRUE(fd.has_value()) << fd.error();
    address = io::bound_address(*fd);
    HttpRouter router;
    router.add("GET", "/a", [](const HttpRequest&) { return HttpResponse{.body = "alpha\n"}; });
    router.add("GET", "/b", [](const HttpRequest&) { return HttpResponse{.body = "beta\n"}; });
    router.add("POST", "/echo", [](const HttpRequest& r) { return HttpResponse{.body = r.body}; });
    router.add("GET", "/big", [](const HttpRequest&) {
      return HttpResponse{.body = std::string(kBigBytes, 'x')};
    });
    server.emplace(loop, *fd, std::move(router), limits);
    thread = std::thread([this] { loop.run(); });
  }
  ~HttpServerTest() override {
    loop.stop();
    if (thread.joinable()) thread.join();
  }

  // On the loop's thread.
  size_t connections() {
    std::atomic<ssize_t> count = -1;
    loop.post([&] { count = ssize_t(server->connections()); });
    while (count < 0) std::this_thread::yield();
    return size_t(count);
  }
  void await_connections(size_t wanted) {
    Instant deadline = Clock::now() + 10s;
    while (connections() != wanted && Clock::now() < deadline) std::this_thread::sleep_for(1ms);
    EXPECT_EQ(connections(), wanted);
  }

  io::Loop loop{std::make_unique<io::EpollBackend>()};
  io::SocketAddress address;
  std::optional<HttpServer> server;
  std::thread thread;
};

constexpr std::string_view kGetA = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kGetB = "GET /b HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kGetAndClose = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

TEST_F(HttpServerTest, AConnectionIsKeptForTheNextRequest) {
  start({.linger_max = 10ms});
  Client client(address);
  client.send(kGetA);
  EXPECT_TRUE(client.read_until("alpha\n").starts_with("HTTP/1.1 200 OK\r\n"));
  client.send(kGetB);
  client.read_until("beta\n");
  client.send(kGetAndClose);
  std::string last = client.read_to_end();
  EXPECT_NE(last.find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(last.ends_with("alpha\n<end>"));
  await_connections(0);
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  Client client(address);
  client.send(std::string(kGetA) + std::string(kGetB) + std::string(kGetAndClose));
  std::string all = client.read_to_end();
  size_t beta = all.find("beta\n");
  EXPECT_LT(all.find("alpha\n"), beta);
  EXPECT_NE(all.find("alpha\n", beta), std::string::npos);
}

TEST_F(HttpServerTest, ARequestMayComeByteByByteAndBeCutAnywhere) {
  start();
  Client drip(address);
  for (char byte : kGetAndClose) drip.send({&byte, 1});
  EXPECT_TRUE(drip.read_to_end().ends_with("alpha\n<end>"));
  Client client(address);
  for (size_t cut = 1; cut < kGetA.size(); ++cut) {
    client.send(kGetA.substr(0, cut));
    connections();  // the loop has had a turn between the halves
    client.send(kGetA.substr(cut));
    ASSERT_TRUE(client.read_until("alpha\n").starts_with("HTTP/1.1 200")) << "cut at " << cut;
  }
}

TEST_F(HttpServerTest, WhatWasSentBeforeTheEndOfFileIsAnswered) {
  start();
  Client client(address);
  client.send(kGetA);
  client.finish_writing();
  EXPECT_TRUE(client.read_to_end().ends_with("alpha\n<end>"));
}

TEST_F(HttpServerTest, ARefusalReachesAClientThatIsStillSending) {
  start();
  Client header(address);
  header.send("GET /" + std::string(100'000, 'x'));
  EXPECT_TRUE(header.read_to_end().starts_with("HTTP/1.1 431 "));
  Client body(address);
  body.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" +
            std::string(100'000, 'x'));
  EXPECT_TRUE(body.read_to_end().starts_with("HTTP/1.1 413 "));
  Client garbage(address);
  garbage.send("\x16\x03\x01");
  EXPECT_TRUE(garbage.read_until("\r\n\r\n").starts_with("HTTP/1.1 400 "));
}

TEST_F(HttpServerTest, ABodyIsAskedForWhenTheClientWaits) {
  start();
  Client client(address);
  client.send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("body");
  EXPECT_TRUE(client.read_until("body").starts_with("HTTP/1.1 200 OK"));
}

TEST_F(HttpServerTest, AnUnfinishedRequestEndsAtItsDeadline) {
  start({.request_max = 200ms});
  Client silent(address);
  EXPECT_EQ(silent.read_to_end(), "<end>");
  Client slow(address);
  slow.send("GET /a HT");
  EXPECT_TRUE(slow.read_to_end().starts_with("HTTP/1.1 408 "));
}

TEST_F(HttpServerTest, DrippingBytesDoNotExtendTheDeadline) {
  start({.request_max = 200ms, .linger_max = 10ms});
  Client client(address);
  client.send("GET /");
  Instant began = Clock::now();
  while (client.send("x") && Clock::now() < began + 10s) std::this_thread::sleep_for(1ms);
  EXPECT_GE(Clock::now() - began, 150ms);
  EXPECT_LT(Clock::now() - began, 5s);
}

TEST_F(HttpServerTest, AnIdleConnectionIsClosedWithoutAWord) {
  start({.idle_max = 100ms});
  Client client(address);
  client.send(kGetA);
  EXPECT_TRUE(client.read_to_end().ends_with("alpha\n<end>"));
}

TEST_F(HttpServerTest, AClientThatDoesNotReadIsClosedAndHoldsUpNobody) {
  start({.response_max = 300ms});
  Client stuck(address);
  stuck.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  Client other(address);
  other.send(kGetA);
  other.read_until("alpha\n");
  await_connections(1);
}

TEST_F(HttpServerTest, ALongResponseArrivesWhole) {
  start();
  Client client(address);
  client.send("GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  std::string all = client.read_to_end();
  EXPECT_EQ(all.size() - all.find("\r\n\r\n") - 4, kBigBytes + std::string_view("<end>").size());
}

TEST_F(HttpServerTest, ConnectionsAreBounded) {
  start({.connections_max = 2});
  std::optional<Client> first(std::in_place, address);
  Client second(address);
  for (Client* client : {&*first, &second}) {
    client->send(kGetA);
    EXPECT_TRUE(client->read_until("alpha\n").starts_with("HTTP/1.1 200"));
  }
  EXPECT_TRUE(Client(address).read_until("\r\n\r\n").starts_with("HTTP/1.1 503 "));
  first.reset();
  await_connections(1);
  Client third(address);
  third.send(kGetA);
  EXPECT_TRUE(third.read_until("alpha\n").starts_with("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, WithoutDescriptorsClientsWaitAndTheLoopDoesNotSpin) {
#if __has_feature(address_sanitizer)
  GTEST_SKIP() << "the sanitizer's own look-ups need descriptors";
#endif
  start();
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  int next = dup(0);
  close(next);
  // Room for the client's own descriptor and no other.
  rlimit tight{.rlim_cur = rlim_t(next) + 1, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  Client client(address);
  client.send(kGetAndClose);
  clockid_t cpu_clock;
  ASSERT_EQ(pthread_getcpuclockid(thread.native_handle(), &cpu_clock), 0);
  timespec began{};
  timespec ended{};
  clock_gettime(cpu_clock, &began);
  std::this_thread::sleep_for(300ms);
  clock_gettime(cpu_clock, &ended);
  EXPECT_EQ(connections(), 0U);
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(client.read_to_end().ends_with("alpha\n<end>"));
  int64_t cpu_ms = (ended.tv_sec - began.tv_sec) * 1000 + (ended.tv_nsec - began.tv_nsec) / 1000000;
  EXPECT_LT(cpu_ms, 100);
}

TEST_F(HttpServerTest, OneWhoPipelinesWithoutEndDoesNotKeepOthersWaiting) {
  start();
  Client greedy(address);
  std::atomic<bool> done = false;
  std::string many;
  for (int i = 0; i < 1000; ++i) many += kGetA;
  std::thread writing([&] {
    while (!done && greedy.send(many)) {
    }
  });
  std::thread reading([&] { greedy.read_to_end(); });
  for (int i = 0; i < 20; ++i) {
    Client client(address);
    client.send(kGetAndClose);
    EXPECT_TRUE(client.read_to_end().ends_with("alpha\n<end>"));
  }
  done = true;
  greedy.hang_up();
  writing.join();
  reading.join();
}

TEST_F(HttpServerTest, ItsEndClosesTheListenerAndEveryConnection) {
  start();
  Client client(address);
  client.send(kGetA);
  client.read_until("alpha\n");
  loop.post([this] { server.reset(); });
  EXPECT_EQ(client.read_to_end(), "<end>");
  int fd = socket(address.family(), SOCK_STREAM, 0);
  EXPECT_LT(connect(fd, address.raw(), address.raw_length()), 0);
  close(fd);
}

}  // namespace
}  // namespace trunkline::service
