#pragma once

#include <cstdint>

#include "io/backend.h"

namespace trunkline::session {

// The bits of a session's waiter word. Readiness of the two sockets stands at kClientShift and
// kServerShift.
inline constexpr uint8_t kClientShift = 0;
inline constexpr uint8_t kServerShift = 8;
namespace wake {
inline constexpr uint32_t kClientReadable = uint32_t{io::kReadable} << kClientShift;
inline constexpr uint32_t kClientWritable = uint32_t{io::kWritable} << kClientShift;
inline constexpr uint32_t kClientHangup = uint32_t{io::kHangup} << kClientShift;
inline constexpr uint32_t kServerReadable = uint32_t{io::kReadable} << kServerShift;
inline constexpr uint32_t kServerWritable = uint32_t{io::kWritable} << kServerShift;
inline constexpr uint32_t kDeadline = 1U << 16;
inline constexpr uint32_t kMail = 1U << 17;    // somebody asks for something: see Relay::ask_to_end
inline constexpr uint32_t kBuffer = 1U << 18;  // the slab has a buffer again
inline constexpr uint32_t kTimeout = 1U
                                     << 19;  // of what a session of a pool may do: see TimeoutWatch
}  // namespace wake

}  // namespace trunkline::session
