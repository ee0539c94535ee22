#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/slab.h"
#include "base/time.h"
#include "io/task.h"
#include "io/timer.h"
#include "io/waiter.h"
#include "pool/pool.h"
#include "pool/registry.h"
#include "session/metrics.h"
#include "session/pooled_machine.h"
#include "session/query_limit.h"
#include "session/relay.h"
#include "session/timeouts.h"
#include "tls/stream.h"

namespace trunkline::session {

// Moves bytes between a client and whatever server connection its pool gives it. Owned by the
// session, on its worker's thread. Memory is bounded by one buffer for each direction while bytes
// are in flight; a client that waits for a connection keeps what it has sent and no buffer, unless
// it has sent much.
//
//   client sends ─► take, or wait in line ─► attach ─► requests and answers ─► give back
class PooledRelay final : public SlabWaiter, private pool::Request {
 public:
  struct Place {
    tls::Stream& client;
    io::Waiter& waiter;
    Slab& slab;
    pool::Desk& desk;
    pool::Registry& pools;
    observe::Cell* cells;  // of `kRouteMetrics`
  };

  // Asks the server to cancel; `end_cancel` when that is over. Called for who is gone.
  using SendCancel = std::move_only_function<void(const server::Connection&)>;

  PooledRelay(const Place& place, pool::PoolPtr pool, PooledMachine& machine,
              SendCancel send_cancel);
  ~PooledRelay() override;

  // See `Relay`.
  io::Task<std::unique_ptr<Error>> run(std::string early);
  void ask_to_end(Error error, bool when_idle);
  bool client_can_hear() const {
    return dismissed_ ? hears_dismissal_ : !client_gone_ && client_at_boundary();
  }
  // The server's own words, when the pool has none to give.
  std::string take_server_response() { return std::move(server_response_); }
  Instant client_stalled_since() const { return stalled_since(to_client_); }
  Instant server_stalled_since() const { return stalled_since(to_server_); }

  // A cancel request is on its way for this connection: until it has arrived, nobody else gets it.
  void begin_cancel() { ++cancels_; }
  void end_cancel();
  const pool::Connection* server() const { return server_.get(); }
  const pool::PoolPtr& pool() const { return pool_; }
  // A session that waits has nothing to cancel but the wait. False when it does not wait.
  bool cancel_wait();
  // Closes the server connection, if there is one.
  void abandon();

 private:
  struct Flow {
    Lease lease = {};
    std::string_view input = {};  // read, and not yet seen by the machine
    PooledMachine::Pieces pieces = {};
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
  void follow_settings();
  void limit_queries(const config::Pool& settings);
  void wait_for_turn();
  void stash_input();
  bool waits_for_turn() const { return query_limit_ && query_limit_->waits(); }
  void watch();
  void on_expired(Timeouts::Expired what);
  void dismiss(Error error);

  void check_end();
  void end_with_cause();
  uint32_t wanted() const;
  std::span<char> scratch();
  static Instant stalled_since(const Flow& flow) {
    return flow.lease ? flow.stalled_since : Instant::max();
  }

  // As much of what a waiting client has sent is kept without a buffer.
  static constexpr size_t kStashBytesMax = 4096;
  // Of what may have to be asked again; what is kept of the room for it by a session that rests.
  static constexpr size_t kUnitBytesMax = 64 * 1024;
  static constexpr size_t kUnitBytesKept = 256;
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
  pool::PoolPtr pool_;
  PooledMachine& machine_;
  io::Timer deadline_;
  pool::ConnectionPtr server_;
  Flow to_server_;
  Flow to_client_;
  std::string stash_;
  uint32_t restarts_ = 0;  // since a connection was last given back
  std::string unit_;       // what the client has sent of it, while the machine may restart
  SendCancel send_cancel_;
  bool ended_ = false;
  bool end_asked_ = false;  // as soon as the client has what is on its way
  bool end_when_idle_ = false;
  bool client_gone_ = false;
  bool cancel_sent_ = false;
  bool cancels_query_ = false;    // of the client's, which has taken too long
  bool dismissed_ = false;        // the session ends before its client: `end_` says why
  bool hears_dismissal_ = false;  // ... and the client can be told
  uint32_t settings_version_;
  uint32_t cancels_ = 0;  // on their way to this connection
  std::string server_response_;
  std::unique_ptr<Error> violation_;
  std::unique_ptr<Error> end_;

  // Only where there are timeouts.
  struct Watch {
    Watch(io::Waiter& waiter, const config::PoolTimeouts& limits)
        : timer(waiter, wake::kTimeout), timeouts(limits, waiter.loop().now()) {}

    io::Timer timer;
    Timeouts timeouts;
  };
  std::unique_ptr<Watch> watch_;
  std::unique_ptr<QueryLimit> query_limit_;  // likewise
};

}  // namespace trunkline::session
