#include "observe/log_format.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <iterator>
#include <type_traits>

#include "base/text.h"

namespace trunkline::observe {

namespace {

std::string_view level_word(Level level) {
  switch (level) {
    case Level::debug:
      return "DEBUG";
    case Level::info:
      return "INFO";
    case Level::warn:
      return "WARN";
    case Level::error:
      return "ERROR";
  }
  return "";
}

void append_text_value(std::string& out, std::string_view value) {
  std::string safe = printable(value, Field::kValueBytesMax);
  if (!safe.empty() && safe.find_first_of(" \"=") == std::string::npos) {
    out += safe;
    return;
  }
  out += '"';
  for (char c : safe) {
    if (c == '"') out += '\\';
    out += c;
  }
  out += '"';
}

// RFC 8259, section 7; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view value) {
  out += '"';
  size_t end = out.size() + Field::kValueBytesMax;
  while (!value.empty() && out.size() < end) {
    auto byte = static_cast<uint8_t>(value[0]);
    size_t length = utf8_sequence(value);
    if (length == 0) {
      out += "\xef\xbf\xbd";
      length = 1;
    } else if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    } else if (byte == '"' || byte == '\\') {
      out += '\\';
      out += value[0];
    } else {
      out += value.substr(0, length);
    }
    value.remove_prefix(length);
  }
  out += value.empty() ? "\"" : "...\"";
}

// Numbers and booleans look the same in both forms.
void append_plain(std::string& out, const auto& value) {
  if constexpr (std::is_same_v<std::decay_t<decltype(value)>, Duration>) {
    fmt::format_to(std::back_inserter(out), "{:.3f}", static_cast<double>(value.count()) / 1e6);
  } else {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
}

}  // namespace

void Field::append_text(std::string& out) const {
  out += ' ';
  out += key_;
  out += '=';
  if (const auto* text = std::get_if<std::string_view>(&value_)) {
    append_text_value(out, *text);
  } else {
    std::visit([&](const auto& value) { append_plain(out, value); }, value_);
  }
}

void Field::append_json(std::string& out) const {
  out += ',';
  append_json_string(out, key_);
  out += ':';
  if (const auto* text = std::get_if<std::string_view>(&value_)) {
    append_json_string(out, *text);
  } else {
    std::visit([&](const auto& value) { append_plain(out, value); }, value_);
  }
}

LogRecord make_record(Level level, Format format, WallClock::time_point at, std::string_view event,
                      std::span<const Field> fields) {
  LogRecord record{at, level, format, {}};
  if (format == Format::json) {
    append_json_string(record.body, event);
    for (const Field& field : fields) field.append_json(record.body);
  } else {
    record.body = printable(event, Field::kValueBytesMax);
    for (const Field& field : fields) field.append_text(record.body);
  }
  return record;
}

std::string format_line(const LogRecord& record, int pid) {
  auto ms = std::chrono::floor<std::chrono::milliseconds>(record.at);
  auto seconds = std::chrono::floor<std::chrono::seconds>(ms);
  std::tm utc = fmt::gmtime(WallClock::to_time_t(seconds));
  auto fraction = (ms - seconds).count();
  std::string_view word = level_word(record.level);
  if (record.format == Format::json) {
    return fmt::format(R"({{"ts":"{:%Y-%m-%dT%H:%M:%S}.{:03}Z","level":"{}","pid":{},"msg":{}}})"
                       "\n",
                       utc, fraction, to_lower(word), pid, record.body);
  }
  return fmt::format("{:%Y-%m-%d %H:%M:%S}.{:03} UTC [{}] {:<5} {}\n", utc, fraction, pid, word,
                     record.body);
}

}  // namespace trunkline::observe
