#include "app/proxy.h"

#include <algorithm>
#include <csignal>
#include <unistd.h>
#include <utility>

#include "app/cpus.h"
#include "app/signals.h"
#include "app/systemd.h"
#include "base/random.h"
#include "config/loader.h"
#include "config/print.h"
#include "io/epoll_backend.h"
#include "io/listen.h"
#include "observe/log.h"
#include "upstream/probe.h"

namespace trunkline::app {

namespace {

// PBKDF2 and files. More threads than this would take the CPU from the workers.
constexpr unsigned kBlockingThreads = 2;
// How many cancel requests a source may send at once, and how soon another is allowed.
constexpr uint32_t kCancelBurst = 100;
constexpr Duration kCancelInterval = 10ms;

// The key for mock salts and cancel-key MACs, of `secret_file` or made up for this start.
Secret process_secret(const config::Config& config) {
  constexpr size_t kSecretBytes = 32;
  if (config.secret) return config.secret->clone();
  std::string bytes = random_bytes(kSecretBytes);
  Secret secret(bytes);
  wipe(bytes);
  return secret;
}

policy::ClientLimits client_limits(const config::Config& config) {
  return {.clients_max = config.max_clients,
          .per_source_max = config.max_clients_per_source,
          .per_user_max = config.max_clients_per_user,
          .per_database_max = config.max_clients_per_database};
}

void apply_log_settings(const config::Log& log) {
  observe::set_log_level(static_cast<observe::Level>(log.level));
  observe::set_log_format(static_cast<observe::Format>(log.format));
}

void log_problems(observe::Level level, std::string_view event,
                  const std::vector<config::Problem>& problems) {
  for (const config::Problem& problem : problems) {
    observe::log(level, event,
                 {{"file", problem.at.file},
                  {"line", problem.at.line},
                  {"column", problem.at.column},
                  {"key", problem.key},
                  {"problem", problem.text}});
  }
}

}  // namespace

Proxy::Proxy(config::Config config, std::shared_ptr<const session::Snapshot> snapshot)
    : config_(std::move(config)),
      snapshot_(std::move(snapshot)),
      fixed_(config_),
      workers_count_(config_.workers.value_or(usable_cpus())),
      metrics_(workers_count_ + 1),  // the control thread writes too
      cancels_(config_.node_id, process_secret(config_)),
      limits_(client_limits(config_)),
      cancel_rate_(kCancelInterval, kCancelBurst),
      login_rate_(1s, 0),
      resolver_(upstream::kLookupThreads),
      peer_names_(session::kPeerNameThreads, session::kPeerNamesMax, session::system_user_name),
      mock_secrets_(process_secret(config_)),
      directories_(metrics_),
      pools_(ledger_, workers_count_, &metrics_),
      blocking_pool_(kBlockingThreads),
      loop_(std::make_unique<io::EpollBackend>(), &blocking_pool_),
      workers_(blocking_pool_),
      process_{.cancels = cancels_,
               .mail = workers_,
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
  apply_client_limits();
  apply_pools();
  apply_log_settings(config_.log);
  keep_route_metrics();
}

void Proxy::keep_route_metrics() {
  std::vector<std::shared_ptr<observe::Group>> kept;
  for (const route::Entry& entry : snapshot_->routes->entries()) {
    if (entry.upstream == nullptr || entry.upstream->is_pattern()) continue;
    std::vector<std::string> labels = {entry.route->name, entry.upstream->name()};
    kept.push_back(metrics_.group(policy::kPostgresStats, labels));
    kept.push_back(metrics_.group(session::kRouteMetrics, labels));
    kept.push_back(metrics_.group(upstream::kServerConnections, {entry.upstream->name()}));
    if (entry.route->auth_query == nullptr) continue;
    kept.push_back(metrics_.group(lookup::kAuthQueryMetrics, {entry.upstream->name()}));
  }
  route_metrics_ = std::move(kept);
}

Proxy::~Proxy() = default;

std::expected<void, std::string> Proxy::listen() {
  Result<std::vector<InheritedSocket>> inherited = take_inherited_sockets();
  if (!inherited) return std::unexpected(inherited.error().message + "\n");
  auto opened = listeners_.open(config_.listen, std::move(*inherited), config_.tcp_user_timeout);
  if (!opened || !config_.admin) return opened;
  std::optional<IpAddress> address = IpAddress::parse(config_.admin->address);
  auto at = address ? io::SocketAddress::ip(*address, config_.admin->port)
                    : io::SocketAddress::any(config_.admin->port);
  std::expected<int, std::string> fd = io::open_listener(at, {});
  if (!fd) return std::unexpected("admin: " + fd.error() + "\n");
  admin_ = std::make_unique<service::HttpServer>(loop_, *fd, service::admin_router(*this));
  return {};
}

void Proxy::run() {
  workers_.start(process_, snapshot_,
                 {.workers = workers_count_, .listening_fds = listeners_.fds()});
  loop_.spawn(upstream::probe_loop(loop_, [this] { return snapshot_->upstreams; }, resolver_));
  SignalThread signals(kSignals, loop_, [this](int signal) { on_signal(signal); });
  std::string names;
  for (const auto& listener : snapshot_->listeners)
    names += (names.empty() ? "" : ", ") + listener->name;
  observe::log(observe::Level::info, "serving",
               {{"version", TRUNKLINE_VERSION}, {"listen", names}, {"workers", workers_count_}});
  notifier_.ready();
  loop_.run();
  notifier_.stopping();
  workers_.stop();
  blocking_pool_.stop();  // its work posts to the loops
  observe::log(observe::Level::info, "stopped");
}

upstream::Readiness Proxy::readiness() const {
  return upstream::readiness(*snapshot_->upstreams, loop_.now());
}

void Proxy::on_signal(int signal) {
  if (signal == SIGHUP) {
    // One that comes during a reload may be about a newer file.
    reload_again_ = reloading_;
    if (!reloading_ && !draining_) loop_.spawn(reload());
  } else if (draining_ || signal == SIGINT) {
    end();
  } else {
    loop_.spawn(drain());
  }
}

// Everything or nothing: a configuration with an error changes nothing.
io::Task<> Proxy::reload() {
  reloading_ = true;
  notifier_.reloading();
  Loaded loaded = co_await loop_.offload(
      [file = config_.file, previous = snapshot_] { return load(file, previous.get()); });
  if (draining_) co_return;
  if (loaded.snapshot != nullptr) {
    std::string difference = listeners_.difference(loaded.config.listen);
    if (!difference.empty()) {
      loaded.problems.errors.push_back(
          {.at = {.file = config_.file}, .key = "listen", .text = std::move(difference)});
      loaded.snapshot = nullptr;
    }
  }
  log_problems(observe::Level::warn, "configuration warning", loaded.problems.warnings);
  if (loaded.snapshot == nullptr) {
    log_problems(observe::Level::error, "configuration error", loaded.problems.errors);
    observe::log(observe::Level::error,
                 "reload refused: the configuration before it stays in force");
  } else {
    warn_of_restart_only(loaded.config);
    apply(std::move(loaded.config), std::move(loaded.snapshot));
    observe::log(observe::Level::info, "configuration reloaded");
  }
  notifier_.ready();
  reloading_ = false;
  if (std::exchange(reload_again_, false) && !draining_) loop_.spawn(reload());
}

Proxy::Fixed::Fixed(const config::Config& config)
    : workers(config.workers),
      node_id(config.node_id),
      secret(config.secret ? config.secret->clone() : Secret()),
      admin(config.admin ? config.admin->address + ":" + std::to_string(config.admin->port) : ""),
      metrics_prefix(config.metrics_prefix) {}

void Proxy::warn_of_restart_only(const config::Config& config) const {
  auto warn = [](std::string_view key, bool differs) {
    if (!differs) return;
    observe::log(observe::Level::warn, "this setting changes only with a restart", {{"key", key}});
  };
  Fixed next(config);
  warn("workers", next.workers != fixed_.workers);
  warn("node_id", next.node_id != fixed_.node_id);
  warn("secret_file", !equal_in_constant_time(next.secret.reveal(), fixed_.secret.reveal()));
  warn("admin", next.admin != fixed_.admin);
  warn("metrics.prefix", next.metrics_prefix != fixed_.metrics_prefix);
}

void Proxy::apply_client_limits() {
  limits_.set(client_limits(config_));
  uint32_t logins = config_.max_logins_per_second_per_source.value_or(0);
  login_rate_.set(Duration(1s) / std::max(logins, 1U), logins);
}

void Proxy::apply_pools() {
  pool::Shares shares{.per_upstream = {},
                      .per_database = config_.max_connections_per_database,
                      .per_user = config_.max_connections_per_user,
                      .per_server = config_.max_connections_per_server};
  for (const auto& [name, upstream] : config_.upstreams) {
    if (upstream.max_connections) shares.per_upstream.emplace(name, *upstream.max_connections);
  }
  pools_.set_shares(std::move(shares));
  for (const route::Entry& entry : snapshot_->routes->entries()) {
    bool known = entry.upstream != nullptr && !entry.upstream->is_pattern();
    pools_.apply(entry.route->name, entry.route->pool, known ? entry.upstream : nullptr);
  }
}

void Proxy::apply(config::Config config, std::shared_ptr<const session::Snapshot> snapshot) {
  config_ = std::move(config);
  snapshot_ = std::move(snapshot);
  apply_client_limits();
  listeners_.set_tcp_user_timeout(config_.tcp_user_timeout);
  apply_pools();
  apply_log_settings(config_.log);
  keep_route_metrics();
  metrics_.drop_unused(loop_.now());
  workers_.apply(snapshot_);
}

// No new clients; those that are here finish their transactions, within shutdown_timeout.
io::Task<> Proxy::drain() {
  draining_ = true;
  notifier_.stopping();
  observe::log(observe::Level::info, "draining", {{"sessions", workers_.sessions()}});
  workers_.drain();
  listeners_.close();  // who comes now is refused by the system and goes elsewhere
  Instant deadline = loop_.now() + config_.shutdown_timeout;
  while (workers_.sessions() > 0 && loop_.now() < deadline) {
    constexpr Duration kLook = 20ms;
    co_await loop_.sleep_until(std::min(loop_.now() + kLook, deadline));
  }
  end();
}

void Proxy::end() {
  draining_ = true;
  if (uint32_t left = workers_.sessions(); left > 0) {
    observe::log(observe::Level::warn, "ending sessions", {{"sessions", left}});
    workers_.end_sessions({.reason = Reason::drain,
                           .side = Side::internal,
                           .sqlstate = sqlstate::kAdminShutdown,
                           .message = "terminating connection due to administrator command"});
  }
  loop_.spawn([](Proxy& proxy) -> io::Task<> {
    constexpr Duration kGrace = 1s;
    Instant deadline = proxy.loop_.now() + kGrace;
    while (proxy.workers_.sessions() > 0 && proxy.loop_.now() < deadline) {
      co_await proxy.loop_.sleep_until(proxy.loop_.now() + 10ms);
    }
    proxy.loop_.stop();
  }(*this));
}

}  // namespace trunkline::app
