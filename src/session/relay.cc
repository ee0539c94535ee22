#include "session/relay.h"

#include <cerrno>
#include <utility>

#include "session/ended_by.h"

namespace trunkline::session {

Relay::Relay(tls::Stream& client, tls::Stream& server, RelayMachine& machine, io::Waiter& waiter,
             Slab& slab, observe::Cell* cells)
    : to_server_{.from = client, .to = server, .from_client = true},
      to_client_{.from = server, .to = client, .from_client = false},
      machine_(machine),
      waiter_(waiter),
      deadline_(waiter, wake::kDeadline),
      slab_(slab),
      cells_(cells) {}

io::Task<std::unique_ptr<Error>> Relay::run(std::unique_ptr<EarlyBytes> early) {
  early_ = std::move(early);
  to_server_.from.socket().bind(waiter_, kClientShift);
  to_client_.from.socket().bind(waiter_, kServerShift);
  to_server_.input = early_->of_client;
  to_client_.input = early_->of_server;
  cells_[RouteCells::kBytesFromClients].add(to_server_.input.size());
  cells_[RouteCells::kBytesToClients].add(to_client_.input.size());
  bool told_of_buffer = false;
  while (!ended_) {
    bool again = pump(to_server_) == Turn::again;
    again |= pump(to_client_) == Turn::again;
    // Answers may have made room for requests that were held back.
    again |= !to_server_.input.empty() && to_server_.outbox.empty() && !machine_.full();
    // It was told to one only: whoever does not use it passes it on.
    if (std::exchange(told_of_buffer, false)) slab_.tell_next();
    check_end();
    if (!ended_ && watch_) watch();
    if (ended_) break;
    if (early_ && nothing_in_hand()) early_.reset();
    bool moves_much = moved_lately_bytes_ >= kMuchBytes;
    moved_lately_bytes_ -= moved_lately_bytes_ / 8;
    if (again) {
      co_await waiter_.step_aside();
      continue;
    }
    uint32_t woken =
        co_await waiter_.wait(wanted(to_server_) | wanted(to_client_) | wake::kDeadline |
                              wake::kMail | wake::kBuffer | wake::kTimeout);
    if (moves_much) co_await waiter_.step_aside();
    waiter_.clear(woken & (wake::kMail | wake::kBuffer | wake::kTimeout));
    told_of_buffer = (woken & wake::kBuffer) != 0;
    if ((woken & wake::kDeadline) != 0) end_with_cause();
  }
  // Not held while the client is shown out.
  to_server_.lease.reset();
  to_client_.lease.reset();
  if (told_of_buffer || (waiter_.ready() & wake::kBuffer) != 0) slab_.tell_next();
  to_server_.from.socket().unbind();
  to_client_.from.socket().unbind();
  co_return std::move(end_);
}

void Relay::ask_to_end(Error error, bool when_idle) {
  if (ended_) return;
  end_ = std::make_unique<Error>(std::move(error));
  if (when_idle) {
    end_when_idle_ = true;
  } else {
    ended_ = true;
  }
  waiter_.raise(wake::kMail);
}

uint32_t Relay::wanted(const Flow& flow) const {
  uint32_t from_readable = flow.from_client ? wake::kClientReadable : wake::kServerReadable;
  uint32_t to_writable = flow.from_client ? wake::kServerWritable : wake::kClientWritable;
  if (!flow.outbox.empty()) return to_writable;
  uint32_t flushed = flow.to.has_unsent() && !flow.discard ? to_writable : 0;
  return flow.read_all || flow.starved || !flow.input.empty() ? flushed : flushed | from_readable;
}

// Passes on what can be passed on now. `again` when only the turn is over.
Relay::Turn Relay::pump(Flow& flow) {
  size_t budget = kTurnBytes;
  for (;;) {
    if (!flow.outbox.empty() && !write(flow)) return stall(flow);
    if (flow.to.has_unsent() && !flow.discard) flush(flow);
    if (!flow.input.empty()) {
      if (flow.from_client && machine_.full()) return stall(flow);
      take(flow);
      continue;
    }
    flow.stalled_since = Instant::max();
    if (flow.read_all) {
      flow.lease.reset();
      finish_writing(flow);
      return Turn::blocked;
    }
    if (!flow.from.readable()) {
      flow.lease.reset();
      return Turn::blocked;
    }
    if (budget == 0) return Turn::again;
    if (!flow.lease) {
      flow.lease = slab_.borrow();
      flow.starved = !flow.lease;
      if (flow.starved) {
        slab_.wait(*this);
        return Turn::blocked;
      }
    }
    read(flow, budget);
  }
}

// False when the receiver takes no more for now.
bool Relay::write(Flow& flow) {
  while (!flow.outbox.empty()) {
    if (flow.discard) {
      flow.outbox.clear();
      break;
    }
    ssize_t sent = flow.to.send(flow.outbox.parts());
    if (sent == -EAGAIN) return false;
    if (sent < 0) {
      receiver_lost(flow, sent);
      continue;
    }
    flow.outbox.written(static_cast<size_t>(sent));
  }
  return true;
}

Relay::Turn Relay::stall(Flow& flow) {
  if (flow.stalled_since == Instant::max()) flow.stalled_since = waiter_.loop().now();
  return Turn::blocked;
}

// What the TLS layer has taken and the socket has not.
void Relay::flush(Flow& flow) {
  ssize_t flushed = flow.to.flush();
  if (flushed < 0 && flushed != -EAGAIN) receiver_lost(flow, flushed);
}

void Relay::read(Flow& flow, size_t& budget) {
  ssize_t got = flow.from.recv(flow.lease.span());
  if (got == -EAGAIN) return;
  if (got <= 0) {
    flow.read_all = true;
    if (flow.from_client) {
      note_end(client_end(got), Side::client);
    } else {
      note_end(server_end(got), Side::server);
    }
    return;
  }
  auto bytes = static_cast<size_t>(got);
  budget -= std::min(budget, bytes);
  moved_lately_bytes_ += bytes;
  if (watch_ && flow.from_client) watch_->timeouts.on_heard();
  cells_[flow.from_client ? RouteCells::kBytesFromClients : RouteCells::kBytesToClients].add(bytes);
  flow.input = {flow.lease.data(), bytes};
  take(flow);
}

// Lets the machine look at what was read. It leaves the rest of a client's input alone while too
// much is unanswered.
void Relay::take(Flow& flow) {
  Instant now = waiter_.loop().now();
  if (flow.from_client) {
    switch (machine_.from_client(flow.input, now, flow.outbox)) {
      case RelayMachine::Verdict::go_on:
      case RelayMachine::Verdict::full:
        break;
      case RelayMachine::Verdict::terminate:
        flow.read_all = true;
        flow.input = {};
        note_end(Reason::client_terminate, Side::client);
        // A server ends at once when it reads Terminate; one that hangs is left.
        deadline_.start(waiter_.loop().now() + kAbandonedMax);
        break;
      case RelayMachine::Verdict::violation:
        // What came before it is still executed and answered; then the client is told.
        flow.read_all = true;
        flow.input = {};
        if (machine_.violation().message.empty()) {
          // PostgreSQL closes without a word, and without what it has not sent yet: for the server
          // this is the end of the client.
          note_end(Reason::client_protocol_error, Side::client);
          break;
        }
        violation_ = std::make_unique<Error>(machine_.violation());
        deadline_.start(waiter_.loop().now() + kAbandonedMax);
        break;
    }
  } else if (machine_.from_server(flow.input, now, flow.outbox) ==
             RelayMachine::Verdict::violation) {
    flow.read_all = true;
    flow.input = {};
    violation_ = std::make_unique<Error>(machine_.violation());
  }
}

// The first end that is noticed is the cause of the others.
void Relay::note_end(Reason reason, Side side) {
  if (end_noted_) return;
  end_noted_ = true;
  end_ = side == Side::server ? ended_by_server(reason) : ended_by(reason, side);
}

// All that was received has been passed on. A client's end of file is passed on as such: the server
// executes what it has, as it does for a client of its own, and closes.
void Relay::finish_writing(Flow& flow) {
  if (flow.written_all || is_pending(flow)) return;
  flow.written_all = true;
  if (!flow.from_client || violation_ || flow.discard) return;
  flow.to.shutdown_write();
  flow.shut = true;
}

void Relay::receiver_lost(Flow& flow, ssize_t result) {
  flow.discard = true;
  if (flow.from_client) {
    // The server has closed. Its last words may still be on the way: they end the relay.
    flow.read_all = true;
    if (result == -ETIMEDOUT) note_end(server_end(result), Side::server);  // told only once
    return;
  }
  // The client is gone. What it sent is still executed, also what has not been read yet, and short
  // answers are read and dropped so that the server gets there; see `check_end`.
  client_gone_ = true;
  note_end(client_end(result), Side::client);
  deadline_.start(waiter_.loop().now() + kAbandonedMax);
}

void Relay::check_end() {
  if (ended_) return;
  if (to_client_.read_all && !is_pending(to_client_)) {
    if (machine_.server_said_fatal() && !violation_) {
      end_ = ended_by(Reason::server_error, Side::server);
    }
    end_with_cause();
    return;
  }
  // In the middle of rows for nobody the server's next write fails, as it would without us.
  bool left = client_gone_ &&
              (machine_.server_in_rows() || (to_server_.written_all && machine_.all_answered()));
  bool all_passed_on = !is_pending(to_server_) && !is_pending(to_client_);
  bool told =
      violation_ != nullptr && all_passed_on && (machine_.all_answered() || machine_.in_copy_in());
  bool rests = end_when_idle_ && all_passed_on && machine_.between_transactions();
  if (left || told || rests) end_with_cause();
}

void Relay::watch_idle(const config::PoolTimeouts& limits, std::shared_ptr<observe::Group> cells,
                       uint32_t worker) {
  watch_ = std::make_unique<Watch>(waiter_, limits, std::move(cells), worker);
}

void Relay::watch() {
  using Doing = Timeouts::Doing;
  Doing doing = Doing::resting;
  if (!machine_.all_answered()) {
    doing = Doing::waiting;  // for the server, or both in a stream
  } else if (machine_.in_transaction()) {
    doing = Doing::idle_in_transaction;
  }
  std::optional<Timeouts::Expired> expired = watch_->timeouts.look(
      {.doing = doing, .exchange_began = machine_.exchange_started(), .transaction_began = {}});
  if (!expired) return;
  watch_->cells[pool::PoolCells::kTimeouts + static_cast<size_t>(*expired)].add();
  ask_to_end(timeout_error(*expired), false);
}

// A broken stream is the cause of whatever was noticed after it.
void Relay::end_with_cause() {
  if (ended_) return;
  ended_ = true;
  if (violation_) end_ = std::move(violation_);
}

}  // namespace trunkline::session
