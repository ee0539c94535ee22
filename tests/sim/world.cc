#include "sim/world.h"

#include <algorithm>
#include <fmt/format.h>
#include <latch>
#include <utility>

#include "app/snapshot.h"
#include "config/loader.h"
#include "session/metrics.h"

namespace trunkline::sim {

namespace {

// Sessions end within a minute of their clients; the most patient client stays for five.
constexpr Duration kRunMax = 15min;

std::shared_ptr<const session::Snapshot> compile(const Scenario& scenario, Journal& journal) {
  auto config = config::load_text(scenario.config, "/sim/trunkline.yaml", {});
  app::Problems problems;
  std::shared_ptr<const session::Snapshot> snapshot;
  if (config) {
    snapshot = app::compile(*config, nullptr, problems);
  } else {
    problems.errors = std::move(config.error());
  }
  for (const config::Problem& problem : problems.errors) journal.problem(problem.text);
  if (snapshot == nullptr) return nullptr;
  auto with_limit = std::make_shared<session::Snapshot>(*snapshot);
  with_limit->memory_limit = scenario.memory_limit;
  return with_limit;
}

}  // namespace

World::World(const Scenario& scenario)
    : scenario_(scenario),
      random_(scenario.seed ^ 0x5eed),
      cancels_(0, Secret("a simulated key")),
      limits_({.clients_max =
                   scenario.config.find("max_clients: 2\n") == std::string::npos ? 1000U : 2U}),
      cancel_rate_(10ms, 100),
      login_rate_(1s, 0),
      mock_secrets_(Secret("a simulated key")),
      process_{.cancels = cancels_,
               .mail = *this,
               .limits = limits_,
               .cancel_rate = cancel_rate_,
               .login_rate = login_rate_,
               .metrics = metrics_,
               .resolver = resolver_,
               .peer_names = peer_names_,
               .mock_secrets = mock_secrets_,
               .key_cache = key_cache_,
               .directories = directories_,
               .pools = pools_} {
  addresses_ = {io::SocketAddress::ip(*IpAddress::parse("192.0.2.100"), 6432),
                *io::SocketAddress::unix_path("/sim/.s.PGSQL.6432")};
}

World::~World() {
  if (worker_) worker_->loop().destroy_spawned();
}

void World::cancel(session::CancelRegistry::Target target,
                   std::move_only_function<void(session::CancelOutcome)> done) {
  worker_->cancel(target.session, std::move(done));
}

Journal World::run() {
  auto snapshot = compile(scenario_, journal_);
  if (snapshot == nullptr) return std::move(journal_);
  auto backend = std::make_unique<io::SimBackend>(scenario_.network);
  backend_ = backend.get();
  for (const io::SocketAddress& address : addresses_) {
    listening_fds_.push_back(backend_->network().listen(address).value());
  }
  worker_ = std::make_unique<worker::Worker>(
      0, process_, std::move(backend), nullptr, std::move(snapshot), listening_fds_, 1,
      [this](worker::Accepted accepted) { worker_->adopt(accepted); });
  worker_->start();
  start_parties();
  turn_until_all_have_left();
  check_nothing_is_left();
  check_statistics();
  return std::move(journal_);
}

void World::start_parties() {
  io::Loop& loop = worker_->loop();
  const io::SocketAddress servers[] = {
      io::SocketAddress::ip(*IpAddress::parse("10.0.0.1"), 5432),
      io::SocketAddress::ip(*IpAddress::parse("10.0.0.2"), 5432),
      *io::SocketAddress::unix_path("/pg/.s.PGSQL.5432"),
  };
  // Without the first server every session comes to the second.
  for (size_t i = random_.below(3) == 0 ? 1 : 0; i < std::size(servers); ++i) {
    servers_.push_back(std::make_unique<FakeServer>(loop, backend_->network(), servers[i],
                                                    scenario_.manners, random_.next(), journal_));
    servers_.back()->start();
  }
  for (size_t i = 0; i < scenario_.scripts.size(); ++i) {
    clients_.push_back(std::make_unique<FakeClient>(
        loop, fmt::format("c{}", i), addresses_[random_.below(2)], scenario_.scripts[i],
        scenario_.circumstances, random_.next(), journal_));
    loop.spawn(clients_.back()->run(Duration(random_.below(50'000'000))));
  }
  if (!scenario_.circumstances.drains && !scenario_.circumstances.kills) return;
  loop.spawn([](World& world) -> io::Task<> {
    io::Loop& on = world.worker_->loop();
    co_await on.sleep_until(on.now() + world.scenario_.ends_after);
    std::latch not_listening(1);
    world.worker_->drain(not_listening);
    while (!not_listening.try_wait()) co_await on.sleep_until(on.now() + 1ms);
    world.close_listeners();
    if (!world.scenario_.circumstances.kills) co_return;
    world.worker_->end_sessions({.reason = Reason::drain,
                                 .sqlstate = sqlstate::kAdminShutdown,
                                 .message = "terminating connection"});
  }(*this));
}

void World::close_listeners() {
  for (int fd : std::exchange(listening_fds_, {})) backend_->network().close(fd);
}

bool World::all_have_left() const {
  return worker_->sessions() == 0 &&
         std::ranges::all_of(clients_, [](const auto& client) { return client->done(); }) &&
         std::ranges::all_of(servers_,
                             [](const auto& server) { return server->connections() == 0; });
}

void World::turn_until_all_have_left() {
  io::Loop& loop = worker_->loop();
  Instant deadline = loop.now() + kRunMax;
  while (!all_have_left() && loop.now() < deadline) loop.run_once(true);
  if (!all_have_left()) {
    size_t connections = 0;
    for (const auto& server : servers_) connections += server->connections();
    journal_.problem(fmt::format(
        "hangs: {} sessions, {} server connections, {} clients", worker_->sessions(), connections,
        std::ranges::count_if(clients_, [](const auto& client) { return !client->done(); })));
  }
}

void World::check_nothing_is_left() {
  io::Loop& loop = worker_->loop();
  std::latch not_listening(1);
  worker_->drain(not_listening);
  for (const auto& server : servers_) server->stop();
  for (int i = 0; i < 10; ++i) loop.run_once(true);
  if (!not_listening.try_wait()) journal_.problem("the drained worker still listens");
  close_listeners();
  if (!all_have_left()) return;
  expect_equal("descriptors", 0, backend_->network().open_descriptors());
  expect_equal("registered descriptors", 0, backend_->registered());
  expect_equal("buffers in use", 0, worker_->buffers().in_use());
  expect_equal("clients under the limits", 0, limits_.clients());
  expect_equal("sources under the limits", 0, limits_.sources());
  expect_equal("names under the limits", 0, limits_.names());
  expect_equal("cancel keys", 0, cancels_.size());
  expect_equal("timers but the worker's own", 2, loop.timers().size());
}

uint64_t World::counter(std::string_view name, std::string_view label) const {
  uint64_t total = 0;
  for (const observe::Family& family : metrics_.read()) {
    if (family.descriptor.name != name) continue;
    for (const observe::Sample& sample : family.samples) {
      bool matches = label.empty() || std::ranges::any_of(*sample.labels, [&](const auto& pair) {
                       return pair.second == label;
                     });
      if (matches) total += static_cast<uint64_t>(sample.value);
    }
  }
  return total;
}

void World::expect_equal(std::string_view what, uint64_t expected, uint64_t found) {
  if (expected == found) return;
  journal_.problem(fmt::format("{}: {} where {} must be", what, found, expected));
}

void World::check_statistics() {
  expect_equal("gauge clients", 0, counter("clients"));
  expect_equal("gauge sessions_active", 0, counter("sessions_active"));
  auto pg = [this](std::string_view name) { return counter(fmt::format("postgres_{}", name)); };
  expect_equal("messages",
               pg("messages_frontend") + pg("messages_backend") + pg("messages_unknown"),
               pg("messages"));
  expect_equal("transactions", pg("transactions_commit") + pg("transactions_rollback"),
               pg("transactions"));
  expect_equal("errors", pg("errors_error") + pg("errors_fatal"), pg("errors"));
  expect_equal("sessions", pg("sessions_unencrypted"), pg("sessions"));
  if (!scenario_.orderly || !journal_.problems.empty()) return;
  expect_equal("closes", counter("clients_accepted"), counter("closes"));
  expect_equal("sessions that logged in", journal_.sessions, pg("sessions"));
  expect_equal("messages of clients", journal_.messages_sent, pg("messages_frontend"));
  expect_equal("messages of servers", journal_.messages_received, pg("messages_backend"));
  expect_equal("errors received", journal_.errors_received, pg("errors"));
  expect_equal("notices received", journal_.notices_received, pg("notices"));
  expect_equal("statements completed", journal_.statements_completed, pg("statements"));
}

}  // namespace trunkline::sim
