#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/intrusive_list.h"
#include "base/time.h"

namespace trunkline::pool {

class Desk;
class Request;

// Those who wait for one of a pool's connections, of all workers, first come, first served, but for
// one thing: a connection that comes free goes to the first of its own worker if that one has
// waited nearly as long as the first of all. To move a connection to another worker costs both of
// them as much as half a request; see docs/adr/0004-own-waiters-first.md.
//
// Not thread-safe: under the mutex of the pool.
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
  };
  using EntryPtr = std::shared_ptr<Entry>;

  explicit Line(uint32_t workers) : of_workers_(workers) {}
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  ~Line() {
    while (!empty()) remove(all_.front());
  }

  bool empty() const { return all_.empty(); }
  // Of all; not while it is empty.
  const Entry& first() { return all_.front(); }

  void join(const EntryPtr& entry);
  // Whom a connection of the worker is for, who leaves the line; null when it is empty.
  EntryPtr pop(uint32_t worker, Instant now);
  // Null when it is not in the line.
  EntryPtr remove(Entry& entry);

  // In the order in which they came; `visit` may remove the one it is given.
  template <typename Visit>
  void for_each(Visit visit) {
    all_.for_each(visit);
  }

 private:
  IntrusiveList<Entry, OfAll> all_;
  std::vector<IntrusiveList<Entry, OfWorker>> of_workers_;
};

}  // namespace trunkline::pool
