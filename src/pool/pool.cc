#include "pool/pool.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace trunkline::pool {

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

void Pool::give_back(Desk& desk, ConnectionPtr connection) {
  if (std::optional<CloseReason> why = why_useless(*connection, desk.now())) {
    return close_and_serve(desk, std::move(connection), *why);
  }
  if (is_over()) return close_and_serve(desk, std::move(connection), CloseReason::over_limit);
  if (waiting_.load() > 0) {
    if (EntryPtr next = pop_line(desk)) return hand_over(desk, std::move(connection), next);
  }
  if (ledger_.is_wanted(*account_)) {
    return close_and_serve(desk, std::move(connection), CloseReason::evicted);
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
    backoff_.succeeded();
  }
  line_.note_connections(desk.worker(), 1);
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
        refused.push_back(line_.remove(entry));
        --waiting_;
      });
    } else {
      backoff_.failed(desk.now());
    }
  }
  for (EntryPtr& entry : refused) refuse(desk, why, std::move(entry));
  if (waiting_.load() > 0) serve_line(desk);
}

void Pool::fill(Desk& desk, uint32_t connections_min) {
  while (connections() < connections_min && ledger_.open_spare(*account_)) start_opening(desk);
}

void Pool::tend(Desk& desk, Instant idle_since, uint32_t connections_min) {
  Shelf& own = shelf(desk);
  std::vector<Useless> useless;
  own.connections.for_each([&](Connection& connection) {
    if (std::optional<CloseReason> why = why_useless(connection, desk.now())) {
      useless.emplace_back(&connection, *why);
    } else if (!desk.is_alive(connection)) {
      useless.emplace_back(&connection, CloseReason::lost);
    }
  });
  close_all(desk, useless);
  // One after the other, the least used first: each changes what is too many, here and for others.
  auto close_last_while = [&](CloseReason why, auto&& is_too_many) {
    while (!own.connections.empty() && is_too_many(own.connections.back())) {
      close(desk, remove(desk, own.connections.back()), why);
    }
  };
  close_last_while(CloseReason::over_limit, [&](const Connection&) { return is_over(); });
  close_last_while(CloseReason::idle, [&](const Connection& last) {
    return last.idle_since <= idle_since && connections() > connections_min;
  });
  if (waiting_.load() > 0) serve_line(desk);
}

void Pool::note_use(bool is_used, Instant now) {
  if (is_used) return unused_since_.store(Instant::max(), std::memory_order_relaxed);
  Instant used = Instant::max();
  unused_since_.compare_exchange_strong(used, now, std::memory_order_relaxed);
}

uint32_t Pool::connections_min(Instant now) const {
  std::shared_ptr<const config::Pool> settings = destination().settings();
  bool is_used = now - unused_since_.load(std::memory_order_relaxed) < settings->idle_timeout;
  return is_used ? settings->min_size : 0;
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

// Any thread: by mail to a worker, for only workers can open.
void Pool::on_room() {
  Desk* desk = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (!line_.empty()) desk = line_.first().desk;
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

std::optional<CloseReason> Pool::why_useless(const Connection& connection, Instant now) const {
  if (!is_current(connection)) return CloseReason::renewed;
  Duration lifetime = destination().max_lifetime();
  lifetime -= lifetime / 1000 * connection.spared;
  if (now - connection.opened >= lifetime) return CloseReason::lifetime;
  return std::nullopt;
}

bool Pool::is_over() const {
  return ledger_.is_over(*account_, waiting_.load() > 0);
}

void Pool::close(Desk& desk, ConnectionPtr connection, CloseReason why) {
  cells(desk.worker())[PoolCells::kClosed + static_cast<size_t>(why)].add();
  line_.note_connections(desk.worker(), -1);
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

void Pool::start_opening(Desk& desk) {
  {
    std::lock_guard lock(mutex_);
    ++opening_;
  }
  desk.open(shared_from_this());
}

}  // namespace trunkline::pool
