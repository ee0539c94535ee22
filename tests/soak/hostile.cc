// Clients that mean harm, many at once, for as long as a line on standard input does not come.
// Prints a line of JSON when all have begun, and one at the end: what they did.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <fmt/core.h>
#include <memory>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "bench/messages.h"
#include "bench/net.h"

namespace trunkline::soak {
namespace {

using bench::c_string;
using bench::message;
using bench::packet;
using bench::u16;
using bench::u32;

enum class Kind : uint8_t {
  half_message,      // begins a query and never ends it; one byte more now and then
  slow_reader,       // asks for a gigabyte and reads a little of it now and then
  huge_parse,        // a Parse of 64 MiB, and another
  endless_pipeline,  // requests without end; half of the clients read the answers, half do not
  kCount
};

constexpr size_t kParseBytes = 64 << 20;
constexpr size_t kPieceBytes = 64 * 1024;
constexpr uint64_t kRoundNs = 10'000'000;
constexpr uint64_t kNowAndThenNs = 200'000'000;
constexpr int kSmallBufferBytes = 4096;  // what a slow reader's system takes for it

// What is sent over and over, in pieces.
struct Texts {
  std::string startup;
  std::string bulk_query;
  std::string body = std::string(kPieceBytes, 'p');
  std::string requests;
};

struct Tally {
  std::array<uint64_t, static_cast<size_t>(Kind::kCount)> ended{};  // by the other side
  uint64_t sent_bytes = 0;
  uint64_t received_bytes = 0;
};

// Connects anew when it is ended, a moment later.
class HostileClient {
 public:
  HostileClient(Kind kind, bool reads, const bench::Address& address, const Texts& texts,
                Tally& tally, int epoll)
      : kind_(kind),
        reads_(reads),
        address_(address),
        texts_(texts),
        tally_(tally),
        epoll_(epoll) {}
  ~HostileClient() { close(); }
  HostileClient(const HostileClient&) = delete;
  HostileClient& operator=(const HostileClient&) = delete;

  void connect() {
    static uint32_t source = 0;
    fd_ = address_.connect(++source);
    if (kind_ == Kind::slow_reader) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &kSmallBufferBytes, sizeof kSmallBufferBytes);
    }
    started_ = in_ = false;
    begun_at_ = 0;
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = this}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd_, &event) != 0) bench::die("epoll_ctl");
  }

  void on_event(uint32_t ready);
  void on_time(uint64_t now_ns);
  bool is_in() const { return in_; }

 private:
  void act();
  void pour(std::string_view what);
  void read(size_t bytes_max);
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

  const Kind kind_;
  const bool reads_;
  const bench::Address& address_;
  const Texts& texts_;
  Tally& tally_;
  const int epoll_;
  int fd_ = -1;
  bool started_ = false;
  bool in_ = false;
  size_t begun_at_ = 0;  // where in `pour`'s text the next byte lies
  size_t parse_left_ = 0;
  uint64_t next_ns_ = 0;
};

void HostileClient::on_event(uint32_t ready) {
  if (fd_ < 0) return;
  if (!started_) {
    started_ = true;
    ::send(fd_, texts_.startup.data(), texts_.startup.size(), MSG_NOSIGNAL);
  } else if (!in_) {
    // The whole answer to the login comes at once, or near enough: nothing depends on it.
    read(kPieceBytes);
    if ((ready & EPOLLIN) == 0 || fd_ < 0) return;
    in_ = true;
    if (kind_ == Kind::half_message) {
      std::string half = message('Q', std::string(1 << 20, 'q')).substr(0, 100);
      ::send(fd_, half.data(), half.size(), MSG_NOSIGNAL);
    } else if (kind_ == Kind::slow_reader) {
      ::send(fd_, texts_.bulk_query.data(), texts_.bulk_query.size(), MSG_NOSIGNAL);
    }
  }
  if (in_) act();
  if (fd_ >= 0 && (ready & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0) {
    ++tally_.ended[static_cast<size_t>(kind_)];
    close();
  }
}

// One piece at a time, so that all get their turn: the edge comes again when there is room again,
// and `on_time` looks after those for whom there is room now.
void HostileClient::act() {
  if (kind_ == Kind::huge_parse) {
    if (parse_left_ == 0) {
      std::string header = "P" + u32(kParseBytes);
      if (::send(fd_, header.data(), header.size(), MSG_NOSIGNAL) == 5)
        parse_left_ = kParseBytes - 4;
    }
    size_t piece = std::min(parse_left_, texts_.body.size());
    ssize_t sent = ::send(fd_, texts_.body.data(), piece, MSG_NOSIGNAL);
    if (sent > 0) {
      parse_left_ -= static_cast<size_t>(sent);
      tally_.sent_bytes += static_cast<uint64_t>(sent);
    }
    read(kPieceBytes);
  } else if (kind_ == Kind::endless_pipeline) {
    pour(texts_.requests);
    if (reads_) read(kPieceBytes);
  }
}

void HostileClient::pour(std::string_view what) {
  ssize_t sent = ::send(fd_, what.data() + begun_at_, what.size() - begun_at_, MSG_NOSIGNAL);
  if (sent <= 0) return;
  begun_at_ = (begun_at_ + static_cast<size_t>(sent)) % what.size();
  tally_.sent_bytes += static_cast<uint64_t>(sent);
}

void HostileClient::read(size_t bytes_max) {
  static std::array<char, kPieceBytes> buffer;
  ssize_t got = ::recv(fd_, buffer.data(), std::min(bytes_max, buffer.size()), 0);
  if (got > 0) tally_.received_bytes += static_cast<uint64_t>(got);
}

void HostileClient::on_time(uint64_t now_ns) {
  if (fd_ >= 0 && in_) act();
  if (now_ns < next_ns_) return;
  next_ns_ = now_ns + kNowAndThenNs;
  if (fd_ < 0) {
    connect();
  } else if (in_ && kind_ == Kind::half_message) {
    ::send(fd_, "q", 1, MSG_NOSIGNAL);
  } else if (in_ && kind_ == Kind::slow_reader) {
    read(1024);
  }
}

void run(const bench::Address& address, const Texts& texts, size_t of_each_kind) {
  int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  Tally tally;
  std::vector<std::unique_ptr<HostileClient>> clients;
  for (size_t i = 0; i < of_each_kind; ++i) {
    for (size_t kind = 0; kind < static_cast<size_t>(Kind::kCount); ++kind) {
      clients.push_back(std::make_unique<HostileClient>(static_cast<Kind>(kind), i % 2 == 0,
                                                        address, texts, tally, epoll));
      clients.back()->connect();
    }
  }
  epoll_event stop{.events = EPOLLIN, .data = {.ptr = nullptr}};
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &stop) != 0) bench::die("epoll_ctl");
  bool told = false;
  uint64_t next_round_ns = 0;
  for (;;) {
    constexpr int kEvents = 512;
    epoll_event events[kEvents];
    int count = ::epoll_wait(epoll, events, kEvents, 10);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.ptr == nullptr) {
        fmt::print(
            "{{\"ended\": {{\"half_message\": {}, \"slow_reader\": {}, \"huge_parse\": {}, "
            "\"endless_pipeline\": {}}}, \"sent_bytes\": {}, \"received_bytes\": {}}}\n",
            tally.ended[0], tally.ended[1], tally.ended[2], tally.ended[3], tally.sent_bytes,
            tally.received_bytes);
        return;
      }
      static_cast<HostileClient*>(events[i].data.ptr)->on_event(events[i].events);
    }
    uint64_t now_ns = bench::now_ns();
    if (now_ns < next_round_ns) continue;
    next_round_ns = now_ns + kRoundNs;
    for (auto& client : clients) client->on_time(now_ns);
    if (told) continue;
    told = std::ranges::all_of(clients, [](const auto& client) { return client->is_in(); });
    if (told) fmt::print("{{\"ready\": {}}}\n", clients.size());
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace trunkline::soak

int main(int argc, char** argv) {
  using namespace trunkline;
  using namespace trunkline::soak;
  CLI::App app("Clients that mean harm, until a line is read");
  std::string address;
  std::string user;
  size_t of_each_kind = 500;
  app.add_option("--target", address, "HOST:PORT")->required();
  app.add_option("--user", user)->default_val("hostile");
  app.add_option("--of-each-kind", of_each_kind);
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  bench::raise_descriptor_limit();
  Texts texts;
  texts.startup = packet(u32(bench::kProtocol30) + c_string("user") + c_string(user) +
                         c_string("database") + c_string("app") + '\0');
  texts.bulk_query = message('Q', c_string("select bulk(1000000)"));
  while (texts.requests.size() < kPieceBytes) {
    texts.requests += message('P', c_string("") + c_string("select 1") + u16(0)) +
                      message('B', c_string("") + c_string("") + u16(0) + u16(0) + u16(0)) +
                      message('E', c_string("") + u32(0));
  }
  run(bench::Address(address), texts, of_each_kind);
}
