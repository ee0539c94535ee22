#include "observe/log_queue.h"

#include <utility>

namespace trunkline::observe {

void LogQueue::push(LogRecord record) {
  bool was_empty = false;
  {
    std::lock_guard lock(mutex_);
    size_t cost = kRecordBytes + record.body.size();
    if (bytes_ + cost > bytes_max_) {
      ++dropped_;
      return;
    }
    was_empty = records_.empty();
    bytes_ += cost;
    records_.push_back(std::move(record));
  }
  if (was_empty) changed_.notify_all();
}

LogQueue::Batch LogQueue::take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !records_.empty() || closed_; });
  bytes_ = 0;
  uint64_t dropped = dropped_ - std::exchange(dropped_reported_, dropped_);
  return {std::exchange(records_, {}), dropped, closed_};
}

void LogQueue::close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

void LogQueue::finish() {
  std::lock_guard lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

bool LogQueue::wait_finished(Duration limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [&] { return finished_; });
}

uint64_t LogQueue::dropped() const {
  std::lock_guard lock(mutex_);
  return dropped_;
}

}  // namespace trunkline::observe
