#include "session/pooled_relay.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "session/ended_by.h"
#include "session/relay.h"

namespace trunkline::session {

PooledRelay::PooledRelay(const Place& place, Buffers& buffers, Canceller& canceller)
    : pool::Request(place.desk),
      client_(place.client),
      waiter_(place.waiter),
      slab_(place.slab),
      desk_(place.desk),
      pools_(place.pools),
      cells_(place.cells),
      use_(place.use),
      pool_(place.use.pool),
      machine_(place.own, place.identity, buffers.machine, place.counters, place.events,
               place.statements),
      deadline_(place.waiter, wake::kDeadline),
      stash_(buffers.stash),
      unit_(buffers.unit),
      canceller_(canceller) {
  machine_.set_query_limit(use_.query_limit.get());
  if (has_other_settings()) follow_settings();
}

PooledRelay::~PooledRelay() {
  abandon();
  stash_.clear();
  unit_.clear();
  if (stash_.capacity() > kStashBytesMax) stash_ = {};
}

void PooledRelay::begin(std::string early) {
  stash_ = std::move(early);
  to_server_.input = stash_;
  cells_[RouteCells::kBytesFromClients].add(stash_.size());
}

bool PooledRelay::go_on(uint32_t woken) {
  if ((woken & wake::kDeadline) != 0) on_deadline();
  if ((woken & wake::kClientHangup) != 0) on_hangup();
  bool again = !ended_ && turn();
  if ((woken & wake::kBuffer) != 0) slab_.tell_next();
  check_end();
  if (!ended_ && server_ && has_other_settings()) follow_settings();
  if (!ended_ && use_.watch) watch();
  return again && !ended_;
}

bool PooledRelay::rests() const {
  constexpr uint32_t kCalls = wake::kMail | wake::kBuffer | wake::kDeadline | wake::kTimeout;
  bool all_read =
      to_server_.input.empty() && !to_server_.lease && !to_server_.starved && !to_server_.read_all;
  bool all_written = to_server_.pieces.empty() && to_client_.pieces.empty() &&
                     !client_.has_unsent() && !to_client_.lease && !to_client_.starved;
  bool is_to_end = ended_ || end_asked_ || client_gone_ || end_ != nullptr || violation_ != nullptr;
  return all_read && all_written && !is_to_end && !server_ && !waits() && !waits_for_turn() &&
         cancels_ == 0 && machine_.rests() && (waiter_.ready() & kCalls) == 0;
}

std::unique_ptr<Error> PooledRelay::finish() {
  leave_line();
  to_server_.lease.reset();
  to_client_.lease.reset();
  if ((waiter_.ready() & wake::kBuffer) != 0) slab_.tell_next();
  client_.socket().unbind();
  return std::move(end_);
}

void PooledRelay::ask_to_end(Error error, bool when_idle) {
  if (ended_ || client_gone_) return;
  end_ = std::make_unique<Error>(std::move(error));
  end_when_idle_ = when_idle;
  ended_ = !when_idle;
  waiter_.raise(wake::kMail);
}

uint32_t PooledRelay::wanted() const {
  uint32_t mask = wake::kDeadline | wake::kTimeout | wake::kMail | wake::kBuffer;
  bool server_full = !to_server_.pieces.empty() || (server_ && server_->server.stream.has_unsent());
  bool client_full = !to_client_.pieces.empty() || (client_.has_unsent() && !client_gone_);
  if (server_full) mask |= wake::kServerWritable;
  if (client_full) mask |= wake::kClientWritable;
  bool reads_client = to_server_.pieces.empty() && to_server_.input.empty() &&
                      !to_server_.read_all && !to_server_.starved;
  if (reads_client) mask |= wake::kClientReadable;
  if (server_ && to_client_.pieces.empty() && !to_client_.starved) mask |= wake::kServerReadable;
  if (waits()) mask |= wake::kClientHangup;
  return mask;
}

// One turn for each direction. True when only the turn is over.
bool PooledRelay::turn() {
  size_t budget = kTurnBytes;
  bool moved = true;
  while (moved && !ended_) {
    if (budget == 0) return true;
    moved = pump_client(budget);
    moved |= pump_server(budget);
    if (client_gone_ && !moved) moved = clean_up();
  }
  return false;
}

// True when there may be more to do at once.
bool PooledRelay::pump_client(size_t& budget) {
  if (!to_server_.pieces.empty()) {
    if (!write(to_server_, server_->server.stream, Side::server)) return false;
  } else if (server_ && server_->server.stream.has_unsent()) {
    if (server_->server.stream.flush() != 0) return false;
  }
  if (server_ && machine_.has_own_request()) {
    machine_.append_own_request(to_server_.pieces);
    return true;
  }
  if (to_server_.input.empty()) {
    stash_.clear();
    to_server_.stalled_since = Instant::max();
    if (to_server_.read_all || !client_.readable()) {
      to_server_.lease.reset();
      return false;
    }
    if (!borrow(to_server_)) return false;
    read_client(budget);
    return !to_server_.input.empty() || to_server_.read_all;
  }
  // The cancel of a request that has taken too long must not hit the next one.
  if (cancels_query_ && !machine_.exchange_open()) return false;
  if (!borrow(to_server_)) return false;
  return feed();
}

bool PooledRelay::feed() {
  using Verdict = PooledMachine::Verdict;
  Instant now = waiter_.loop().now();
  std::string_view before = to_server_.input;
  if (machine_.between_units()) unit_.clear();
  Verdict verdict = machine_.from_client(to_server_.input, scratch(), now, to_server_.pieces);
  std::string_view taken = before.substr(0, before.size() - to_server_.input.size());
  keep_unit(taken);
  bool moved = !taken.empty() || !to_server_.pieces.empty();
  switch (verdict) {
    case Verdict::go_on:
    case Verdict::write_first:
      return true;
    case Verdict::need_server:
      return need_server() || moved;
    case Verdict::hold:
      return moved || machine_.has_own_request();
    case Verdict::too_soon:
      wait_for_turn();
      return moved;
    case Verdict::terminate:
      to_server_.read_all = true;
      to_server_.input = {};
      client_lost(Reason::client_terminate);
      return true;
    case Verdict::violation:
      to_server_.read_all = true;
      to_server_.input = {};
      violation_ = std::make_unique<Error>(machine_.violation());
      deadline_.start(now + kAbandonedMax);
      return true;
  }
  return false;
}

void PooledRelay::keep_unit(std::string_view taken) {
  if (!machine_.may_restart()) {
    unit_.clear();
  } else if (unit_.size() + taken.size() > kUnitBytesMax) {
    machine_.forbid_restart();
    unit_.clear();
  } else {
    unit_ += taken;
  }
}

// True when there is one now.
bool PooledRelay::need_server() {
  if (server_ || waits()) return server_ != nullptr;
  if (use_.place) return false;  // it was its own, and the session ends
  // A reload has changed where the connections lead.
  while (pool::PoolPtr successor = pool_->successor()) move_to(std::move(successor));
  if (pool::ConnectionPtr connection = pool_->take(desk_)) {
    attach(std::move(connection));
    return true;
  }
  stash_input();
  deadline_.start(waiter_.loop().now() + pool_->destination().wait_timeout());
  pool_->wait(*this);
  return server_ != nullptr;
}

void PooledRelay::on_granted(pool::ConnectionPtr connection) {
  if (!client_gone_) deadline_.stop();
  attach(std::move(connection));
  waiter_.raise(wake::kMail);
}

void PooledRelay::on_refused(const server::Refusal& refusal) {
  server_response_ = refusal.response;
  if (!client_gone_) end_ = std::make_unique<Error>(refusal.error);
  ended_ = true;
  waiter_.raise(wake::kMail);
}

void PooledRelay::move_to(pool::PoolPtr pool) {
  pool_ = std::move(pool);
  machine_.move_to(pool_->pin_places(), pool_->cells(desk_.worker()), pool_->generation());
  follow_settings();
}

// How long it has waited already counts.
void PooledRelay::on_moved(pool::PoolPtr to) {
  move_to(std::move(to));
  pool_->wait(*this);
}

void PooledRelay::attach(pool::ConnectionPtr connection) {
  server_ = std::move(connection);
  cancel_may_come_ = false;
  server_->server.stream.socket().bind(waiter_, kServerShift);
  machine_.attach(*server_);
  if (has_other_settings()) follow_settings();
}

// Gives the connection back; to be closed when a session has made it useless.
void PooledRelay::leave() {
  bool useless =
      server_->spoilt || cancel_may_come_ || machine_.has_spoilt() || machine_.server_said_fatal();
  machine_.detach();
  machine_.trim();
  if (unit_.capacity() > kUnitBytesKept) unit_ = {};
  if (machine_.take_defaults_changed()) {
    pools_.renew(pool_->destination().upstream(), desk_);
  }
  server_->server.stream.socket().unbind();
  if (use_.place) {
    desk_.close(std::move(server_));
    use_.place->leave();
  } else if (useless) {
    pool_->discard(desk_, std::move(server_));
  } else {
    restarts_ = 0;
    pool_->give_back(desk_, std::move(server_));
  }
}

void PooledRelay::abandon() {
  if (!server_) return;
  server_->spoilt = true;
  leave();
}

bool PooledRelay::pump_server(size_t& budget) {
  if (client_gone_) to_client_.pieces.clear();
  if (!to_client_.pieces.empty()) {
    if (!write(to_client_, client_, Side::client)) return false;
  } else if (client_.has_unsent() && !client_gone_) {
    if (client_.flush() != 0) return false;
  }
  Instant now = waiter_.loop().now();
  if (to_client_.input.empty() && !machine_.has_answers()) {
    to_client_.stalled_since = Instant::max();
    if (!server_ || !server_->server.stream.readable()) {
      to_client_.lease.reset();
      return false;
    }
    if (!borrow(to_client_)) return false;
    if (!read_server(budget)) return true;
  }
  if (!machine_.from_server(to_client_.input, now, to_client_.pieces)) {
    violation_ = std::make_unique<Error>(machine_.violation());
    end_with_cause();
    return false;
  }
  if (machine_.wants_restart()) {
    server_lost(0);
    return !ended_;
  }
  if (to_client_.input.empty() && machine_.may_leave() && cancels_ == 0 && !client_gone_) leave();
  return true;
}

// False when the receiver takes no more for now.
bool PooledRelay::write(Flow& flow, tls::Stream& to, Side receiver) {
  while (!flow.pieces.empty()) {
    ssize_t sent = to.send(flow.pieces.parts());
    if (sent == -EAGAIN) {
      if (flow.stalled_since == Instant::max()) flow.stalled_since = waiter_.loop().now();
      return false;
    }
    if (sent < 0) {
      flow.pieces.clear();
      // A server that has closed may have said why: that is read.
      if (receiver == Side::client) client_lost(client_end(sent));
      if (receiver == Side::server) server_timed_out_ = sent == -ETIMEDOUT;  // told only once
      break;
    }
    flow.pieces.written(static_cast<size_t>(sent));
  }
  return true;
}

bool PooledRelay::borrow(Flow& flow) {
  if (flow.lease) return true;
  flow.lease = slab_.borrow();
  flow.starved = !flow.lease;
  if (flow.starved) slab_.wait(*this);
  return !flow.starved;
}

void PooledRelay::buffer_is_free() {
  to_server_.starved = to_client_.starved = false;
  waiter_.raise(wake::kBuffer);
}

// The end of the buffer, behind what is read into it.
std::span<char> PooledRelay::scratch() {
  return to_server_.lease.span().last(PooledMachine::kScratchBytes);
}

void PooledRelay::read_client(size_t& budget) {
  std::span<char> buffer = to_server_.lease.span();
  buffer = buffer.first(buffer.size() - PooledMachine::kScratchBytes);
  ssize_t got = client_.recv(buffer);
  if (got == -EAGAIN) return;
  if (got <= 0) {
    // What it has sent before is still executed.
    to_server_.read_all = true;
    client_lost(client_end(got));
    return;
  }
  auto bytes = static_cast<size_t>(got);
  budget -= std::min(budget, bytes);
  cells_[RouteCells::kBytesFromClients].add(bytes);
  if (use_.watch) use_.watch->on_heard();
  to_server_.input = {buffer.data(), bytes};
}

// False when there is nothing to look at.
bool PooledRelay::read_server(size_t& budget) {
  std::span<char> buffer = to_client_.lease.span();
  ssize_t got = server_->server.stream.recv(buffer);
  if (got == -EAGAIN) return false;
  if (got <= 0) {
    server_lost(got);
    return false;
  }
  auto bytes = static_cast<size_t>(got);
  budget -= std::min(budget, bytes);
  cells_[RouteCells::kBytesToClients].add(bytes);
  to_client_.input = {buffer.data(), bytes};
  return true;
}

}  // namespace trunkline::session
