#include <cassert>
#include <utility>

#include "pool/pool.h"

// Those who wait for a connection, or for room for one of their own: in one line for all workers.
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
      line_.join(entry);
      ++waiting_;
      cells(request.desk_.worker())[PoolCells::kWaits].add();
    }
  }
  if (successor) return request.on_moved(std::move(successor));
  serve_line(request.desk_);
}

void Pool::open_reserve(Desk& desk, Instant since) {
  {
    std::lock_guard lock(mutex_);
    if (line_.empty() || line_.first().since > since) return;
  }
  open_for_line(desk, 0, true);
}

void Pool::retire(const PoolPtr& successor) {
  std::vector<EntryPtr> waiting;
  {
    std::lock_guard lock(mutex_);
    successor_ = successor;
    retired_ = true;
    line_.for_each([&](Entry& entry) {
      waiting.push_back(line_.remove(entry));
      --waiting_;
    });
  }
  ++generation_;
  for (const EntryPtr& entry : waiting) move_on(entry, successor);
  for (const ListenerPtr& each : destination_->listeners()) each->announce_outdated();
  announce_outdated();
}

PoolPtr Pool::successor() const {
  if (!retired_.load()) return nullptr;
  std::lock_guard lock(mutex_);
  return successor_;
}

Instant Pool::first_waits_since() {
  std::lock_guard lock(mutex_);
  return line_.empty() ? Instant::max() : line_.first().since;
}

// Gives out what this worker has, and sees to it that there is more on the way for who is left.
void Pool::serve_line(Desk& desk) {
  while (waiting_.load() > 0) {
    ConnectionPtr connection = take_live(desk);
    if (!connection) break;
    if (EntryPtr next = pop_line(desk)) {
      hand_over(desk, std::move(connection), next);
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
  while (may_use_reserve || !ledger_.is_full(*account_)) {
    bool wants = false;
    {
      std::lock_guard lock(mutex_);
      wants = opening_ + coming < waiting_.load() && !pauses(desk.now());
    }
    // Others may have the room that it has waited for.
    if (!wants) return ledger_.withdraw(*account_);
    if (ledger_.open(*account_, may_use_reserve) != Ledger::Answer::granted) return;
    if (EntryPtr next = pop_place(coming)) {
      grant_place(desk, next);
    } else {
      start_opening(desk);
    }
  }
}

// A server that refuses its logins is not asked without a pause for as long as others may come
// free. Under the mutex.
bool Pool::pauses(Instant now) const {
  return now < backoff_.pause_until() && ledger_.used(*account_) > places_.load();
}

Pool::EntryPtr Pool::pop_line(Desk& desk) {
  Instant now = desk.now();
  Duration patience = destination().wait_timeout() / 2;
  std::lock_guard lock(mutex_);
  EntryPtr next = line_.pop(desk.worker(), now, patience);
  if (next) --waiting_;
  return next;
}

// The first for whom nothing is on its way, if it is a place that he wants.
Pool::EntryPtr Pool::pop_place(uint32_t coming) {
  std::lock_guard lock(mutex_);
  uint32_t behind = opening_ + coming;
  EntryPtr found;
  line_.for_each([&](Entry& entry) {
    if (behind-- != 0 || !entry.wants_place) return;
    found = line_.remove(entry);
    --waiting_;
  });
  return found;
}

void Pool::leave_line(Entry& entry) {
  std::lock_guard lock(mutex_);
  if (line_.remove(entry)) --waiting_;
}

void Pool::hand_over(Desk& desk, ConnectionPtr connection, const EntryPtr& to) {
  if (to->wants_place || to->desk != &desk) line_.note_connections(desk.worker(), -1);
  if (to->wants_place) {
    desk.close(std::move(connection));  // and it goes on counting
    return grant_place(desk, to);
  }
  if (to->desk == &desk) return deliver(desk, std::move(connection), *to);
  line_.note_connections(to->desk->worker(), 1);
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
