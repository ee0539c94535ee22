#include "pool/line.h"

#include "pool/pool.h"

namespace trunkline::pool {

void Line::join(const EntryPtr& entry) {
  entry->worker_ = entry->desk->worker();
  Worker& worker = workers_[entry->worker_];
  all_.push_back(*entry);
  worker.waiting.push_back(*entry);
  ++worker.waiting_count;
  entry->self_ = entry;
}

Line::EntryPtr Line::pop(uint32_t worker, Instant now, Duration patience) {
  if (all_.empty()) return nullptr;
  Worker& from = workers_[worker];
  bool stays = !from.waiting.empty() && !is_to_move(from, from.waiting.front(), now, patience);
  return remove(stays ? from.waiting.front() : all_.front());
}

// How long the first have waited tells who is worse off, but late: they came long ago. By that
// alone all connections would swing from one worker to the other and back.
bool Line::is_to_move(const Worker& from, const Entry& own, Instant now, Duration patience) {
  const Entry& first = all_.front();
  const Worker& to = workers_[first.worker_];
  uint64_t there = to.connections.load(std::memory_order_relaxed);
  Duration wait = now - own.since;
  Duration of_first = now - first.since;
  if (there == 0 || of_first >= patience || of_first > wait * 2) return true;
  if (of_first <= wait / 3 * 4) return false;
  uint64_t left = from.connections.load(std::memory_order_relaxed) - 1;
  return to.waiting_count * left >= from.waiting_count * there;
}

Line::EntryPtr Line::remove(Entry& entry) {
  if (entry.self_ != nullptr) --workers_[entry.worker_].waiting_count;
  entry.ListNode<OfAll>::unlink();
  entry.ListNode<OfWorker>::unlink();
  return std::exchange(entry.self_, nullptr);
}

}  // namespace trunkline::pool
