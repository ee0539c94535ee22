#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/auth_config.h"
#include "auth/key_cache.h"
#include "auth/mock_secrets.h"
#include "base/slab.h"
#include "base/time.h"
#include "config/model.h"
#include "io/loop.h"
#include "lookup/directories.h"
#include "observe/metrics.h"
#include "policy/hooks.h"
#include "policy/limits.h"
#include "pool/pool.h"
#include "pool/registry.h"
#include "route/table.h"
#include "server/connection.h"
#include "session/cancel_registry.h"
#include "session/metrics.h"
#include "session/peer_user.h"
#include "session/route_use.h"
#include "session/statement_cache.h"
#include "tls/context.h"
#include "tls/handshake_gate.h"
#include "upstream/resolve.h"
#include "upstream/server_count.h"
#include "upstream/set.h"

// What a session stands on: the process, its worker, and the configuration at the time of its
// login.
namespace trunkline::session {

// One `listen` entry, compiled. Immutable; any thread.
struct Listener {
  std::string name;  // "0.0.0.0:6432"
  config::ClientTlsMode tls_mode;
  std::shared_ptr<const tls::ClientContext> tls;  // null when the mode needs none
  config::ProxyProtocol proxy_protocol;
  bool is_unix;
};

// The compiled configuration. Immutable; any thread. A session keeps it during login only, then
// just the parts it uses.
struct Snapshot {
  Duration login_timeout;
  Duration cancel_timeout;
  std::optional<Duration> tcp_user_timeout;  // of connections to servers
  size_t max_message_bytes;
  uint64_t memory_limit;
  uint32_t logins_max;  // connections of the process that are not logged in, at the same time
  std::shared_ptr<const route::RouteTable> routes;
  std::shared_ptr<const upstream::Set> upstreams;
  std::shared_ptr<const auth::AuthConfig> auth;
  std::shared_ptr<const policy::HookChain> hooks;
  std::vector<std::shared_ptr<const Listener>> listeners;  // in the order of the file
};

// Delivers to a session of another worker. Any thread.
class SessionMail {
 public:
  // `done` is called on the session's worker.
  virtual void cancel(CancelRegistry::Target target,
                      std::move_only_function<void(CancelOutcome)> done) = 0;

 protected:
  ~SessionMail() = default;
};

// Of the process: safe from any thread, alive as long as any worker.
struct Process {
  CancelRegistry& cancels;
  SessionMail& mail;
  policy::ConnectionLimits& limits;
  policy::RateLimiter& cancel_rate;
  policy::RateLimiter& login_rate;
  observe::Registry& metrics;
  upstream::Resolver& resolver;
  PeerNames& peer_names;
  auth::MockSecrets& mock_secrets;
  auth::KeyCache& key_cache;
  lookup::Directories& directories;
  pool::Registry& pools;
};

class PooledRelays;

// Of one worker, on its thread; outlives its sessions.
struct Environment {
  Process& process;
  uint32_t worker;  // also the writer's number in `process.metrics`
  io::Loop& loop;
  Slab& slab;
  tls::HandshakeGate& handshakes;
  WorkerMetrics& metrics;
  pool::Desk& desk;
  StatementCache& statements;
  PooledRelays& relays;
  RouteUses& route_uses;
  std::shared_ptr<const Snapshot> snapshot;

  // For logins to servers, as the configuration is now.
  server::LoginContext login_context() const {
    return {.loop = loop,
            .handshakes = handshakes,
            .key_cache = process.key_cache,
            .message_bytes_max = snapshot->max_message_bytes};
  }
  // A connection to that upstream, in the gauge.
  upstream::ServerCount count_server(const std::string& upstream) const {
    return {process.metrics.group(upstream::kServerConnections, {upstream}), worker};
  }
  lookup::Context lookup_context() {
    return {.loop = loop,
            .worker = worker,
            .handshakes = handshakes,
            .key_cache = process.key_cache,
            .resolver = process.resolver,
            .metrics = process.metrics};
  }
};

}  // namespace trunkline::session
