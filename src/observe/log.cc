#include "observe/log.h"

#include <cassert>
#include <spdlog/formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <unistd.h>
#include <utility>

#include "observe/log_queue.h"

namespace trunkline::observe {

namespace {

std::atomic<Format> form{Format::text};
std::atomic<LogQueue*> running{nullptr};

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warn:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::off;
}

// The line is finished; the sink only wants to know what to colour: the level, which in text form
// stands between the first "] " and the event.
class FinishedLine : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& to) override {
    std::string_view line(message.payload.data(), message.payload.size());
    to.append(line.data(), line.data() + line.size());
    size_t bracket = line.starts_with('{') ? std::string_view::npos : line.find("] ");
    bool is_text = bracket != std::string_view::npos;
    message.color_range_start = is_text ? bracket + 2 : 0;
    message.color_range_end = is_text ? bracket + 7 : 0;
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<FinishedLine>();
  }
};

void write_all(LogQueue& queue, const WriteLine& write) {
  const int pid = ::getpid();
  for (bool last = false; !last;) {
    LogQueue::Batch batch = queue.take();
    last = batch.last;
    for (const LogRecord& record : batch.records) write(record.level, format_line(record, pid));
    if (batch.dropped > 0) {
      Field count("count", batch.dropped);
      LogRecord record = make_record(Level::warn, form, WallClock::now(), "log lines dropped",
                                     std::span(&count, 1));
      write(record.level, format_line(record, pid));
    }
  }
  queue.finish();
}

}  // namespace

WriteLine write_to_stderr() {
  auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>();
  sink->set_formatter(std::make_unique<FinishedLine>());
  return [sink](Level level, std::string_view line) {
    sink->log({{}, spdlog_level(level), {line.data(), line.size()}});
  };
}

void log(Level level, std::string_view event, std::initializer_list<Field> fields) {
  if (!log_enabled(level)) return;
  LogRecord record = make_record(level, form.load(std::memory_order_relaxed), WallClock::now(),
                                 event, {fields.begin(), fields.size()});
  if (LogQueue* queue = running.load(std::memory_order_acquire)) {
    queue->push(std::move(record));
    return;
  }
  static const WriteLine write = write_to_stderr();
  write(level, format_line(record, ::getpid()));
}

void set_log_level(Level level) {
  detail::threshold = level;
}
void set_log_format(Format format) {
  form = format;
}

LogThread::LogThread(WriteLine write, size_t queue_bytes_max)
    : queue_(std::make_shared<LogQueue>(queue_bytes_max)) {
  thread_ = std::thread([queue = queue_, write = std::move(write)] { write_all(*queue, write); });
  [[maybe_unused]] LogQueue* before = running.exchange(queue_.get(), std::memory_order_acq_rel);
  assert(before == nullptr);
}

LogThread::~LogThread() {
  running.store(nullptr, std::memory_order_release);
  queue_->close();
  if (queue_->wait_finished(kFlushMax)) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

uint64_t LogThread::lines_dropped() const {
  return queue_->dropped();
}

}  // namespace trunkline::observe
