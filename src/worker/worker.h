#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <functional>
#include <latch>
#include <memory>
#include <utility>
#include <vector>

#include "base/intrusive_list.h"
#include "base/slab.h"
#include "io/loop.h"
#include "io/socket.h"
#include "session/environment.h"
#include "session/pooled_relays.h"
#include "session/session.h"
#include "tls/handshake_gate.h"
#include "worker/desk.h"

namespace trunkline::worker {

// A connection that was accepted and has no session yet.
struct Accepted {
  int fd;
  io::SocketAddress peer;
  size_t listener;  // index into Snapshot::listeners
};

// An event loop with its sessions, its buffers and its share of the listening sockets. Owned by the
// pool. `run` is the thread's body; what says so may be called from any thread, everything else is
// the worker's own. Its share of `memory_limit` bounds the buffers, `max_clients` and the limit of
// descriptors its sessions.
class Worker {
 public:
  // Where accepted connections go: the worker with the fewest sessions.
  using Dispatch = std::function<void(Accepted)>;

  // `listening_fds` are shared by all workers, in the order of the snapshot's listeners. Without a
  // pool slow work is done in place, as simulations want it.
  Worker(uint32_t index, session::Process& process, std::unique_ptr<io::Backend> backend,
         io::BlockingPool* pool, std::shared_ptr<const session::Snapshot> snapshot,
         std::vector<int> listening_fds, uint32_t workers, Dispatch dispatch);
  ~Worker();

  void run();
  // What `run` does before it serves: for simulations, which turn the loop themselves.
  void start();
  io::Loop& loop() { return loop_; }
  const Slab& buffers() const { return slab_; }

  // What this worker has accepted itself, without the mail's two system calls.
  void adopt_own(const Accepted& accepted);
  // Any thread.
  void adopt(const Accepted& accepted);
  void apply(std::shared_ptr<const session::Snapshot> snapshot);
  // Stops accepting, tells so, and ends each session when its client is between transactions.
  void drain(std::latch& not_listening);
  // Ends every session now.
  void end_sessions(Error error);
  void stop();
  void cancel(uint32_t session, std::move_only_function<void(session::CancelOutcome)> done);
  // Connections given to this worker and not closed yet.
  uint32_t sessions() const { return sessions_count_.load(std::memory_order_relaxed); }

 private:
  // One buffer carries a direction's bytes; larger reads make fewer system calls for bulk traffic.
  static constexpr size_t kBufferBytes = 64 * 1024;
  // Free buffers kept for the next burst.
  static constexpr size_t kBuffersKept = 32;
  static constexpr size_t kAcceptsPerRoundMax = 8;
  static constexpr Duration kAcceptMax = 50us;  // of a round; what the last one takes comes on top
  static constexpr Duration kReliefInterval = 500ms;

  // How long the backlog is left alone when there is no room, before the next look.
  static constexpr Duration kAcceptPause = 20ms;

  io::Task<> accept_loop(size_t listener);
  void begin(const Accepted& accepted);
  int accept_some(io::Acceptor& acceptor, size_t listener, size_t& at_once);
  bool is_full();
  io::Task<> serve(std::unique_ptr<session::Session> session);
  io::Task<> relieve_memory();
  void end_slowest(size_t sessions_max);
  void start_accepting();
  void stop_accepting();
  void apply_settings();

  const uint32_t workers_;
  io::Loop loop_;
  Slab slab_;
  tls::HandshakeGate handshakes_;
  session::WorkerMetrics metrics_;
  session::StatementCache statements_;
  session::PooledRelays relays_;
  session::RouteUses route_uses_;
  session::Environment environment_;
  Desk desk_{environment_};
  const std::vector<int> listening_fds_;
  Dispatch dispatch_;
  std::vector<std::unique_ptr<io::Acceptor>> acceptors_;  // null during a pause
  IntrusiveList<session::Session, session::Session> sessions_;
  boost::unordered_flat_map<uint32_t, session::Session*> by_id_;
  std::atomic<uint32_t> sessions_count_ = 0;
  bool draining_ = false;
  bool short_of_memory_ = false;
};

}  // namespace trunkline::worker
