#include "worker/pool.h"

#include <algorithm>
#include <ctime>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "io/epoll_backend.h"
#include "server/fake_server_for_tests.h"
#include "session/environment_for_tests.h"
#include "wire/startup.h"

namespace trunkline::worker {
namespace {

using session::ClientState;

const std::string kReady("Z\0\0\0\5I", 6);

// A client that logs in as whoever trust lets in, and keeps what it hears.
class Client {
 public:
  explicit Client(const io::SocketAddress& to, bool silent = false)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    EXPECT_EQ(::connect(fd_, to.raw(), to.raw_length()), 0);
    if (silent) return;
    std::string startup;
    wire::append_startup(startup, wire::kProtocol30, {{{"user", "ann"}}});
    say(startup);
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void say(const std::string& bytes) { ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  void listen() {
    char chunk[65536];
    ssize_t got;
    while ((got = ::recv(fd_, chunk, sizeof chunk, MSG_DONTWAIT)) > 0)
      heard.append(chunk, static_cast<size_t>(got));
    ended |= got == 0 || (got < 0 && errno != EAGAIN);
  }
  bool is_in() {
    listen();
    return heard.contains(kReady);
  }
  bool is_out() {
    listen();
    return ended;
  }

  std::string heard;
  bool ended = false;

 private:
  int fd_;
};

// Workers between clients and one server that lets everybody in.
class WorkerPoolTest : public testing::Test {
 protected:
  static constexpr uint32_t kWorkers = 2;

  ~WorkerPoolTest() override {
    clients_.clear();
    pool_.stop();
    blocking_.stop();
    ::close(listening_fd_);
  }

  void start(uint32_t workers = kWorkers, const std::string& rows = "",
             uint64_t memory_limit = 1 << 30) {
    // Login, then whatever is asked, which ends this server's script.
    server_ = std::make_unique<server::FakeServer>(
        loop_, std::vector<server::FakeScript>{{.acts = {{server::fake_login() + rows}},
                                                .keeps_open = !server_is_deaf_,
                                                .is_deaf = server_is_deaf_}});
    auto fd = io::open_listener(io::SocketAddress::ip(*IpAddress::parse("127.0.0.1"), 0), {});
    ASSERT_TRUE(fd.has_value());
    listening_fd_ = *fd;
    pool_.start(process_, snapshot(memory_limit),
                {.workers = workers, .listening_fds = {listening_fd_}});
  }

  std::shared_ptr<const session::Snapshot> snapshot(uint64_t memory_limit) {
    config::Config config;
    config.upstreams["main"].servers = {{.host = "127.0.0.1", .port = server_->port()}};
    config.upstreams["main"].tls.mode = config::ServerTlsMode::disable;
    config.routes.emplace_back().upstream = "main";
    config.authentication.push_back({.method = config::AuthMethod::trust});
    tls::Findings findings;
    auto made = std::make_shared<session::Snapshot>();
    made->login_timeout = 10s;
    made->cancel_timeout = 10s;
    made->max_message_bytes = 1 << 20;
    made->memory_limit = memory_limit;
    made->logins_max = logins_max_;
    made->upstreams = upstream::Set::compile(config, nullptr, findings);
    made->routes = *route::RouteTable::compile(config, made->upstreams);
    made->auth = std::make_shared<const auth::AuthConfig>(*auth::compile(config));
    made->hooks = std::make_shared<policy::HookChain>();
    made->listeners.push_back(std::make_shared<session::Listener>(
        session::Listener{.name = "test",
                          .tls_mode = config::ClientTlsMode::disable,
                          .tls = nullptr,
                          .proxy_protocol = {},
                          .is_unix = false}));
    return made;
  }

  template <typename Done>
  void run_until(Done done) {
    Instant give_up = Clock::now() + 10s;
    while (!done()) {
      ASSERT_LT(Clock::now(), give_up) << "it never happens";
      loop_.run_once(false);
      std::this_thread::sleep_for(1ms);
    }
  }
  void connect(size_t clients, bool silent = false) {
    for (size_t i = 0; i < clients; ++i) {
      clients_.push_back(std::make_unique<Client>(io::bound_address(listening_fd_), silent));
    }
  }
  void connect_and_log_in(size_t clients) {
    connect(clients);
    run_until([this] {
      return std::ranges::all_of(clients_, [](auto& client) { return client->is_in(); });
    });
    // A client hears that it is in before its worker counts it.
    run_until([this] { return active(0) + active(1) == clients_.size(); });
  }
  bool all_out() {
    return std::ranges::all_of(clients_, [](auto& client) { return client->is_out(); });
  }
  uint64_t active(uint32_t worker) {
    return session::WorkerMetrics(test_process_.metrics, worker).clients(ClientState::active).get();
  }
  static Error killed() {
    return {.reason = Reason::client_limit, .sqlstate = sqlstate::kAdminShutdown, .message = "go"};
  }

  io::Loop loop_{std::make_unique<io::EpollBackend>()};
  std::unique_ptr<server::FakeServer> server_;
  io::BlockingPool blocking_{1};
  session::TestProcess test_process_{kWorkers};
  WorkerPool pool_{blocking_};
  session::Process process_ = test_process_.process(pool_);
  std::vector<std::unique_ptr<Client>> clients_;
  int listening_fd_ = -1;
  uint32_t logins_max_ = 1000;
  bool server_is_deaf_ = false;  // after the login
};

TEST_F(WorkerPoolTest, SessionsAreSpreadEvenly) {
  start();
  connect_and_log_in(20);
  EXPECT_EQ(pool_.sessions(), 20);
  EXPECT_NEAR(static_cast<double>(active(0)), 10, 1) << "two may be accepted at the same time";
  EXPECT_EQ(active(0) + active(1), 20);
  clients_.clear();
  run_until([this] { return pool_.sessions() == 0; });
  EXPECT_EQ(active(0) + active(1), 0);
  EXPECT_EQ(test_process_.cancels.size(), 0);
  EXPECT_EQ(test_process_.limits.clients(), 0);
}

TEST_F(WorkerPoolTest, DrainingTellsIdleClientsAndAcceptsNobody) {
  start();
  connect_and_log_in(4);
  pool_.drain();
  run_until([this] { return all_out(); });
  for (auto& client : clients_) {
    EXPECT_TRUE(client->heard.contains("57P01")) << "told why";
  }
  run_until([this] { return pool_.sessions() == 0; });
  connect(1);
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(pool_.sessions(), 0);
}

TEST_F(WorkerPoolTest, DrainingWaitsForAnAnswerThatIsDueAndEndingDoesNot) {
  start();
  connect_and_log_in(2);
  std::string query;
  wire::append_query(query, "select pg_sleep(1000)");
  clients_[0]->say(query.substr(0, 5));  // half a message is work in progress
  std::this_thread::sleep_for(20ms);
  pool_.drain();
  run_until([this] { return clients_[1]->is_out(); });
  run_until([this] { return pool_.sessions() == 1; });
  EXPECT_FALSE(clients_[0]->is_out());
  pool_.end_sessions(killed());
  run_until([this] { return clients_[0]->is_out(); });
  run_until([this] { return pool_.sessions() == 0; });
}

TEST_F(WorkerPoolTest, SilentConnectionsBeyondTheBoundWaitOutside) {
  logins_max_ = 3;
  start(kWorkers);  // two for each worker: shares are rounded up
  connect(8, true);
  run_until([this] { return pool_.sessions() == 4; });
  connect(1);
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(pool_.sessions(), 4);
  EXPECT_FALSE(clients_.back()->is_in());
  clients_.erase(clients_.begin(), clients_.begin() + 6);
  run_until([this] { return clients_.back()->is_in(); });
  run_until([this] { return pool_.sessions() == 3; });
}

TEST_F(WorkerPoolTest, ClientsThatAreInDoNotCountAsLogins) {
  logins_max_ = 1;
  start(1);
  connect_and_log_in(5);
  EXPECT_EQ(active(0), 5);
}

TEST_F(WorkerPoolTest, DrainingDuringAPauseAcceptsNobodyAfterwards) {
  logins_max_ = 1;
  start(1);
  connect(3, true);
  run_until([this] { return pool_.sessions() == 1; });
  pool_.drain();
  clients_.erase(clients_.begin());
  run_until([this] { return pool_.sessions() == 0; });
  std::this_thread::sleep_for(100ms);
  session::WorkerMetrics metrics(test_process_.metrics, 0);
  EXPECT_EQ(metrics.accepted().get(), 1);
}

TEST_F(WorkerPoolTest, WithoutDescriptorsTheBacklogWaitsAndTheLoopRests) {
  start(1);
  connect_and_log_in(1);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  int waiting = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  io::SocketAddress to = io::bound_address(listening_fd_);
  EXPECT_EQ(::connect(waiting, to.raw(), to.raw_length()), 0);
  std::clock_t spent_before = std::clock();
  std::this_thread::sleep_for(300ms);
  double spent_s = static_cast<double>(std::clock() - spent_before) / CLOCKS_PER_SEC;
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(pool_.sessions(), 1);
  EXPECT_LT(spent_s, 0.1) << "of 0.3 s";
  run_until([this] { return pool_.sessions() == 2; });
  ::close(waiting);
}

// Thirty-two times more than buffers and sockets hold.
std::string many_rows() {
  std::string row("D", 1);
  append_big_endian<uint32_t>(row, (1 << 20) + 4);
  row.append(1 << 20, 'd');
  std::string rows;
  for (int i = 0; i < 32; ++i) rows += row;
  return rows;
}

TEST_F(WorkerPoolTest, TheSlowestReaderIsEndedWhenBuffersAreShort) {
  start(1, many_rows(), 0);  // the least there is: two buffers
  connect(3);                // which read nothing
  run_until([this] { return pool_.sessions() == 3; });
  run_until([this] { return pool_.sessions() == 2; });
  session::WorkerMetrics metrics(test_process_.metrics, 0);
  EXPECT_EQ(metrics.closes(Reason::client_slow).get(), 1) << "one waited, so one had to go";
}

TEST_F(WorkerPoolTest, AsManySlowReadersAreEndedAtOnceAsWaitForABuffer) {
  constexpr size_t kBuffers = 6;
  start(1, many_rows(), kBuffers * 64 * 1024);
  connect(2 * kBuffers);
  session::WorkerMetrics metrics(test_process_.metrics, 0);
  auto ended = [&] { return metrics.closes(Reason::client_slow).get(); };
  run_until([&] { return ended() > 0; });
  Instant first = Clock::now();
  run_until([&] { return ended() == kBuffers; });
  // A few looks at most, as they need not have stalled at the same time; one by one would take six.
  EXPECT_LT(Clock::now() - first, 2400ms);
  std::this_thread::sleep_for(600ms);
  EXPECT_EQ(ended(), kBuffers) << "nobody waits any more";
}

TEST_F(WorkerPoolTest, SessionsWhoseServerDoesNotReadAreEndedWhenBuffersAreShort) {
  server_is_deaf_ = true;
  start(1, "", 0);  // the least there is: two buffers
  connect_and_log_in(3);
  std::string query;
  wire::append_query(query, std::string(1 << 20, 'q'));
  std::vector<std::thread> senders;
  for (auto& client : clients_) {
    senders.emplace_back([&] {
      for (int i = 0; i < 32; ++i) client->say(query);  // blocks, until the session ends
    });
  }
  session::WorkerMetrics metrics(test_process_.metrics, 0);
  run_until([&] { return metrics.closes(Reason::server_slow).get() == 1; });
  EXPECT_EQ(metrics.closes(Reason::client_slow).get(), 0);
  run_until([this] { return pool_.sessions() == 2; });
  std::this_thread::sleep_for(1200ms);
  EXPECT_EQ(pool_.sessions(), 2) << "nobody waits any more";
  pool_.end_sessions(killed());
  for (std::thread& sender : senders) sender.join();
}

TEST_F(WorkerPoolTest, ACancelForASessionThatIsGoneIsAnswered) {
  start();
  connect_and_log_in(1);
  std::atomic<int> answers = 0;
  for (uint32_t worker = 0; worker < kWorkers; ++worker) {
    pool_.cancel({.worker = worker, .session = 0xffffffff}, [&](session::CancelOutcome outcome) {
      EXPECT_EQ(outcome, session::CancelOutcome::failed);
      ++answers;
    });
  }
  run_until([&] { return answers == 2; });
}

}  // namespace
}  // namespace trunkline::worker
