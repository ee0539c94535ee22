#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <thread>

#include "observe/log_format.h"

// The log: one line for what an operator wants to know, an event in plain words and fields.
//
//   if (log_enabled(Level::debug)) log(Level::debug, "parameter changed", {{"name", name}});
//
// Any thread. The caller renders the fields and queues the line; a thread of its own adds the time
// and writes. A reader of stderr that stands still costs lines, which are counted, never a worker.
namespace trunkline::observe {

namespace detail {
inline std::atomic<Level> threshold{Level::info};
}

// For fields that are dear to build; `log` asks it by itself.
inline bool log_enabled(Level level) {
  return level >= detail::threshold.load(std::memory_order_relaxed);
}

// `event` is ours, not from the network. Without a `LogThread` the line is written at once.
void log(Level level, std::string_view event, std::initializer_list<Field> fields = {});

// May be called at any time, as a reload does; lines already queued keep their form.
void set_log_level(Level level);
void set_log_format(Format format);

// Where lines go, each with its line feed; called by one thread at a time, may block.
using WriteLine = std::function<void(Level level, std::string_view line)>;
// Colours the level when stderr is a terminal.
WriteLine write_to_stderr();

// The thread that writes. Made by main before the workers, destroyed after them, at most one at a
// time. Its queue is bounded by bytes; its end writes what is queued, but waits no longer than
// `kFlushMax` for a reader that stands still.
class LogThread {
 public:
  static constexpr size_t kQueueBytesMax = 4 << 20;
  static constexpr Duration kFlushMax = 2s;

  explicit LogThread(WriteLine write = write_to_stderr(), size_t queue_bytes_max = kQueueBytesMax);
  ~LogThread();
  LogThread(const LogThread&) = delete;
  LogThread& operator=(const LogThread&) = delete;

  uint64_t lines_dropped() const;

 private:
  std::shared_ptr<class LogQueue> queue_;  // shared with a thread that may outlive this object
  std::thread thread_;
};

}  // namespace trunkline::observe
