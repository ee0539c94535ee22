#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "observe/log_format.h"

namespace trunkline::observe {

// Lines on their way from any thread to the one that writes them, bounded by `bytes_max`: a line
// that does not fit is counted and let go, for the sender must not wait. Any thread.
class LogQueue {
 public:
  explicit LogQueue(size_t bytes_max) : bytes_max_(bytes_max) {}

  void push(LogRecord record);

  struct Batch {
    std::vector<LogRecord> records;
    uint64_t dropped = 0;  // since the last batch
    bool last = false;     // closed, and nothing comes after this batch
  };
  // Waits until there is something.
  Batch take();

  void close();
  // The writing thread has written the last batch.
  void finish();
  // False when `limit` passed first.
  bool wait_finished(Duration limit);

  uint64_t dropped() const;

 private:
  // What a queued line costs beside its text.
  static constexpr size_t kRecordBytes = sizeof(LogRecord);

  const size_t bytes_max_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<LogRecord> records_;
  size_t bytes_ = 0;
  uint64_t dropped_ = 0;
  uint64_t dropped_reported_ = 0;
  bool closed_ = false;
  bool finished_ = false;
};

}  // namespace trunkline::observe
