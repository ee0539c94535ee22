#include "config/quantity.h"

#include <charconv>
#include <limits>
#include <span>

namespace trunkline::config {

namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

// Smallest first. Durations in milliseconds, sizes in bytes.
constexpr Unit kDurations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
constexpr Unit kSizes[] = {{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};

constexpr uint64_t kMillisecondsMax =
    static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / 1'000'000;

std::expected<uint64_t, QuantityError> parse(std::string_view text, std::span<const Unit> units,
                                             uint64_t max) {
  size_t digits = text.find_first_not_of("0123456789");
  auto number = parse_integer(text.substr(0, digits));
  if (!number) return number;
  if (digits == std::string_view::npos) return std::unexpected(QuantityError::no_unit);
  for (const Unit& unit : units) {
    if (text.substr(digits) != unit.name) continue;
    if (*number > max / unit.factor) return std::unexpected(QuantityError::too_large);
    return *number * unit.factor;
  }
  return std::unexpected(QuantityError::unknown_unit);
}

std::string format(uint64_t number, std::span<const Unit> units) {
  const Unit* best = &units[0];
  for (const Unit& unit : units) {
    if (number > 0 && number % unit.factor == 0) best = &unit;
  }
  return std::to_string(number / best->factor) + std::string(best->name);
}

}  // namespace

std::expected<uint64_t, QuantityError> parse_integer(std::string_view text) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range) return std::unexpected(QuantityError::too_large);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::unexpected(QuantityError::not_a_number);
  }
  return number;
}

std::expected<Duration, QuantityError> parse_duration(std::string_view text) {
  auto milliseconds = parse(text, kDurations, kMillisecondsMax);
  if (!milliseconds) return std::unexpected(milliseconds.error());
  return Duration(std::chrono::milliseconds(*milliseconds));
}

std::expected<uint64_t, QuantityError> parse_size(std::string_view text) {
  return parse(text, kSizes, std::numeric_limits<uint64_t>::max());
}

std::string format_duration(Duration duration) {
  return format(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count(),
                kDurations);
}

std::string format_size(uint64_t bytes) {
  return format(bytes, kSizes);
}

}  // namespace trunkline::config
