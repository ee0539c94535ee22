#include <utility>

#include "session/ended_by.h"
#include "session/pooled_relay.h"
#include "session/relay.h"
#include "session/while_client_stays.h"

// How a session of a pool ends, or a wait: clients and servers that go away, deadlines and cancels.
namespace trunkline::session {

void PooledRelay::client_lost(Reason reason) {
  if (client_gone_) return;
  client_gone_ = true;
  if (!violation_) end_ = ended_by(reason, Side::client);
  deadline_.start(waiter_.loop().now() + kAbandonedMax);
}

void PooledRelay::server_lost(ssize_t result) {
  bool again = machine_.wants_restart() && restarts_ < kRestartsMax;
  if (again && !client_gone_ && cancels_ == 0) return restart();
  if (machine_.may_lose_server() && !client_gone_) {
    to_server_.pieces.clear();
    to_client_.input = {};
    return abandon();
  }
  bool said_why = machine_.server_said_fatal();
  if (!client_gone_) {
    end_ = said_why ? ended_by(Reason::server_error, Side::server)
                    : ended_by_server(server_timed_out_ ? Reason::server_unreachable
                                                        : server_end(result));
  }
  abandon();
  ended_ = to_client_.pieces.empty() || client_gone_;
  end_asked_ = true;
}

// Of another connection of the pool; the client notices nothing.
void PooledRelay::restart() {
  machine_.restart();
  std::string again = std::exchange(unit_, {});
  again += to_server_.input;
  ++restarts_;
  abandon();
  to_server_.pieces.clear();
  to_client_.input = {};
  stash_ = std::move(again);
  to_server_.input = stash_;
}

// Nothing has begun for a client that waits in line. One that has only closed its side may wait for
// its answer, or not care for it: it is served, as PostgreSQL serves it.
void PooledRelay::on_hangup() {
  if (!waits() || client_gone_ || !client_is_gone(client_, true)) return;
  client_lost(Reason::client_io_error);
  to_server_.input = {};
  ended_ = true;
}

// Nobody listens any more: what was begun is ended, and the connection kept if it can be. True when
// there may be more to do at once.
bool PooledRelay::clean_up() {
  if (!to_server_.input.empty() || !to_server_.pieces.empty()) return false;
  if (!server_) {
    ended_ = !waits();
    return false;
  }
  // What we ask must not be hit by a cancel that was meant for the client's.
  if (cancels_ > 0) return false;
  // Of its own: nobody else gets it, and the server tidies up by itself.
  if (use_.place && !machine_.exchange_open()) {
    abandon();
    ended_ = true;
    return false;
  }
  switch (machine_.clean_up(to_server_.pieces)) {
    case PooledMachine::Cleaning::done:
      leave();
      ended_ = true;
      return false;
    case PooledMachine::Cleaning::useless:
      abandon();
      ended_ = true;
      return false;
    case PooledMachine::Cleaning::under_way:
      break;
  }
  // A read for nobody is not worth its time; what may write runs to its end, as in PostgreSQL.
  if (to_server_.pieces.empty() && machine_.runs_only_reads() && !cancel_sent_) {
    cancel_sent_ = true;
    canceller_.send_cancel(server_->server);
  }
  return !to_server_.pieces.empty();
}

void PooledRelay::on_deadline() {
  deadline_.stop();
  if (client_gone_ || violation_) return end_with_cause();
  // A connection has come at the same time.
  if (!waits()) return;
  refuse_wait({.reason = Reason::pool_timeout,
               .side = Side::internal,
               .sqlstate = sqlstate::kTooManyConnections,
               .message = "no server connection came free in time",
               .hint = "The limits are \"size\" and \"wait_timeout\" of the \"pool\"."});
}

bool PooledRelay::cancel_wait() {
  bool before_its_turn = waits_for_turn() && !server_;
  if ((!waits() && !before_its_turn) || client_gone_) return false;
  if (before_its_turn) use_.query_limit->give_up();
  refuse_wait({.reason = Reason::client_rejected,
               .side = Side::client,
               .sqlstate = sqlstate::kQueryCanceled,
               .message = "canceling statement due to user request"});
  return true;
}

// What the client has asked is answered with this, and the session goes on.
void PooledRelay::refuse_wait(const Error& error) {
  leave_line();
  deadline_.stop();
  machine_.refuse_next(error);
  waiter_.raise(wake::kMail);
}

void PooledRelay::end_cancel(uint32_t process_id, bool may_come) {
  --cancels_;
  bool ours = client_gone_ || cancels_query_;
  if (cancels_ == 0) cancels_query_ = false;
  waiter_.raise(wake::kMail);
  if (!may_come || !server_ || server_->server.cancel_key.process_id != process_id) return;
  cancel_may_come_ = true;
  if (ours && (client_gone_ || machine_.exchange_open())) give_server_up();
}

// The server has answered neither what was to be ended nor the cancel.
void PooledRelay::give_server_up() {
  if (ended_) return;
  if (!client_gone_) {
    end_ = std::make_unique<Error>(Error{
        .reason = Reason::server_unreachable,
        .side = Side::server,
        .sqlstate = sqlstate::kConnectionFailure,
        .message = "terminating connection because the server did not answer a cancel request",
        .hint = "The limit is \"cancel_timeout\"."});
  }
  abandon();
  ended_ = to_client_.pieces.empty() || client_gone_;
  end_asked_ = true;
}

void PooledRelay::leave_line() {
  pool::Request::leave();
}

// A broken stream is the cause of whatever was noticed after it.
void PooledRelay::end_with_cause() {
  ended_ = true;
  if (violation_) end_ = std::move(violation_);
}

void PooledRelay::check_end() {
  if (ended_) return;
  bool all_written = to_client_.pieces.empty() && !client_.has_unsent();
  if (end_asked_ && all_written) ended_ = true;
  bool rests = !machine_.exchange_open() && !machine_.in_transaction() && !waits() &&
               to_server_.input.empty();
  // What came before the broken message is answered first.
  if (violation_ && all_written && !machine_.exchange_open()) end_with_cause();
  if (end_when_idle_ && rests && all_written) ended_ = true;
  if (server_ && !ended_ && machine_.may_leave() && cancels_ == 0 && to_client_.input.empty() &&
      to_server_.pieces.empty() && !client_gone_) {
    leave();
  }
}

}  // namespace trunkline::session
