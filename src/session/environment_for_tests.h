#pragma once

#include <memory>
#include <utility>

#include "session/environment.h"

// What a process shares, for tests of this module and of those above.
namespace trunkline::session {

struct NoMail final : SessionMail {
  void cancel(CancelRegistry::Target, std::move_only_function<void(CancelOutcome)> done) override {
    done(CancelOutcome::failed);
  }
};

// Of a worker that has no part in pools.
struct NoDesk final : pool::Desk {
  uint32_t worker() const override { return 0; }
  Instant now() const override { return {}; }
  void post(std::move_only_function<void()>) override {}
  void open(pool::PoolPtr) override {}
  void pack(pool::Connection&) override {}
  void unpack(pool::Connection&) override {}
  bool is_alive(pool::Connection&) override { return true; }
  void listen(pool::PoolPtr, pool::ListenerPtr) override {}
  void close(pool::ConnectionPtr) override {}
};

struct TestProcess {
  explicit TestProcess(size_t writers = 1) : metrics(writers) {}

  Process process(SessionMail& mail) {
    return {.cancels = cancels,
            .mail = mail,
            .limits = limits,
            .cancel_rate = cancel_rate,
            .login_rate = login_rate,
            .metrics = metrics,
            .resolver = resolver,
            .peer_names = peer_names,
            .mock_secrets = mock_secrets,
            .key_cache = key_cache,
            .directories = directories,
            .pools = pools};
  }

  CancelRegistry cancels{0, Secret("key")};
  policy::ConnectionLimits limits{{.clients_max = 1000}};
  policy::RateLimiter cancel_rate{1s, 100};
  policy::RateLimiter login_rate{1s, 0};
  observe::Registry metrics;
  upstream::Resolver resolver;
  PeerNames peer_names{0, kPeerNamesMax, system_user_name};
  auth::MockSecrets mock_secrets{Secret("key")};
  auth::KeyCache key_cache;
  lookup::Directories directories{metrics};
  pool::Ledger ledger;
  pool::Registry pools{ledger, 1};
};

}  // namespace trunkline::session
