#include "tls/stream_io.h"

#include <cerrno>

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
