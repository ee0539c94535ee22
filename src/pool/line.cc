#include "pool/line.h"

#include "pool/pool.h"

namespace trunkline::pool {

namespace {

// The part of the first's wait that somebody must have waited to be served before it.
bool has_waited_nearly_as_long(Duration wait, Duration of_first) {
  return wait >= of_first / 4 * 3;
}

}  // namespace

void Line::join(const EntryPtr& entry) {
  all_.push_back(*entry);
  of_workers_[entry->desk->worker()].push_back(*entry);
  entry->self_ = entry;
}

Line::EntryPtr Line::pop(uint32_t worker, Instant now) {
  if (all_.empty()) return nullptr;
  Entry* next = &all_.front();
  if (!of_workers_[worker].empty()) {
    Entry& own = of_workers_[worker].front();
    if (has_waited_nearly_as_long(now - own.since, now - next->since)) next = &own;
  }
  return remove(*next);
}

Line::EntryPtr Line::remove(Entry& entry) {
  entry.ListNode<OfAll>::unlink();
  entry.ListNode<OfWorker>::unlink();
  return std::exchange(entry.self_, nullptr);
}

}  // namespace trunkline::pool
