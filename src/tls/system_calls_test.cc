#include "tls/fixture_for_tests.h"

// What TLS costs in system calls: as much as a plain socket.
namespace trunkline::tls {
namespace {

struct Counts {
  int recv = 0;
  int recv_for_nothing = 0;
  int send = 0;
};

// The kernel's sockets, with the calls counted.
class CountingBackend final : public io::Backend {
 public:
  explicit CountingBackend(Counts& counts) : counts_(counts) {}

  ssize_t recv(int fd, std::span<char> into) override {
    ssize_t got = epoll_.recv(fd, into);
    ++counts_.recv;
    counts_.recv_for_nothing += got == -EAGAIN;
    return got;
  }
  ssize_t peek(int fd) override { return epoll_.peek(fd); }
  ssize_t send(int fd, std::span<const iovec> from) override {
    ++counts_.send;
    return epoll_.send(fd, from);
  }

  Instant now() override { return epoll_.now(); }
  std::span<const io::Event> wait(Duration timeout) override { return epoll_.wait(timeout); }
  void wake() override { epoll_.wake(); }
  int add(int fd, void* owner, io::Interest interest) override {
    return epoll_.add(fd, owner, interest);
  }
  int modify(int fd, void* owner, io::Interest interest) override {
    return epoll_.modify(fd, owner, interest);
  }
  void remove(int fd) override { epoll_.remove(fd); }
  std::expected<std::pair<int, io::SocketAddress>, int> accept(int fd) override {
    return epoll_.accept(fd);
  }
  std::expected<int, int> connect(const io::SocketAddress& to) override {
    return epoll_.connect(to);
  }
  int take_error(int fd) override { return epoll_.take_error(fd); }
  void shutdown(int fd, int how) override { epoll_.shutdown(fd, how); }
  void close(int fd) override { epoll_.close(fd); }

 private:
  Counts& counts_;
  io::EpollBackend epoll_;
};

struct SystemCallsTest : TlsTest {
  Counts counts;
  SystemCallsTest() : TlsTest(std::make_unique<CountingBackend>(counts)) {
    issue_and_serve("db.example");
  }
};

TEST_F(SystemCallsTest, a_request_and_its_reply_take_one_recv_and_one_send_a_hop) {
  auto out = shake_hands("db.example");
  counts = {};
  for (int i = 0; i < 100; ++i) {
    send_text(out->server_side, "a request of some sixty bytes, more or less, as measured......");
    receive(out->client_side);
    send_text(out->client_side, std::string(120, 'r'));
    receive(out->server_side);
  }
  EXPECT_EQ(counts.send, 200);
  EXPECT_EQ(counts.recv, 200);
  EXPECT_EQ(counts.recv_for_nothing, 0);
}

TEST_F(SystemCallsTest, four_records_leave_in_one_send) {
  auto out = shake_hands("db.example");
  counts = {};
  std::string large(64 * 1024, 'l');
  EXPECT_EQ(send_text(out->client_side, large), 64 * 1024);
  EXPECT_EQ(counts.send, 1);
}

TEST_F(SystemCallsTest, a_full_socket_is_not_asked_again_before_it_has_room) {
  auto out = shake_hands("db.example");
  std::string large(64 * 1024, 'l');
  while (send_text(out->client_side, large) > 0) {
  }
  counts = {};
  EXPECT_EQ(send_text(out->client_side, "x"), -EAGAIN);
  EXPECT_EQ(out->client_side.flush(), -EAGAIN);
  EXPECT_EQ(counts.send, 0);
}

}  // namespace
}  // namespace trunkline::tls
