#include "tls/stream_io.h"

#include <array>
#include <cerrno>

#include "io/waiter.h"

namespace trunkline::tls {

io::Task<ssize_t> receive_some(Stream& stream, std::span<char> into, Instant deadline) {
  for (;;) {
    if (stream.readable()) {
      ssize_t got = stream.recv(into);
      if (got != -EAGAIN) co_return got;
      continue;
    }
    if (!co_await stream.socket().wait_readable(deadline)) co_return -ETIMEDOUT;
  }
}

// Data that never runs out would keep the coroutine running, and the loop's clock standing.
io::Task<> discard_all(Stream& stream, Instant deadline) {
  io::Waiter turn(stream.socket().loop());
  std::array<char, 4096> dropped;
  while (stream.socket().loop().now() < deadline &&
         co_await receive_some(stream, dropped, deadline) > 0) {
    co_await turn.yield();
  }
}

namespace {

// The caller keeps the bytes.
io::Task<int> send_bytes(Stream& stream, std::string_view rest, Instant deadline) {
  while (!rest.empty() || stream.has_unsent()) {
    ssize_t result;
    if (rest.empty()) {
      result = stream.flush();
    } else {
      iovec part{const_cast<char*>(rest.data()), rest.size()};
      result = stream.send({&part, 1});
      if (result > 0) rest.remove_prefix(static_cast<size_t>(result));
    }
    if (result >= 0) continue;
    if (result != -EAGAIN) co_return static_cast<int>(result);
    if (!co_await stream.socket().wait_writable(deadline)) co_return -ETIMEDOUT;
  }
  co_return 0;
}

}  // namespace

io::Task<int> send_all(Stream& stream, std::string bytes, Instant deadline) {
  co_return co_await send_bytes(stream, bytes, deadline);
}

io::Task<int> send_all(Stream& stream, Secret bytes, Instant deadline) {
  co_return co_await send_bytes(stream, bytes.reveal(), deadline);
}

}  // namespace trunkline::tls
