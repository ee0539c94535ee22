#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "io/blocking_pool.h"
#include "session/environment.h"
#include "worker/worker.h"

namespace trunkline::worker {

// All workers and their threads, as many as `workers` says. Owned by the process; made, drained and
// destroyed by the control thread. `SessionMail` from any thread, and `dispatch` from the workers'.
class WorkerPool final : public session::SessionMail {
 public:
  struct Settings {
    uint32_t workers;
    std::vector<int> listening_fds;  // in the order of the snapshot's listeners; stay the caller's
  };

  explicit WorkerPool(io::BlockingPool& pool) : blocking_pool_(pool) {}
  ~WorkerPool();

  // Once. `process` may hold this pool as its mail.
  void start(session::Process& process, std::shared_ptr<const session::Snapshot> snapshot,
             const Settings& settings);
  void apply(std::shared_ptr<const session::Snapshot> snapshot);
  // Returns when no worker listens any more, a turn of their loops later: the descriptors may then
  // be closed.
  void drain();
  void end_sessions(const Error& error);
  void stop();

  uint32_t sessions() const;

  void cancel(session::CancelRegistry::Target target,
              std::move_only_function<void(session::CancelOutcome)> done) override;

 private:
  void dispatch(const Accepted& accepted, uint32_t by);

  io::BlockingPool& blocking_pool_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
};

}  // namespace trunkline::worker
