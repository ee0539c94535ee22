#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "server/connection.h"
#include "session/relay.h"
#include "session/relay_machine.h"
#include "session/serving.h"
#include "upstream/server_count.h"

namespace trunkline::session {

// A session with a server connection of its own. The relay refers to the machine, and the machine
// to the statistics, so it stays where it was made. `early` is what the two sides sent behind their
// logins, as far as a read brought it along; it is passed on first.
struct Session::Connected final : Serving {
  Connected(Session& session, const route::Decision& decision, server::Connection connection,
            upstream::ServerCount counted, config::Inspect inspect);

  io::Task<std::unique_ptr<Error>> run() override { return relay.run(std::move(early)); }
  void ask_to_end(Error error, bool when_idle) override {
    relay.ask_to_end(std::move(error), when_idle);
  }
  void cancel(std::move_only_function<void(CancelOutcome)> done) override;
  bool client_can_hear() const override { return relay.client_can_hear(); }
  void leave_server() override;
  bool exchange_open() const override { return machine.exchange_open(); }
  Instant client_stalled_since() const override { return relay.client_stalled_since(); }
  Instant server_stalled_since() const override { return relay.server_stalled_since(); }
  std::string server_address() const override { return server.endpoint.address.to_string(); }

  // For replication through a route with a pool: how long its client may be idle there.
  void watch_idle(const wire::StartupPacket& packet);

  server::Connection server;
  upstream::ServerCount server_count;
  RelayMachine machine;
  Relay relay;
  std::unique_ptr<EarlyBytes> early = std::make_unique<EarlyBytes>();  // until the relay has it
};

}  // namespace trunkline::session
