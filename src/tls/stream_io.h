#pragma once

#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "base/secret.h"
#include "base/time.h"
#include "io/task.h"
#include "tls/stream.h"

// Waiting reads and writes for the phases in which one thing happens at a time: login and cancel.
// The relay waits for itself.
namespace trunkline::tls {

// As Stream::recv, but waits for the first byte; -ETIMEDOUT when the deadline passes before it.
io::Task<ssize_t> receive_some(Stream& stream, std::span<char> into, Instant deadline);

// Reads and drops until the end of the stream or the deadline. A peer that never stops sending
// takes turns with everybody else.
io::Task<> discard_all(Stream& stream, Instant deadline);

// 0 when all bytes have left, or a negative errno. `bytes` is taken over; what is or proves a
// password is a `Secret`, because a string would leave it in the memory of finished coroutines.
io::Task<int> send_all(Stream& stream, std::string bytes, Instant deadline);
io::Task<int> send_all(Stream& stream, Secret bytes, Instant deadline);

}  // namespace trunkline::tls
