#pragma once

#include <functional>
#include <memory>
#include <string>

#include "pool/greetings.h"
#include "session/pooled_client.h"
#include "session/pooled_relays.h"
#include "session/serving.h"

namespace trunkline::session {

// A session that shares the server connections of a pool. Most are at rest most of the time, and
// then have no more than what is here.
struct Session::Pooled final : Serving, PooledRelay::Canceller {
  // `early` is what the client sent behind its login.
  Pooled(Session& session, const route::Decision& decision, pool::PoolPtr pool,
         const pool::Greetings::Greeting& greeting, std::string early);
  ~Pooled() override;

  io::Task<std::unique_ptr<Error>> run() override;
  void ask_to_end(Error error, bool when_idle) override {
    wake_up().ask_to_end(std::move(error), when_idle);
  }
  void cancel(std::move_only_function<void(bool sent)> done) override;
  bool client_can_hear() const override { return !active || active->relay->client_can_hear(); }
  void leave_server() override;
  bool exchange_open() const override { return active && active->relay->exchange_open(); }
  Instant client_stalled_since() const override {
    return active ? active->relay->client_stalled_since() : Instant::max();
  }
  Instant server_stalled_since() const override {
    return active ? active->relay->server_stalled_since() : Instant::max();
  }
  std::string server_address() const override { return ""; }

  PooledRelay& wake_up();
  void rest();
  void send_cancel(const server::Connection& server) override;
  void send_cancel(const server::Connection& server, std::move_only_function<void(bool)> done);

  PooledClient own;
  pool::PoolPtr pool;
  PooledRelays::PlacePtr active;  // null: at rest
  // For what ends later than the session; null until there is any.
  std::shared_ptr<Pooled*> self;
};

}  // namespace trunkline::session
