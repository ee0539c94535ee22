#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/intrusive_list.h"
#include "base/time.h"

namespace trunkline::pool {

class Desk;
class Request;

// Those who wait for one of a pool's connections, of all workers, in the order in which they came.
//
// A connection that comes free stays with its worker, and goes to the first who waits there, unless
// somebody of another worker is worse off: to move it costs both workers as much as half a request.
// It moves when the first of all has waited a third longer, and his worker has no more connections
// for its clients than this one would have left, be they pinned or not; when he has waited twice as
// long, or for too long, whatever the numbers; and when his worker has none. See
// docs/adr/0004-own-waiters-first.md.
//
// Under the mutex of the pool, but for `note_connections`.
class Line {
  struct OfAll {};
  struct OfWorker {};

 public:
  // The place of one request. It outlives the request when a connection is on its way to it
  // already.
  struct Entry : private ListNode<OfAll>, private ListNode<OfWorker> {
    Desk* desk = nullptr;
    Request* request = nullptr;  // null: has left; only its worker looks
    Instant since = {};
    bool wants_place = false;  // and no connection

   private:
    friend class Line;
    template <typename T, typename Tag>
    friend class trunkline::IntrusiveList;
    std::shared_ptr<Entry> self_ = {};  // while it is in the line
    uint32_t worker_ = 0;
  };
  using EntryPtr = std::shared_ptr<Entry>;

  explicit Line(uint32_t workers) : workers_(workers) {}
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  ~Line() {
    while (!empty()) remove(all_.front());
  }

  bool empty() const { return all_.empty(); }
  // Of all; not while it is empty.
  const Entry& first() { return all_.front(); }

  void join(const EntryPtr& entry);
  // Whom a connection of the worker is for, who leaves the line; null when it is empty. Who has
  // waited for `patience` is served in the order of arrival.
  EntryPtr pop(uint32_t worker, Instant now, Duration patience);
  // Null when it is not in the line.
  EntryPtr remove(Entry& entry);
  // The worker has so many more, or less, of the pool's connections, in use or idle. Any thread.
  void note_connections(uint32_t worker, int by) {
    workers_[worker].connections.fetch_add(static_cast<uint32_t>(by), std::memory_order_relaxed);
  }

  // In the order in which they came; `visit` may remove the one it is given.
  template <typename Visit>
  void for_each(Visit visit) {
    all_.for_each(visit);
  }

 private:
  struct alignas(64) Worker {
    IntrusiveList<Entry, OfWorker> waiting;
    uint32_t waiting_count = 0;
    std::atomic<uint32_t> connections = 0;
  };

  bool is_to_move(const Worker& from, const Entry& own, Instant now, Duration patience);

  IntrusiveList<Entry, OfAll> all_;
  std::vector<Worker> workers_;
};

}  // namespace trunkline::pool
