#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/slab.h"
#include "base/time.h"
#include "io/timer.h"
#include "io/waiter.h"
#include "pool/pool.h"
#include "pool/registry.h"
#include "session/metrics.h"
#include "session/pool_use.h"
#include "session/pooled_client.h"
#include "session/pooled_machine.h"
#include "session/statement_cache.h"
#include "tls/stream.h"

namespace trunkline::session {

// Moves bytes between a client and whatever server connection its pool gives it. There only while
// the session has something to do, see `PooledRelays`; on its worker's thread. Memory is bounded by
// one buffer for each direction while bytes are in flight; a client that waits for a connection
// keeps what it has sent and no buffer, unless it has sent much.
//
//   client sends ─► take, or wait in line ─► attach ─► requests and answers ─► give back ─► rest
class PooledRelay final : public SlabWaiter, private pool::Request {
 public:
  // What it works with, all of which outlives it.
  struct Place {
    tls::Stream& client;
    io::Waiter& waiter;
    Slab& slab;
    pool::Desk& desk;
    pool::Registry& pools;
    observe::Cell* cells;  // of `kRouteMetrics`
    PoolUse& use;
    PooledClient& own;
    PooledClient::Identity identity;
    RelayCounters counters;
    RelayEvents* events;
    StatementCache& statements;
  };

  // Asks the server to cancel; `end_cancel` when that is over. Called for who is gone.
  class Canceller {
   public:
    virtual void send_cancel(const server::Connection& server) = 0;

   protected:
    ~Canceller() = default;
  };

  // Memory that the next relay uses again.
  struct Buffers {
    PooledMachine::Buffers machine = {};
    std::string stash = {};
    std::string unit = {};
  };

  PooledRelay(const Place& place, Buffers& buffers, Canceller& canceller);
  ~PooledRelay() override;

  // Has this connection from the beginning to its end, of which `PoolUse::place` is the place.
  void adopt(pool::ConnectionPtr connection) { attach(std::move(connection)); }
  // Bytes that the client has sent before.
  void begin(std::string early);
  // Does what can be done, after the waiter was raised with `woken`. To be called again until it
  // `has_ended` or `rests`: after a wait for `wanted`, or, when it returns true, once others have
  // had their turn.
  bool go_on(uint32_t woken);
  bool has_ended() const { return ended_; }
  uint32_t wanted() const;
  // Nothing is under way, and nobody would miss this object.
  bool rests() const;
  // After the end: lets go of the client, and tells why. The streams stay open.
  std::unique_ptr<Error> finish();

  // See `Relay`.
  void ask_to_end(Error error, bool when_idle);
  bool client_can_hear() const {
    return dismissed_ ? hears_dismissal_ : !client_gone_ && client_at_boundary();
  }
  // The server's own words, when the pool has none to give.
  std::string take_server_response() { return std::move(server_response_); }
  Instant client_stalled_since() const { return stalled_since(to_client_); }
  Instant server_stalled_since() const { return stalled_since(to_server_); }

  bool exchange_open() const { return machine_.exchange_open(); }
  bool unit_open() const { return machine_.unit_open(); }

  // A cancel request is on its way for this connection: until it has arrived, nobody else gets it.
  void begin_cancel() { ++cancels_; }
  // `may_come`: it was not answered, and the process it was for may be hit at any time yet.
  void end_cancel(uint32_t process_id, bool may_come);
  const pool::Connection* server() const { return server_.get(); }
  // A session that waits has nothing to cancel but the wait. False when it does not wait.
  bool cancel_wait();
  // Closes the server connection, if there is one.
  void abandon();

 private:
  struct Flow {
    Lease lease;
    std::string_view input;  // read, and not yet seen by the machine
    PooledMachine::Pieces pieces;
    bool starved = false;  // waits for the slab
    bool read_all = false;
    Instant stalled_since = Instant::max();
  };

  void on_granted(pool::ConnectionPtr connection) override;
  void on_refused(const server::Refusal& refusal) override;
  void on_moved(pool::PoolPtr to) override;
  void buffer_is_free() override;

  bool turn();
  bool pump_client(size_t& budget);
  bool pump_server(size_t& budget);
  bool feed();
  void keep_unit(std::string_view taken);
  bool need_server();
  void move_to(pool::PoolPtr pool);
  void attach(pool::ConnectionPtr connection);
  void leave();
  void leave_line();
  void refuse_wait(const Error& error);
  bool write(Flow& flow, tls::Stream& to, Side receiver);
  bool borrow(Flow& flow);
  void read_client(size_t& budget);
  bool read_server(size_t& budget);
  void client_lost(Reason reason);
  void server_lost(ssize_t result);
  void restart();
  bool clean_up();
  void on_deadline();
  void on_hangup();
  bool client_at_boundary() const {
    return to_client_.pieces.empty() && !client_.has_unsent() &&
           machine_.client_stream_at_boundary();
  }

  // pooled_relay_timeouts.cc
  bool has_other_settings() const {
    return use_.settings_version != pool_->destination().settings_version();
  }
  void follow_settings();
  void limit_queries(const config::Pool& settings);
  void wait_for_turn();
  void stash_input();
  bool waits_for_turn() const { return use_.query_limit && use_.query_limit->waits(); }
  void watch();
  void on_expired(Timeouts::Expired what);
  void dismiss(Error error);

  void check_end();
  void give_server_up();
  void end_with_cause();
  std::span<char> scratch();
  static Instant stalled_since(const Flow& flow) {
    return flow.lease ? flow.stalled_since : Instant::max();
  }

  // As much of what a waiting client has sent is kept without a buffer.
  static constexpr size_t kStashBytesMax = 4096;
  // Of what may have to be asked again; what is kept of the room for it.
  static constexpr size_t kUnitBytesMax = 64 * 1024;
  static constexpr size_t kUnitBytesKept = 4096;
  // A server that ends whatever it is asked is not asked for ever.
  static constexpr uint32_t kRestartsMax = 3;
  static constexpr size_t kTurnBytes = 64 * 1024;
  // How long what runs for a client that is gone may go on.
  static constexpr Duration kAbandonedMax = 60s;

  tls::Stream& client_;
  io::Waiter& waiter_;
  Slab& slab_;
  pool::Desk& desk_;
  pool::Registry& pools_;
  observe::Cell* cells_;
  PoolUse& use_;
  pool::PoolPtr& pool_;  // of `use_`
  PooledMachine machine_;
  io::Timer deadline_;
  pool::ConnectionPtr server_;
  Flow to_server_;
  Flow to_client_;
  std::string& stash_;
  uint32_t restarts_ = 0;  // since a connection was last given back
  std::string& unit_;      // what the client has sent of it, while the machine may restart
  Canceller& canceller_;
  bool ended_ = false;
  bool end_asked_ = false;  // as soon as the client has what is on its way
  bool end_when_idle_ = false;
  bool client_gone_ = false;
  bool cancel_sent_ = false;
  bool cancel_may_come_ = false;   // to this connection, at any time: nobody else gets it
  bool server_timed_out_ = false;  // the system has given up what was sent to it
  bool cancels_query_ = false;     // of the client's, which has taken too long
  bool dismissed_ = false;         // the session ends before its client: `end_` says why
  bool hears_dismissal_ = false;   // ... and the client can be told
  uint32_t cancels_ = 0;           // on their way to this connection
  std::string server_response_;
  std::unique_ptr<Error> violation_;
  std::unique_ptr<Error> end_;
};

}  // namespace trunkline::session
