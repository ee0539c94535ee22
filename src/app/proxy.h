#pragma once

#include <csignal>
#include <memory>
#include <set>
#include <string>

#include "app/listeners.h"
#include "app/snapshot.h"
#include "app/systemd.h"
#include "io/blocking_pool.h"
#include "io/loop.h"
#include "observe/metrics.h"
#include "policy/limits.h"
#include "service/admin.h"
#include "service/http_server.h"
#include "session/environment.h"
#include "upstream/resolve.h"
#include "worker/pool.h"

namespace trunkline::app {

// What the control thread acts on; blocked in all threads before the first is made.
inline const std::set<int> kSignals = {SIGHUP, SIGTERM, SIGINT};

// The process that serves: owns everything shared, runs the control loop on the thread that calls
// `run`, and carries out signals.
//
//   start ─► serving ──HUP──► reload, or keep what is and say why not
//               │TERM
//               ▼
//            draining ──all sessions closed, shutdown_timeout, or a second signal──► end
class Proxy final : private service::Control {
 public:
  // `config` has been loaded from `config_file` and compiles.
  Proxy(config::Config config, std::shared_ptr<const session::Snapshot> snapshot);
  ~Proxy() override;
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  // Opens the listening sockets. The error names those that could not be.
  std::expected<void, std::string> listen();
  // Serves until a signal ends it.
  void run();

 private:
  void on_signal(int signal);
  io::Task<> reload();
  void warn_of_restart_only(const config::Config& config) const;
  void apply(config::Config config, std::shared_ptr<const session::Snapshot> snapshot);
  void apply_client_limits();
  void apply_pools();
  void keep_route_metrics();
  io::Task<> drain();
  void end();

  observe::Registry& registry() override { return metrics_; }
  std::string_view metrics_prefix() const override { return fixed_.metrics_prefix; }
  upstream::Readiness readiness() const override;
  bool draining() const override { return draining_; }

  config::Config config_;
  std::shared_ptr<const session::Snapshot> snapshot_;
  // What is decided when the process starts; a reload that changes it waits for the next start.
  struct Fixed {
    explicit Fixed(const config::Config& config);
    std::optional<uint32_t> workers;
    uint16_t node_id;
    Secret secret;
    std::string admin;
    std::string metrics_prefix;
  };
  const Fixed fixed_;
  const uint32_t workers_count_;
  observe::Registry metrics_;
  session::CancelRegistry cancels_;
  policy::ConnectionLimits limits_;
  policy::RateLimiter cancel_rate_;
  policy::RateLimiter login_rate_;
  upstream::Resolver resolver_;
  session::PeerNames peer_names_;
  auth::MockSecrets mock_secrets_;
  auth::KeyCache key_cache_;
  lookup::Directories directories_;
  pool::Ledger ledger_;
  pool::Registry pools_;
  Listeners listeners_;
  io::BlockingPool blocking_pool_;
  io::Loop loop_;
  worker::WorkerPool workers_;
  session::Process process_;
  std::unique_ptr<service::HttpServer> admin_;
  const Notifier notifier_ = Notifier::from_environment();
  // Of all routes: so that their counters are there from the start, with zeros.
  std::vector<std::shared_ptr<observe::Group>> route_metrics_;
  bool reloading_ = false;
  bool reload_again_ = false;
  bool draining_ = false;
};

}  // namespace trunkline::app
