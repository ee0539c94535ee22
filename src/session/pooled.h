#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "pool/greetings.h"
#include "pool/listener.h"
#include "session/pool_use.h"
#include "session/pooled_client.h"
#include "session/pooled_relays.h"
#include "session/serving.h"

namespace trunkline::session {

// A session that shares the server connections of a pool. Most are at rest most of the time, and
// then have no more than what is here.
struct Session::Pooled final : Serving, Listening, pool::Hearer, PooledRelay::Canceller {
  // `early` is what the client sent behind its login.
  Pooled(Session& session, const route::Decision& decision, pool::PoolPtr pool,
         const pool::Greetings::Greeting& greeting, std::string early);
  // With a server connection of its own, which nobody else has had or gets: what it has been set to
  // at its login is there for its whole life.
  Pooled(Session& session, const route::Decision& decision, pool::Place place,
         pool::ConnectionPtr connection, std::string early);
  ~Pooled() override;

  io::Task<std::unique_ptr<Error>> run() override;
  void ask_to_end(Error error, bool when_idle) override;
  void cancel(std::move_only_function<void(CancelOutcome)> done) override;
  bool client_can_hear() const override { return !active || active->relay->client_can_hear(); }
  void leave_server() override;
  bool exchange_open() const override { return active && active->relay->exchange_open(); }
  Instant client_stalled_since() const override {
    return active ? active->relay->client_stalled_since() : Instant::max();
  }
  Instant server_stalled_since() const override {
    return active ? active->relay->server_stalled_since() : Instant::max();
  }
  std::string server_address() const override;

  std::optional<uint32_t> go_on(uint32_t woken);
  PooledRelay& wake_up();
  void rest();
  void send_cancel(const server::Connection& server) override;
  void send_cancel(const server::Connection& server,
                   std::move_only_function<void(CancelOutcome)> done);

  // pooled_listening.cc
  void open(std::string encoding) override;
  void listen(const std::string& channel, Ticket ticket) override;
  void unlisten(const std::string& channel) override;
  void fence(Ticket ticket) override;
  void taken(size_t bytes) override;
  void on_notification(pool::NotificationPtr notification) override;
  void on_answer(Ticket ticket, bool hears) override;
  void on_overflow() override;
  void on_outdated() override;

  PooledClient own;
  PoolUse pool;
  PooledRelays::Place* active = nullptr;             // at rest
  std::unique_ptr<pool::Subscription> subscription;  // from the first LISTEN on
  // For what ends later than the session; null until there is any.
  std::shared_ptr<Pooled*> self;
};

}  // namespace trunkline::session
