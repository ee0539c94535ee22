#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/backoff.h"
#include "base/intrusive_list.h"
#include "base/time.h"
#include "observe/metrics.h"
#include "pool/connection.h"
#include "pool/destination.h"
#include "pool/ledger.h"
#include "pool/line.h"
#include "pool/listener.h"
#include "pool/metrics.h"
#include "pool/pin_places.h"
#include "pool/query_rate.h"

namespace trunkline::pool {

// A worker as the pools see it. Everything is called on the worker's own thread, but for `post`.
// Outlives the pools' use of it.
class Desk {
 public:
  virtual ~Desk() = default;
  virtual uint32_t worker() const = 0;
  virtual Instant now() const = 0;
  // Runs `action` on the worker's thread, soon. Any thread.
  virtual void post(std::move_only_function<void()> action) = 0;
  // Logs in to a server for the pool, and ends with `Pool::opened` or `Pool::not_opened`.
  virtual void open(PoolPtr pool) = 0;
  // Takes the connection out of the worker's loop, and into it.
  virtual void pack(Connection& connection) = 0;
  virtual void unpack(Connection& connection) = 0;
  // False when the server has said something meanwhile, or is gone.
  virtual bool is_alive(Connection& connection) = 0;
  // Says good-bye to the server.
  virtual void close(ConnectionPtr connection) = 0;
  // Keeps a connection for the listener, as long as anybody listens.
  virtual void listen(PoolPtr pool, ListenerPtr listener) = 0;
};

// Room in a pool for a connection that a session makes by itself: it counts there as one of the
// pool's own until this is gone, so hold it until after the close. The thread of the desk, which
// outlives it.
class Place {
 public:
  Place() = default;
  Place(Place&& other) noexcept
      : pool_(std::move(other.pool_)), desk_(std::exchange(other.desk_, nullptr)) {}
  Place& operator=(Place&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(desk_, other.desk_);
    return *this;
  }
  ~Place() { leave(); }

  void leave();
  const PoolPtr& pool() const { return pool_; }

 private:
  friend class Pool;
  Place(PoolPtr pool, Desk& desk) : pool_(std::move(pool)), desk_(&desk) {}

  PoolPtr pool_ = {};
  Desk* desk_ = nullptr;  // null: no place
};

// A session that wants a connection, or a place for one. Its worker's thread; may be used again and
// again. Leaves the line when it is destroyed.
class Request {
 public:
  Request(Desk& desk) : desk_(desk) {}
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  virtual ~Request() { leave(); }

  bool waits() const { return entry_ != nullptr; }
  // No longer wants one.
  void leave();

 private:
  friend class Pool;

  // On the worker's thread, out of its mail or from within `Pool::give_back` and `Pool::wait`.
  virtual void on_granted(ConnectionPtr connection) = 0;
  // For who has asked for one.
  virtual void on_place(Place /*place*/) {}
  virtual void on_refused(const server::Refusal& refusal) = 0;
  // Another pool has taken over: it waits nowhere now, and may wait there.
  virtual void on_moved(PoolPtr to) = 0;

  Desk& desk_;
  PoolPtr pool_ = {};
  Line::EntryPtr entry_ = {};
};

// The connections of one login to one database of one upstream, for all workers, and the one line
// of those who wait for them.
//
//   take ── an idle one of this worker, without a lock, while nobody waits
//     └─ wait ── an idle one of another worker is sent over
//          ├─ else a new one is opened, if the limits allow
//          └─ else in line: who gives one back hands it to one of it, see `Line`
//
// A session that must make its connection by itself waits in the same line for a place instead: for
// room under the limits, or for a connection that is closed to make some.
//
// Who waits registers and then looks at the idle lists; who gives back publishes and then looks at
// the line; both in one order for all threads, so that neither misses the other. Any thread, each
// method with the desk of the worker it runs on.
class Pool final : public Tenant, public std::enable_shared_from_this<Pool> {
 public:
  static PoolPtr make(Ledger& ledger, const Limits& limits, const std::vector<CapName>& caps,
                      uint32_t workers, std::unique_ptr<Destination> destination,
                      std::shared_ptr<observe::Group> cells = nullptr);
  ~Pool() override;

  // Where its connections lead.
  Destination& destination() const { return *destination_; }
  // Where it counts, of `kPoolMetrics`.
  observe::Cell* cells(uint32_t worker) const { return cells_->cells(worker); }
  PinPlaces& pin_places() { return pin_places_; }
  // How many queries its sessions may send; null where there is no limit.
  struct QueryRates {
    QueryRatePtr route;
    QueryRatePtr user;
  };
  QueryRates query_rates() const {
    std::lock_guard lock(mutex_);
    return query_rates_;
  }
  void set_query_rates(QueryRates rates) {
    std::lock_guard lock(mutex_);
    query_rates_ = std::move(rates);
  }

  // Gauges that are asked for with each scrape. They end with the pool, or before it.
  void show(observe::Registry& metrics, const observe::Labels& labels,
            std::function<Instant()> now);
  void stop_showing() { gauges_.clear(); }

  // The worker's own connection that was used last; null while others wait, or when it has none.
  ConnectionPtr take(Desk& desk);
  // Joins the line; the request is answered at some time, perhaps before this returns.
  void wait(Request& request);
  // The same for a place.
  void wait_for_place(Request& request);
  // Of whoever has it: to one in the line, to the idle ones, or closed when it is too old or too
  // many.
  void give_back(Desk& desk, ConnectionPtr connection);
  // In place of `give_back`, for one that cannot be used any more.
  void discard(Desk& desk, ConnectionPtr connection);

  void opened(Desk& desk, ConnectionPtr connection);
  // `began`: whoever was in the line by then has the error, when there is no other connection that
  // could come free.
  void not_opened(Desk& desk, const server::Refusal& why, Instant began);

  // Who has waited since `since` or longer may have a connection of the reserve.
  void open_reserve(Desk& desk, Instant since);
  // Opens what is missing of `connections_min`.
  void fill(Desk& desk, uint32_t connections_min);
  // Closes this worker's connections that are to retire or dead, and those that have been idle
  // since `idle_since` or longer and are more than `connections_min`. Looks after the line, too:
  // the pause behind a failed login may be over.
  void tend(Desk& desk, Instant idle_since, uint32_t connections_min);
  // What was opened before is closed: the idle ones now, others when they are given back.
  void renew(Desk& desk);
  // From now on `successor` serves: who waits here goes over to it, idle connections are closed,
  // others when they are given back. Any thread; once.
  void retire(const PoolPtr& successor);
  // The pool that has taken over, or null. Without a lock while there is none.
  PoolPtr successor() const;
  // At the end of the worker.
  void close_idle(Desk& desk);

  void set_limits(const Limits& limits) { ledger_.set_limits(*account_, limits); }

  // For the registry: whether anybody but itself knows the pool.
  void note_use(bool is_used, Instant now);
  // `min_size`, as long as the pool is in use, or has been within `idle_timeout`.
  uint32_t connections_min(Instant now) const;

  // For metrics and the console; exact one by one, not together.
  uint32_t connections() const { return ledger_.used(*account_); }
  uint32_t idle() const override;
  uint32_t waiting() const { return waiting_.load(std::memory_order_relaxed); }
  uint32_t opening() const;
  // Since when the first in the line has waited; Instant::max() when nobody does.
  Instant first_waits_since();
  uint64_t generation() const { return generation_.load(std::memory_order_relaxed); }

  void on_room() override;
  void evict() override;

 private:
  friend class Request;
  friend class Place;
  using Entry = Line::Entry;
  using EntryPtr = Line::EntryPtr;

  // One worker's idle connections, the one used last in front. Only the worker touches the list.
  struct alignas(64) Shelf {
    IntrusiveList<Connection> connections;
    std::atomic<uint32_t> count = 0;
    std::atomic<Desk*> desk = nullptr;  // once the worker has used the pool
  };

  Pool(Ledger& ledger, uint32_t workers, std::unique_ptr<Destination> destination,
       std::shared_ptr<observe::Group> cells)
      : ledger_(ledger),
        destination_(std::move(destination)),
        cells_(std::move(cells)),
        shelves_(workers),
        line_(workers) {}

  Shelf& shelf(const Desk& desk) { return shelves_[desk.worker()]; }
  void put_on(Desk& desk, ConnectionPtr connection);
  ConnectionPtr remove(Desk& desk, Connection& connection);
  ConnectionPtr take_last_used(Desk& desk);
  ConnectionPtr take_live(Desk& desk);
  bool is_current(const Connection& connection) const {
    return connection.generation == generation();
  }
  std::optional<CloseReason> why_useless(const Connection& connection, Instant now) const;
  // Has more than it may keep.
  bool is_over() const;
  void close(Desk& desk, ConnectionPtr connection, CloseReason why);
  void close_and_serve(Desk& desk, ConnectionPtr connection, CloseReason why);
  using Useless = std::pair<Connection*, CloseReason>;
  void close_all(Desk& desk, std::span<const Useless> connections);
  void close_outdated(Desk& desk);
  void close_oldest(Desk& desk);

  void enter_line(Request& request, bool wants_place);
  void serve_line(Desk& desk);
  void announce_outdated();
  uint32_t ask_others(Desk& desk);
  void open_for_line(Desk& desk, uint32_t coming, bool may_use_reserve);
  bool pauses(Instant now) const;
  void start_opening(Desk& desk);
  EntryPtr pop_line(Desk& desk);
  EntryPtr pop_place(uint32_t behind);
  void leave_line(Entry& entry);
  void hand_over(Desk& desk, ConnectionPtr connection, const EntryPtr& to);
  void deliver(Desk& desk, ConnectionPtr connection, Entry& to);
  void grant_place(Desk& desk, const EntryPtr& to);
  void deliver_place(Desk& desk, Entry& to);
  void leave_place(Desk& desk);
  static void move_on(const EntryPtr& entry, const PoolPtr& to);
  static void refuse(Desk& desk, const server::Refusal& why, EntryPtr entry);

  Ledger& ledger_;
  const std::unique_ptr<Destination> destination_;
  const std::shared_ptr<observe::Group> cells_;
  PinPlaces pin_places_;
  Ledger::AccountPtr account_;
  std::vector<Shelf> shelves_;
  std::atomic<uint32_t> waiting_ = 0;  // how many are in the line
  std::atomic<uint64_t> generation_ = 0;
  std::atomic<uint32_t> places_ = 0;  // given to sessions
  std::atomic<bool> retired_ = false;
  std::atomic<Instant> unused_since_ = Instant::max();  // max: it is in use

  mutable std::mutex mutex_;
  Line line_;
  uint32_t opening_ = 0;
  Backoff backoff_;  // of logins that have failed while others were in use
  PoolPtr successor_ = {};
  QueryRates query_rates_;

  std::vector<observe::GaugeHandle> gauges_;  // the last to be made: they read the others
};

}  // namespace trunkline::pool
