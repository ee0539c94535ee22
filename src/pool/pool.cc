#include "pool/pool.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace trunkline::pool {

void Request::leave() {
  if (!entry_) return;
  pool_->leave_line(*entry_);
  // A connection that is on its way finds nobody, and goes to the next.
  entry_->request = nullptr;
  entry_.reset();
  pool_.reset();
}

void Place::leave() {
  if (Desk* desk = std::exchange(desk_, nullptr)) std::exchange(pool_, {})->leave_place(*desk);
}

PoolPtr Pool::make(Ledger& ledger, const Limits& limits, const std::vector<CapName>& caps,
                   uint32_t workers, std::unique_ptr<Destination> destination,
                   std::shared_ptr<observe::Group> cells) {
  if (cells == nullptr) {
    cells = std::make_shared<observe::Group>(kPoolMetrics, nullptr, workers);
  }
  PoolPtr pool(new Pool(ledger, workers, std::move(destination), std::move(cells)));
  pool->account_ = ledger.join(pool, limits, caps);
  return pool;
}

Pool::~Pool() {
  gauges_.clear();
  assert(std::ranges::all_of(shelves_, [](Shelf& each) { return each.connections.empty(); }));
}

// Whoever gets none goes on to `wait`, and so makes use of the room that dead ones have left.
ConnectionPtr Pool::take(Desk& desk) {
  if (waiting_.load() > 0) return nullptr;
  return take_live(desk);
}

void Pool::wait(Request& request) {
  enter_line(request, false);
}

void Pool::wait_for_place(Request& request) {
  bool room = waiting_.load() == 0 && !retired_.load() &&
              ledger_.open(*account_, false) == Ledger::Answer::granted;
  if (!room) return enter_line(request, true);
  ++places_;
  request.on_place(Place(shared_from_this(), request.desk_));
}

void Pool::enter_line(Request& request, bool wants_place) {
  assert(!request.waits());
  auto entry = std::make_shared<Entry>();
  entry->desk = &request.desk_;
  entry->request = &request;
  entry->since = request.desk_.now();
  entry->wants_place = wants_place;
  PoolPtr successor;
  {
    std::lock_guard lock(mutex_);
    successor = successor_;
    if (!successor) {
      request.pool_ = shared_from_this();
      request.entry_ = entry;
      line_.push_back(*entry);
      entry->self = entry;
      ++waiting_;
      cells(request.desk_.worker())[PoolCells::kWaits].add();
    }
  }
  if (successor) return request.on_moved(std::move(successor));
  serve_line(request.desk_);
}

void Pool::give_back(Desk& desk, ConnectionPtr connection) {
  if (std::optional<CloseReason> why = why_close(*connection, desk.now())) {
    return close_and_serve(desk, std::move(connection), *why);
  }
  if (waiting_.load() > 0) {
    if (EntryPtr first = pop_first()) return hand_over(desk, std::move(connection), first);
  }
  put_on(desk, std::move(connection));
  // Whoever has come to wait since may have looked at the idle ones before this one was there.
  if (waiting_.load() > 0) serve_line(desk);
}

void Pool::discard(Desk& desk, ConnectionPtr connection) {
  close_and_serve(desk, std::move(connection), CloseReason::unusable);
}

void Pool::close_and_serve(Desk& desk, ConnectionPtr connection, CloseReason why) {
  close(desk, std::move(connection), why);
  if (waiting_.load() > 0) serve_line(desk);
}

void Pool::opened(Desk& desk, ConnectionPtr connection) {
  {
    std::lock_guard lock(mutex_);
    --opening_;
  }
  cells(desk.worker())[PoolCells::kOpened].add();
  give_back(desk, std::move(connection));
}

void Pool::not_opened(Desk& desk, const server::Refusal& why, Instant began) {
  ledger_.close(*account_);
  cells(desk.worker())[PoolCells::kNotOpened].add();
  std::vector<EntryPtr> refused;
  {
    std::lock_guard lock(mutex_);
    --opening_;
    // Those of places are not the pool's to give.
    if (ledger_.used(*account_) == places_.load()) {
      line_.for_each([&](Entry& entry) {
        if (entry.since > began) return;
        entry.unlink();
        --waiting_;
        refused.push_back(std::move(entry.self));
      });
    }
  }
  for (EntryPtr& entry : refused) refuse(desk, why, std::move(entry));
  if (waiting_.load() > 0) serve_line(desk);
}

void Pool::open_reserve(Desk& desk, Instant since) {
  {
    std::lock_guard lock(mutex_);
    if (line_.empty() || line_.front().since > since) return;
  }
  open_for_line(desk, 0, true);
}

void Pool::fill(Desk& desk, uint32_t connections_min) {
  while (connections() < connections_min &&
         ledger_.open(*account_, false) == Ledger::Answer::granted) {
    start_opening(desk);
  }
}

void Pool::tend(Desk& desk, Instant idle_since, uint32_t connections_min) {
  uint32_t spare = connections();
  spare -= std::min(spare, connections_min);
  std::vector<Useless> useless;
  shelf(desk).connections.for_each([&](Connection& connection) {
    bool is_spare = spare > 0 && connection.idle_since <= idle_since;
    if (is_spare) --spare;
    if (is_spare) {
      useless.emplace_back(&connection, CloseReason::idle);
    } else if (std::optional<CloseReason> why = why_close(connection, desk.now())) {
      useless.emplace_back(&connection, *why);
    } else if (!desk.is_alive(connection)) {
      useless.emplace_back(&connection, CloseReason::lost);
    }
  });
  close_all(desk, useless);
}

void Pool::renew(Desk& desk) {
  ++generation_;
  announce_outdated();
  close_outdated(desk);
}

void Pool::announce_outdated() {
  for (Shelf& each : shelves_) {
    if (Desk* desk = each.desk.load()) {
      desk->post([pool = shared_from_this(), desk] { pool->close_outdated(*desk); });
    }
  }
}

void Pool::retire(PoolPtr successor) {
  std::vector<EntryPtr> waiting;
  {
    std::lock_guard lock(mutex_);
    successor_ = successor;
    retired_ = true;
    line_.for_each([&](Entry& entry) {
      entry.unlink();
      --waiting_;
      waiting.push_back(std::move(entry.self));
    });
  }
  ++generation_;
  for (const EntryPtr& entry : waiting) move_on(entry, successor);
  announce_outdated();
}

PoolPtr Pool::successor() const {
  if (!retired_.load()) return nullptr;
  std::lock_guard lock(mutex_);
  return successor_;
}

void Pool::close_idle(Desk& desk) {
  while (ConnectionPtr connection = take_last_used(desk)) {
    close(desk, std::move(connection), CloseReason::shutdown);
  }
}

uint32_t Pool::idle() const {
  uint32_t sum = 0;
  for (const Shelf& each : shelves_) sum += each.count.load(std::memory_order_relaxed);
  return sum;
}

uint32_t Pool::opening() const {
  std::lock_guard lock(mutex_);
  return opening_;
}

Instant Pool::first_waits_since() {
  std::lock_guard lock(mutex_);
  return line_.empty() ? Instant::max() : line_.front().since;
}

// Any thread: by mail to a worker, for only workers can open.
void Pool::on_room() {
  Desk* desk = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (!line_.empty()) desk = line_.front().desk;
  }
  if (desk == nullptr) return ledger_.withdraw(*account_);
  desk->post([pool = shared_from_this(), desk] { pool->serve_line(*desk); });
}

void Pool::evict() {
  Shelf* fullest = nullptr;
  for (Shelf& each : shelves_) {
    if (each.count.load() > (fullest == nullptr ? 0 : fullest->count.load())) fullest = &each;
  }
  if (fullest == nullptr) return;
  Desk* desk = fullest->desk.load();
  desk->post([pool = shared_from_this(), desk] { pool->close_oldest(*desk); });
}

void Pool::put_on(Desk& desk, ConnectionPtr connection) {
  connection->idle_since = desk.now();
  Shelf& own = shelf(desk);
  own.connections.push_front(*connection.release());
  own.desk.store(&desk, std::memory_order_relaxed);
  ++own.count;
}

ConnectionPtr Pool::remove(Desk& desk, Connection& connection) {
  connection.unlink();
  --shelf(desk).count;
  return ConnectionPtr(&connection);
}

ConnectionPtr Pool::take_last_used(Desk& desk) {
  Shelf& own = shelf(desk);
  return own.connections.empty() ? nullptr : remove(desk, own.connections.front());
}

ConnectionPtr Pool::take_live(Desk& desk) {
  while (ConnectionPtr connection = take_last_used(desk)) {
    bool current = is_current(*connection);
    if (current && desk.is_alive(*connection)) return connection;
    close(desk, std::move(connection), current ? CloseReason::lost : CloseReason::renewed);
  }
  return nullptr;
}

std::optional<CloseReason> Pool::why_close(const Connection& connection, Instant now) const {
  if (!is_current(connection)) return CloseReason::renewed;
  if (connection.retire_at <= now) return CloseReason::lifetime;
  if (ledger_.is_over(*account_)) return CloseReason::over_limit;
  return std::nullopt;
}

void Pool::close(Desk& desk, ConnectionPtr connection, CloseReason why) {
  cells(desk.worker())[PoolCells::kClosed + static_cast<size_t>(why)].add();
  desk.close(std::move(connection));
  ledger_.close(*account_);
}

// The line comes last: it may take any of those that are left.
void Pool::close_all(Desk& desk, std::span<const Useless> connections) {
  for (auto [connection, why] : connections) close(desk, remove(desk, *connection), why);
  if (waiting_.load() > 0) serve_line(desk);
}

void Pool::close_outdated(Desk& desk) {
  std::vector<Useless> outdated;
  shelf(desk).connections.for_each([&](Connection& connection) {
    if (!is_current(connection)) outdated.emplace_back(&connection, CloseReason::renewed);
  });
  close_all(desk, outdated);
}

void Pool::close_oldest(Desk& desk) {
  Shelf& own = shelf(desk);
  if (own.connections.empty()) return;
  close_and_serve(desk, remove(desk, own.connections.back()), CloseReason::evicted);
}

// Gives out what this worker has, and sees to it that there is more on the way for who is left.
void Pool::serve_line(Desk& desk) {
  while (waiting_.load() > 0) {
    ConnectionPtr connection = take_live(desk);
    if (!connection) break;
    if (EntryPtr first = pop_first()) {
      hand_over(desk, std::move(connection), first);
    } else {
      put_on(desk, std::move(connection));
    }
  }
  if (waiting_.load() == 0) return ledger_.withdraw(*account_);
  open_for_line(desk, ask_others(desk), false);
}

// How many idle ones the other workers will send, as far as they still have them.
uint32_t Pool::ask_others(Desk& desk) {
  uint32_t coming = 0;
  for (Shelf& each : shelves_) {
    uint32_t count = &each == &shelf(desk) ? 0 : each.count.load();
    if (count == 0) continue;
    coming += count;
    Desk* other = each.desk.load();
    other->post([pool = shared_from_this(), other] { pool->serve_line(*other); });
  }
  return coming;
}

// As many as there are waiting and nothing is on its way for.
void Pool::open_for_line(Desk& desk, uint32_t coming, bool may_use_reserve) {
  for (;;) {
    {
      std::lock_guard lock(mutex_);
      if (opening_ + coming >= waiting_.load()) return;
    }
    if (ledger_.open(*account_, may_use_reserve) != Ledger::Answer::granted) return;
    if (EntryPtr next = pop_place(coming)) {
      grant_place(desk, next);
    } else {
      start_opening(desk);
    }
  }
}

void Pool::start_opening(Desk& desk) {
  {
    std::lock_guard lock(mutex_);
    ++opening_;
  }
  desk.open(shared_from_this());
}

Pool::EntryPtr Pool::pop_first() {
  std::lock_guard lock(mutex_);
  Entry* first = line_.pop_front();
  if (first == nullptr) return nullptr;
  --waiting_;
  return std::move(first->self);
}

// The first for whom nothing is on its way, if it is a place that he wants.
Pool::EntryPtr Pool::pop_place(uint32_t coming) {
  std::lock_guard lock(mutex_);
  uint32_t behind = opening_ + coming;
  EntryPtr found;
  line_.for_each([&](Entry& entry) {
    if (behind-- != 0 || !entry.wants_place) return;
    entry.unlink();
    --waiting_;
    found = std::move(entry.self);
  });
  return found;
}

void Pool::leave_line(Entry& entry) {
  std::lock_guard lock(mutex_);
  if (!entry.linked()) return;
  entry.unlink();
  --waiting_;
  entry.self.reset();
}

void Pool::hand_over(Desk& desk, ConnectionPtr connection, const EntryPtr& to) {
  if (to->wants_place) {
    desk.close(std::move(connection));  // and it goes on counting
    return grant_place(desk, to);
  }
  if (to->desk == &desk) return deliver(desk, std::move(connection), *to);
  desk.pack(*connection);
  to->desk->post([pool = shared_from_this(), to, parcel = std::move(connection)]() mutable {
    to->desk->unpack(*parcel);
    pool->deliver(*to->desk, std::move(parcel), *to);
  });
}

void Pool::deliver(Desk& desk, ConnectionPtr connection, Entry& to) {
  Request* request = std::exchange(to.request, nullptr);
  if (request == nullptr) return give_back(desk, std::move(connection));
  request->entry_.reset();
  request->pool_.reset();
  observe::record(cells(desk.worker()) + PoolCells::kWaitSeconds, observe::kLatencyBuckets,
                  desk.now() - to.since);
  request->on_granted(std::move(connection));
}

void Pool::grant_place(Desk& desk, const EntryPtr& to) {
  ++places_;
  if (to->desk == &desk) return deliver_place(desk, *to);
  to->desk->post([pool = shared_from_this(), to] { pool->deliver_place(*to->desk, *to); });
}

void Pool::deliver_place(Desk& desk, Entry& to) {
  Request* request = std::exchange(to.request, nullptr);
  if (request == nullptr) return leave_place(desk);
  request->entry_.reset();
  request->pool_.reset();
  request->on_place(Place(shared_from_this(), desk));
}

void Pool::leave_place(Desk& desk) {
  --places_;
  ledger_.close(*account_);
  if (waiting_.load() > 0) serve_line(desk);
}

// Each on its own worker, which has not looked at it before it reads this.
void Pool::move_on(const EntryPtr& entry, const PoolPtr& to) {
  entry->desk->post([entry, to] {
    Request* request = std::exchange(entry->request, nullptr);
    if (request == nullptr) return;
    request->entry_.reset();
    request->pool_.reset();
    request->on_moved(to);
  });
}

void Pool::refuse(Desk& desk, const server::Refusal& why, EntryPtr entry) {
  auto tell = [](Entry& to, const server::Refusal& refusal) {
    Request* request = std::exchange(to.request, nullptr);
    if (request == nullptr) return;
    request->entry_.reset();
    request->pool_.reset();
    request->on_refused(refusal);
  };
  if (entry->desk == &desk) return tell(*entry, why);
  entry->desk->post([tell, to = std::move(entry), why] { tell(*to, why); });
}

}  // namespace trunkline::pool
