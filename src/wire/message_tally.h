#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "wire/messages.h"

namespace trunkline::wire {

// How many messages servers have sent, for phases in which each is looked at anyway: a login, with
// all the servers that it tried. Plain data; one thread.
struct MessageTally {
  uint64_t messages = 0;
  std::array<uint32_t, kSeverities> errors{};  // ErrorResponse, by Severity
  std::array<uint32_t, kSeverities> notices{};

  // One whole message; `body` is what stands behind its header.
  void add(char type, std::string_view body);
};

}  // namespace trunkline::wire
