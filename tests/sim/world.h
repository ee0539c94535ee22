#pragma once

#include <memory>
#include <string>
#include <vector>

#include "auth/key_cache.h"
#include "auth/mock_secrets.h"
#include "config/model.h"
#include "io/sim_backend.h"
#include "observe/metrics.h"
#include "policy/limits.h"
#include "session/cancel_registry.h"
#include "session/environment.h"
#include "sim/fake_client.h"
#include "sim/fake_server.h"
#include "sim/journal.h"
#include "upstream/resolve.h"
#include "worker/worker.h"

namespace trunkline::sim {

// What one seed stands for.
struct Scenario {
  explicit Scenario(uint64_t seed);
  std::string describe() const;

  uint64_t seed;
  io::SimOptions network;
  ServerManners manners;
  Circumstances circumstances;
  std::string config;  // YAML
  std::vector<Script> scripts;
  uint64_t memory_limit = 64 << 20;  // less than a configuration may say: two buffers
  bool orderly;                      // the counters of the proxy can be known exactly
  Duration ends_after{0};            // when it drains or kills
};

// A worker of the proxy, its servers and its clients, on one simulated loop.
class World final : public session::SessionMail {
 public:
  explicit World(const Scenario& scenario);
  ~World();

  // Runs to the end and checks what must hold then.
  Journal run();

 private:
  void cancel(session::CancelRegistry::Target target,
              std::move_only_function<void(session::CancelOutcome)> done) override;
  void start_parties();
  void close_listeners();
  void turn_until_all_have_left();
  bool all_have_left() const;
  void check_nothing_is_left();
  void check_statistics();
  uint64_t counter(std::string_view name, std::string_view label = "") const;
  void expect_equal(std::string_view what, uint64_t expected, uint64_t found);

  const Scenario& scenario_;
  Journal journal_;
  FastRandom random_;
  observe::Registry metrics_{1};
  session::CancelRegistry cancels_;
  policy::ConnectionLimits limits_;
  policy::RateLimiter cancel_rate_;
  policy::RateLimiter login_rate_;
  upstream::Resolver resolver_;
  session::PeerNames peer_names_{0, session::kPeerNamesMax, session::system_user_name};
  auth::MockSecrets mock_secrets_;
  auth::KeyCache key_cache_;
  lookup::Directories directories_{metrics_};
  pool::Ledger ledger_;
  pool::Registry pools_{ledger_, 1};
  session::Process process_;
  io::SimBackend* backend_ = nullptr;  // the worker's
  std::vector<io::SocketAddress> addresses_;
  std::vector<int> listening_fds_;
  std::unique_ptr<worker::Worker> worker_;
  std::vector<std::unique_ptr<FakeServer>> servers_;
  std::vector<std::unique_ptr<FakeClient>> clients_;
};

}  // namespace trunkline::sim
