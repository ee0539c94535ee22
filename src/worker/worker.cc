#include "worker/worker.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "observe/log.h"

namespace trunkline::worker {

namespace {

// Numbers of sessions are unique in the process: they stand in logs and in cancel keys.
std::atomic<uint32_t> next_session_id = 1;

Error shutting_down() {
  return {.reason = Reason::drain,
          .side = Side::internal,
          .sqlstate = sqlstate::kAdminShutdown,
          .message = "terminating connection due to administrator command"};
}

Error does_not_read(bool by_server) {
  Error error{.reason = by_server ? Reason::server_slow : Reason::client_slow,
              .side = by_server ? Side::server : Side::client,
              .sqlstate = sqlstate::kOutOfMemory};
  error.message = std::string("terminating connection: the ") + (by_server ? "server" : "client") +
                  " does not read and memory_limit is reached";
  return error;
}

}  // namespace

Worker::Worker(uint32_t index, session::Process& process, std::unique_ptr<io::Backend> backend,
               io::BlockingPool* pool, std::shared_ptr<const session::Snapshot> snapshot,
               std::vector<int> listening_fds, uint32_t workers, Dispatch dispatch)
    : workers_(workers),
      loop_(std::move(backend), pool),
      slab_(kBufferBytes, 1, kBuffersKept),
      handshakes_(loop_),
      metrics_(process.metrics, index),
      route_uses_(process.metrics, index),
      environment_{.process = process,
                   .worker = index,
                   .loop = loop_,
                   .slab = slab_,
                   .handshakes = handshakes_,
                   .metrics = metrics_,
                   .desk = desk_,
                   .statements = statements_,
                   .relays = relays_,
                   .route_uses = route_uses_,
                   .snapshot = std::move(snapshot)},
      listening_fds_(std::move(listening_fds)),
      dispatch_(std::move(dispatch)) {
  apply_settings();
}

// What waits for connections and the sessions themselves go first: they refer to acceptors, slab
// and metrics.
Worker::~Worker() {
  stop_accepting();
  loop_.destroy_spawned();
  desk_.close_idle();
}

void Worker::run() {
  start();
  loop_.run();
}

void Worker::start() {
  start_accepting();
  loop_.spawn(relieve_memory());
  loop_.spawn(desk_.tend());
}

void Worker::apply_settings() {
  uint64_t bytes = environment_.snapshot->memory_limit;
  slab_.set_limit(std::max<size_t>(bytes / workers_ / kBufferBytes, 2));
  loop_.backend().set_user_timeout_of_connects(environment_.snapshot->tcp_user_timeout);
}

void Worker::start_accepting() {
  acceptors_.resize(listening_fds_.size());
  for (size_t i = 0; i < listening_fds_.size(); ++i) loop_.spawn(accept_loop(i));
}

void Worker::stop_accepting() {
  for (auto& acceptor : acceptors_) {
    if (acceptor) acceptor->stop();
  }
}

// The first relief of memory_limit: whoever is not in yet waits outside. So does a new client while
// those that have said nothing yet, or are being shown out, have taken all the room there is for
// them; login_timeout bounds how long they do.
bool Worker::is_full() {
  if (short_of_memory_) return true;
  uint64_t share = (environment_.snapshot->logins_max + workers_ - 1) / workers_;
  return sessions() - metrics_.clients(session::ClientState::active).get() >= share;
}

io::Task<> Worker::accept_loop(size_t listener) {
  std::unique_ptr<io::Acceptor>& acceptor = acceptors_[listener];
  io::Waiter waiter(loop_, io::Place::behind);
  size_t at_once = 1;
  bool failing = false;
  while (!draining_) {
    if (!acceptor) {
      acceptor = std::make_unique<io::Acceptor>(loop_, listening_fds_[listener]);
      acceptor->bind(waiter);
    }
    co_await waiter.wait(io::kReadable);
    int error = is_full() ? 0 : accept_some(*acceptor, listener, at_once);
    // Once, not at each look.
    if (error != 0 && !failing) {
      observe::log(observe::Level::error, "could not accept a connection",
                   {{"error", std::strerror(error)}});
    }
    failing = error != 0;
    if (error == 0 && !is_full()) continue;
    // The socket stays readable for as long as a client waits: registered, it would keep the loop
    // turning.
    acceptor.reset();
    do {
      co_await loop_.sleep_until(loop_.now() + kAcceptPause);
    } while (is_full() && !draining_);
  }
}

// The error, if there is no descriptor or memory for the next connection; 0 otherwise. To ask for
// one more than there are costs as much as a connection, so it asks for `at_once` in a round: for
// more while they come faster than that. Each has its first step here, as far as its bytes go.
int Worker::accept_some(io::Acceptor& acceptor, size_t listener, size_t& at_once) {
  Instant end = loop_.backend().now() + kAcceptMax;
  for (size_t i = 0; i < at_once && !is_full() && loop_.backend().now() < end; ++i) {
    std::expected<io::Acceptor::Accepted, int> accepted = acceptor.accept();
    if (!accepted) {
      at_once = 1;
      return accepted.error() == -EAGAIN ? 0 : -accepted.error();
    }
    metrics_.accepted().add();
    dispatch_({accepted->fd, accepted->peer, listener});
  }
  at_once = std::min(2 * at_once, kAcceptsPerRoundMax);
  acceptor.look_again();
  return 0;
}

void Worker::adopt(const Accepted& accepted) {
  sessions_count_.fetch_add(1, std::memory_order_relaxed);
  loop_.post([this, accepted] { begin(accepted); });
}

void Worker::adopt_own(const Accepted& accepted) {
  sessions_count_.fetch_add(1, std::memory_order_relaxed);
  begin(accepted);
}

void Worker::begin(const Accepted& accepted) {
  if (draining_) {
    loop_.backend().close(accepted.fd);
    sessions_count_.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  uint32_t id = next_session_id.fetch_add(1, std::memory_order_relaxed);
  auto session =
      std::make_unique<session::Session>(environment_, id, accepted.fd, accepted.peer,
                                         environment_.snapshot->listeners[accepted.listener]);
  sessions_.push_back(*session);
  by_id_.emplace(id, session.get());
  metrics_.sessions().add();
  loop_.spawn(serve(std::move(session)));
}

// In steps, so that a session at rest has no frames but this one and that of `run`.
io::Task<> Worker::serve(std::unique_ptr<session::Session> session) {
  std::unique_ptr<Error> end = co_await session->begin();
  if (!end) end = co_await session->run();
  co_await session->finish(std::move(end));
  by_id_.erase(session->id());
  session.reset();
  metrics_.sessions().sub();
  sessions_count_.fetch_sub(1, std::memory_order_relaxed);
}

void Worker::apply(std::shared_ptr<const session::Snapshot> snapshot) {
  loop_.post([this, next = std::move(snapshot)]() mutable {
    environment_.snapshot = std::move(next);
    apply_settings();
  });
}

void Worker::drain(std::latch& not_listening) {
  loop_.post([this, &not_listening] {
    draining_ = true;
    stop_accepting();
    not_listening.count_down();
    sessions_.for_each(
        [](session::Session& session) { session.ask_to_end(shutting_down(), true); });
  });
}

void Worker::end_sessions(Error error) {
  loop_.post([this, why = std::move(error)] {
    sessions_.for_each([&](session::Session& session) { session.ask_to_end(why, false); });
  });
}

void Worker::stop() {
  loop_.stop();
}

void Worker::cancel(uint32_t session, std::move_only_function<void(session::CancelOutcome)> done) {
  loop_.post([this, session, tell = std::move(done)]() mutable {
    auto found = by_id_.find(session);
    if (found == by_id_.end()) return tell(session::CancelOutcome::failed);
    found->second->cancel(std::move(tell));
  });
}

// While buffers are short, new clients wait outside, readers wait for a buffer (they do so by
// themselves), and sessions whose bytes lie here are ended.
io::Task<> Worker::relieve_memory() {
  for (;;) {
    co_await loop_.sleep_until(loop_.now() + kReliefInterval);
    metrics_.set_buffers_in_use(slab_.in_use() * slab_.buffer_bytes());
    short_of_memory_ = slab_.has_waiters();
    if (short_of_memory_) end_slowest(slab_.waiters());
  }
}

// At most so many, each of which holds a buffer that somebody does not take: first those whose
// client does not read, then those whose server does not; the longest stalled first.
void Worker::end_slowest(size_t sessions_max) {
  struct Stalled {
    bool by_server;
    Instant since;
    session::Session* session;
    auto operator<=>(const Stalled&) const = default;
  };
  Instant patience_ends = loop_.now() - kReliefInterval;
  std::vector<Stalled> stalled;
  sessions_.for_each([&](session::Session& session) {
    if (session.client_stalled_since() < patience_ends) {
      stalled.push_back({false, session.client_stalled_since(), &session});
    } else if (session.server_stalled_since() < patience_ends) {
      stalled.push_back({true, session.server_stalled_since(), &session});
    }
  });
  std::ranges::sort(stalled);
  if (stalled.size() > sessions_max) stalled.resize(sessions_max);
  for (const Stalled& each : stalled)
    each.session->ask_to_end(does_not_read(each.by_server), false);
}

}  // namespace trunkline::worker
