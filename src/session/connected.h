#pragma once

#include <memory>
#include <string>

#include "observe/metrics.h"
#include "policy/postgres_stats.h"
#include "route/decision.h"
#include "server/connection.h"
#include "session/relay.h"
#include "session/relay_machine.h"
#include "session/session.h"

namespace trunkline::session {

// What a session has while it is connected to a server. Made at the end of login, owned by the
// session and gone with it; its worker's thread. The relay refers to the machine, and the machine
// to the statistics, so it stays where it was made. `early_*` is what the two sides
// sent behind their logins, as far as a read brought it along; it is passed on first.
struct Session::Connected final : RelayEvents {
  Connected(Session& session, const route::Decision& decision, server::Connection connection,
            ServerCount counted, config::Inspect inspect);
  ~Connected();

  RelayEvents* listener_of(const policy::HookChain& hooks);
  void on_command_complete(policy::CommandKind command, std::string_view tag) override;
  void on_transaction_end(policy::TransactionsEnded ended) override;

  Session& session;
  std::shared_ptr<const route::Route> route;
  upstream::UpstreamPtr upstream;
  server::Connection server;
  ServerCount server_count;
  std::shared_ptr<observe::Group> postgres_group;
  std::shared_ptr<observe::Group> route_group;
  observe::Cell* cells;  // of `kRouteMetrics`
  policy::PostgresStats stats;
  RelayMachine machine;
  Relay relay;
  std::unique_ptr<EarlyBytes> early = std::make_unique<EarlyBytes>();  // until the relay has it
  server::CancelKey own_key;  // the one we gave to the client; empty for passthrough
};

}  // namespace trunkline::session
