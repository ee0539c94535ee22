#include "worker/pool.h"

#include <algorithm>
#include <pthread.h>
#include <string>
#include <utility>

#include "io/epoll_backend.h"

namespace trunkline::worker {

WorkerPool::~WorkerPool() {
  stop();
}

void WorkerPool::start(session::Process& process, std::shared_ptr<const session::Snapshot> snapshot,
                       const Settings& settings) {
  for (uint32_t i = 0; i < settings.workers; ++i) {
    workers_.push_back(
        std::make_unique<Worker>(i, process, std::make_unique<io::EpollBackend>(), &blocking_pool_,
                                 snapshot, settings.listening_fds, settings.workers,
                                 [this, i](Accepted accepted) { dispatch(accepted, i); }));
  }
  // All workers exist before the first accepts: it may hand a connection to any.
  for (uint32_t i = 0; i < settings.workers; ++i) {
    threads_.emplace_back([worker = workers_[i].get()] { worker->run(); });
    pthread_setname_np(threads_.back().native_handle(), ("worker " + std::to_string(i)).c_str());
  }
}

void WorkerPool::dispatch(const Accepted& accepted, uint32_t by) {
  Worker& fewest = **std::ranges::min_element(
      workers_, {}, [](const auto& worker) { return worker->sessions(); });
  if (workers_[by]->sessions() <= fewest.sessions()) {
    workers_[by]->adopt_own(accepted);
  } else {
    fewest.adopt(accepted);
  }
}

void WorkerPool::apply(std::shared_ptr<const session::Snapshot> snapshot) {
  for (auto& worker : workers_) worker->apply(snapshot);
}

void WorkerPool::drain() {
  std::latch not_listening(static_cast<ptrdiff_t>(workers_.size()));
  for (auto& worker : workers_) worker->drain(not_listening);
  not_listening.wait();
}

void WorkerPool::end_sessions(const Error& error) {
  for (auto& worker : workers_) worker->end_sessions(error);
}

void WorkerPool::stop() {
  for (auto& worker : workers_) worker->stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

uint32_t WorkerPool::sessions() const {
  uint32_t total = 0;
  for (const auto& worker : workers_) total += worker->sessions();
  return total;
}

void WorkerPool::cancel(session::CancelRegistry::Target target,
                        std::move_only_function<void(session::CancelOutcome)> done) {
  workers_[target.worker]->cancel(target.session, std::move(done));
}

}  // namespace trunkline::worker
