#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "pool/greetings.h"
#include "pool/listener.h"
#include "session/notifications.h"
#include "session/pooled_machine.h"
#include "session/pooled_relay.h"
#include "session/serving.h"

namespace trunkline::session {

// A session that shares the server connections of a pool.
struct Session::Pooled final : Serving, Listening, pool::Hearer {
  Pooled(Session& session, const route::Decision& decision, pool::PoolPtr pool,
         const pool::Greetings::Greeting& greeting, std::string early);
  ~Pooled() override;

  io::Task<std::unique_ptr<Error>> run() override { return relay.run(std::move(early)); }
  void ask_to_end(Error error, bool when_idle) override {
    relay.ask_to_end(std::move(error), when_idle);
  }
  void cancel(std::move_only_function<void(bool sent)> done) override;
  bool client_can_hear() const override { return relay.client_can_hear(); }
  void leave_server() override;
  bool exchange_open() const override { return machine.exchange_open(); }
  Instant client_stalled_since() const override { return relay.client_stalled_since(); }
  Instant server_stalled_since() const override { return relay.server_stalled_since(); }
  std::string server_address() const override { return ""; }

  void send_cancel(const server::Connection& server, std::move_only_function<void(bool)> done);

  // pooled_listening.cc
  void open(std::string encoding) override;
  void listen(const std::string& channel, Ticket ticket) override;
  void unlisten(const std::string& channel) override;
  void fence(Ticket ticket) override;
  void taken(size_t bytes) override;
  void on_notification(pool::NotificationPtr notification) override;
  void on_answer(Ticket ticket, bool hears) override;
  void on_overflow() override;

  PooledMachine machine;
  PooledRelay relay;
  std::string early;                                 // what the client sent behind its login
  std::unique_ptr<pool::Subscription> subscription;  // from the first LISTEN on
  // For what ends later than the session.
  std::shared_ptr<Pooled*> self = std::make_shared<Pooled*>(this);
};

}  // namespace trunkline::session
