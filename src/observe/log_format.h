#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/time.h"

// How a log line looks; pure.
namespace trunkline::observe {

enum class Level : uint8_t { debug, info, warn, error };
enum class Format : uint8_t { text, json };

// A key of ours and a value that may be hostile. Borrows both; lives within the call of `log`.
class Field {
 public:
  Field(std::string_view key, std::string_view value) : key_(key), value_(value) {}
  Field(std::string_view key, const char* value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, const std::string& value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, bool value) : key_(key), value_(value) {}
  Field(std::string_view key, std::signed_integral auto value)
      : key_(key), value_(static_cast<int64_t>(value)) {}
  Field(std::string_view key, std::unsigned_integral auto value)
      : key_(key), value_(static_cast<uint64_t>(value)) {}
  // Shown in milliseconds: the key ends in `_ms`.
  Field(std::string_view key, Duration value) : key_(key), value_(value) {}

  // Values longer than this are cut.
  static constexpr size_t kValueBytesMax = 1024;

  // ` key=value`, quoted where a reader would be misled.
  void append_text(std::string& out) const;
  // `,"key":value`.
  void append_json(std::string& out) const;

 private:
  std::string_view key_;
  std::variant<std::string_view, bool, int64_t, uint64_t, Duration> value_;
};

// A line in the making: what the caller has rendered, to which the writing thread adds the rest.
struct LogRecord {
  WallClock::time_point at;
  Level level;
  Format format;
  std::string body;
};

LogRecord make_record(Level level, Format format, WallClock::time_point at, std::string_view event,
                      std::span<const Field> fields);

// 2026-01-02 03:04:05.678 UTC [123] INFO  session closed client=7 reason=client_closed
// {"ts":"2026-01-02T03:04:05.678Z","level":"info","pid":123,"msg":"session closed","client":7,…}
// Always one line of valid UTF-8 with its line feed.
std::string format_line(const LogRecord& record, int pid);

}  // namespace trunkline::observe
