#include <utility>

#include "session/pooled_relay.h"

// What a session of a pool may take its time over, and what becomes of it when it does not.
namespace trunkline::session {

// At the login, and after a reload with the next thing that there is to do.
void PooledRelay::follow_settings() {
  use_.settings_version = pool_->destination().settings_version();
  std::shared_ptr<const config::Pool> settings = pool_->destination().settings();
  limit_queries(*settings);
  const config::PoolTimeouts& limits = settings->timeouts;
  if (limits == config::PoolTimeouts{}) {
    use_.watch.reset();
  } else if (use_.watch) {
    use_.watch->set_limits(limits);
  } else {
    use_.watch = std::make_unique<TimeoutWatch>(waiter_, limits);
  }
}

void PooledRelay::limit_queries(const config::Pool& settings) {
  pool::Pool::QueryRates rates = pool_->query_rates();
  if (waits_for_turn()) return;  // that query keeps its place, and the next looks again
  use_.query_limit.reset();
  if (rates.route || rates.user) {
    use_.query_limit = std::make_unique<QueryLimit>(
        QueryLimit::Buckets{.route = std::move(rates.route), .user = std::move(rates.user)},
        settings.over_query_limit, settings.wait_timeout, pool_->cells(desk_.worker()));
  }
  machine_.set_query_limit(use_.query_limit.get());
}

void PooledRelay::wait_for_turn() {
  if (!server_) stash_input();
  deadline_.start(use_.query_limit->until());
}

// A buffer for each of those who wait would be much memory for a few bytes each.
void PooledRelay::stash_input() {
  if (to_server_.input.size() > kStashBytesMax || !to_server_.pieces.empty()) return;
  stash_.assign(to_server_.input);
  to_server_.input = stash_;
  to_server_.lease.reset();
}

void PooledRelay::watch() {
  if (client_gone_ || violation_) return use_.watch.reset();
  using Doing = Timeouts::Doing;
  Doing doing = Doing::resting;
  if (machine_.exchange_open()) {
    doing = Doing::asking;
  } else if (waits_for_turn()) {
    doing = Doing::waiting;
  } else if (machine_.in_transaction()) {
    doing = Doing::idle_in_transaction;
  } else if (waits()) {
    doing = Doing::waiting;
  }
  auto expired = use_.watch->look({.doing = doing,
                                   .exchange_began = machine_.exchange_started(),
                                   .transaction_began = machine_.transaction_started()});
  if (expired) on_expired(*expired);
}

void PooledRelay::on_expired(Timeouts::Expired what) {
  pool_->cells(desk_.worker())[pool::PoolCells::kTimeouts + static_cast<size_t>(what)].add();
  if (what != Timeouts::Expired::query) return dismiss(timeout_error(what));
  cancels_query_ = true;
  machine_.note_timed_out();
  canceller_.send_cancel(server_->server);
}

// Ends the session although its client is there: what it has begun is ended as for one that is
// gone, and then it is told why.
void PooledRelay::dismiss(Error error) {
  hears_dismissal_ = client_at_boundary();
  dismissed_ = client_gone_ = true;
  end_ = std::make_unique<Error>(std::move(error));
  to_server_.read_all = true;
  to_server_.input = {};
  deadline_.start(waiter_.loop().now() + kAbandonedMax);
  if (server_ && machine_.exchange_open()) {
    cancel_sent_ = true;
    canceller_.send_cancel(server_->server);
  }
}

}  // namespace trunkline::session
