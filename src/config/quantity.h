#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "base/time.h"

// Numbers with a unit, as the file writes them. Pure; any thread.
namespace trunkline::config {

enum class QuantityError : uint8_t { not_a_number, no_unit, unknown_unit, too_large };

std::expected<uint64_t, QuantityError> parse_integer(std::string_view text);
// `250ms`, `30s`, `5m`, `1h`, `1d`
std::expected<Duration, QuantityError> parse_duration(std::string_view text);
// `512B`, `64KiB`, `1MiB`, `1GiB`
std::expected<uint64_t, QuantityError> parse_size(std::string_view text);

// In the largest unit that divides it.
std::string format_duration(Duration duration);
std::string format_size(uint64_t bytes);

}  // namespace trunkline::config
