#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/slab.h"
#include "base/time.h"
#include "io/task.h"
#include "io/timer.h"
#include "io/waiter.h"
#include "session/outbox.h"
#include "session/relay_machine.h"
#include "session/timeout_watch.h"
#include "tls/stream.h"

namespace trunkline::session {

// What came behind the last message of a login.
struct EarlyBytes {
  std::string of_client;
  std::string of_server;
};

// Moves bytes between a client and its server, both ways at once and with back-pressure for each,
// until one of them ends. Holds a buffer for a direction only while bytes are in flight. Owned by
// the session, on the worker's thread; memory is bounded by one buffer for each direction.
class Relay final : public SlabWaiter {
 public:
  // Of the last turns, the older the less: whoever has moved so much has his next turn behind those
  // who move little, so that a single statement does not wait for hundreds of sessions that pour.
  static constexpr size_t kMuchBytes = 64 * 1024;

  Relay(tls::Stream& client, tls::Stream& server, RelayMachine& machine, io::Waiter& waiter,
        Slab& slab, observe::Cell* cells);
  ~Relay() = default;

  // Serves until the end; tells why. The streams stay open: the session closes them.
  io::Task<std::unique_ptr<Error>> run(std::unique_ptr<EarlyBytes> early);

  // Asks the relay to end: at once, or when the client is between transactions (`when_idle`).
  // `error` goes to the client as FATAL when its stream stands between messages.
  void ask_to_end(Error error, bool when_idle);

  // Ends the session when its client is idle for longer, in a transaction or outside; a stream of
  // replication is not. Counted in `cells`, of `pool::kPoolMetrics`.
  void watch_idle(const config::PoolTimeouts& limits, std::shared_ptr<observe::Group> cells,
                  uint32_t worker);

  // After the end: whether an error of our own would be understood by the client, a Terminate by
  // the server.
  bool client_can_hear() const {
    return !client_gone_ && !is_pending(to_client_) && machine_.client_stream_at_boundary();
  }
  bool server_can_hear() const {
    return !to_server_.discard && !to_server_.shut && !is_pending(to_server_) &&
           machine_.server_stream_at_boundary();
  }

  // Since when a buffer is held by bytes that this client does not read, or that its server does
  // not take; Instant::max() when none is. For the relief of memory.
  Instant client_stalled_since() const { return stalled_since(to_client_); }
  Instant server_stalled_since() const { return stalled_since(to_server_); }

 private:
  // Of one direction.
  struct Flow {
    tls::Stream& from;
    tls::Stream& to;
    bool from_client;
    bool read_all = false;     // nothing more will be read: end of file, Terminate or a violation
    bool written_all = false;  // ... and all of it has been passed on
    bool shut = false;         // ... and the receiver has been told that nothing comes after it
    bool starved = false;      // waits for the slab
    bool discard = false;      // the receiver is gone: read on, so that the sender can finish
    Instant stalled_since = Instant::max();  // the receiver takes nothing of what is in hand
    Lease lease = {};
    std::string_view input = {};  // read, and not yet seen by the machine
    Outbox outbox = {};
  };
  enum class Turn : uint8_t { blocked, again };

  void watch();

  Turn pump(Flow& flow);
  bool write(Flow& flow);
  Turn stall(Flow& flow);
  void flush(Flow& flow);
  void read(Flow& flow, size_t& budget);
  void take(Flow& flow);
  void note_end(Reason reason, Side side);
  void finish_writing(Flow& flow);
  void receiver_lost(Flow& flow, ssize_t result);
  void check_end();
  uint32_t wanted(const Flow& flow) const;
  static bool is_pending(const Flow& flow) {
    return !flow.outbox.empty() || (flow.to.has_unsent() && !flow.discard);
  }
  static Instant stalled_since(const Flow& flow) {
    return flow.lease ? flow.stalled_since : Instant::max();
  }
  void end_with_cause();
  bool nothing_in_hand() const {
    return to_server_.input.empty() && to_client_.input.empty() && to_server_.outbox.empty() &&
           to_client_.outbox.empty();
  }
  void buffer_is_free() override { waiter_.raise(wake::kBuffer); }

  // More in one turn would starve the loop's other sessions.
  static constexpr size_t kTurnBytes = 64 * 1024;
  // How long a server may go on answering a client that is gone or will be refused.
  static constexpr Duration kAbandonedMax = 60s;

  Flow to_server_;
  Flow to_client_;
  RelayMachine& machine_;
  io::Waiter& waiter_;
  io::Timer deadline_;
  Slab& slab_;
  observe::Cell* cells_;  // of `kRouteMetrics`
  size_t moved_lately_bytes_ = 0;
  bool ended_ = false;
  bool end_noted_ = false;
  bool end_when_idle_ = false;
  bool client_gone_ = false;
  std::unique_ptr<Error> violation_;  // of the client; told when all before it has been answered
  std::unique_ptr<Error> end_;
  std::unique_ptr<EarlyBytes> early_;
  struct Watch {
    Watch(io::Waiter& waiter, const config::PoolTimeouts& limits,
          std::shared_ptr<observe::Group> counted, uint32_t worker)
        : timeouts(waiter, limits), group(std::move(counted)), cells(group->cells(worker)) {}

    TimeoutWatch timeouts;
    std::shared_ptr<observe::Group> group;
    observe::Cell* cells;  // of `group`
  };
  std::unique_ptr<Watch> watch_;  // only of replication, where there are timeouts
};

}  // namespace trunkline::session
