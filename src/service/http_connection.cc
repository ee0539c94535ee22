#include "service/http_connection.h"

#include <array>
#include <cerrno>
#include <utility>

#include "io/loop.h"
#include "io/waiter.h"

namespace trunkline::service {

namespace {

constexpr size_t kReadBytes = 4096;
constexpr size_t kLingerBytesMax = 256 << 10;

}  // namespace

io::Task<> HttpConnection::run() {
  io::Waiter turn(socket_.loop());
  read_deadline_ = socket_.loop().now() + limits_.request_max;
  while (co_await answer_next()) {
    // A client that pipelines without end must not keep the others from their turn.
    co_await turn.yield();
  }
}

// Answers one request; false when the connection is over.
io::Task<bool> HttpConnection::answer_next() {
  auto request = reader_.next();
  if (!request) {
    co_await refuse(std::move(request.error()));
    co_return false;
  }
  if (!*request) co_return co_await wait_for_request();

  const HttpRequest& wanted = **request;
  bool sent = co_await write(serialize(router_.handle(wanted), wanted, wanted.keep_alive));
  if (!sent) co_return false;
  if (!wanted.keep_alive) {
    co_await linger();
    co_return false;
  }
  read_deadline_ = socket_.loop().now() + (reader_.idle() ? limits_.idle_max : limits_.request_max);
  co_return true;
}

// Reads once; false when the connection is over.
io::Task<bool> HttpConnection::wait_for_request() {
  if (reader_.take_expectation()) {
    bool sent = co_await write("HTTP/1.1 100 Continue\r\n\r\n");
    if (!sent) co_return false;
  }
  bool was_idle = reader_.idle();
  Arrival arrival = co_await read_more();
  if (arrival == Arrival::timeout && !was_idle) {
    co_await refuse({.status = 408, .body = "the request took too long\n"});
  }
  if (arrival != Arrival::bytes) co_return false;
  // Bytes that follow do not extend it: a request that drips in has no more time than another.
  if (was_idle) read_deadline_ = socket_.loop().now() + limits_.request_max;
  co_return true;
}

io::Task<HttpConnection::Arrival> HttpConnection::read_more() {
  std::array<char, kReadBytes> buffer;
  for (;;) {
    bool ready = co_await socket_.wait_readable(read_deadline_);
    if (!ready || socket_.loop().now() >= read_deadline_) co_return Arrival::timeout;
    ssize_t got = socket_.recv(buffer);
    if (got == -EAGAIN) continue;
    if (got <= 0) co_return Arrival::closed;
    reader_.feed({buffer.data(), static_cast<size_t>(got)});
    co_return Arrival::bytes;
  }
}

io::Task<bool> HttpConnection::write(std::string bytes) {
  Instant deadline = socket_.loop().now() + limits_.response_max;
  std::string_view rest = bytes;
  while (!rest.empty()) {
    iovec part{const_cast<char*>(rest.data()), rest.size()};
    ssize_t sent = socket_.send({&part, 1});
    if (sent == -EAGAIN) {
      bool ready = co_await socket_.wait_writable(deadline);
      if (!ready || socket_.loop().now() >= deadline) co_return false;
      continue;
    }
    if (sent < 0) co_return false;
    rest.remove_prefix(static_cast<size_t>(sent));
  }
  co_return true;
}

io::Task<> HttpConnection::refuse(HttpResponse response) {
  bool sent = co_await write(serialize(response, HttpRequest{}, false));
  if (sent) co_await linger();
}

// Closing while bytes of the client are unread resets the connection, and the client may lose the
// response that it has not read (RFC 9112, section 9.6). So ours ends first, and what still comes
// is thrown away, within bounds.
io::Task<> HttpConnection::linger() {
  socket_.shutdown_write();
  Instant deadline = socket_.loop().now() + limits_.linger_max;
  std::array<char, kReadBytes> buffer;
  for (size_t dropped = 0; dropped < kLingerBytesMax;) {
    bool ready = co_await socket_.wait_readable(deadline);
    if (!ready || socket_.loop().now() >= deadline) co_return;
    ssize_t got = socket_.recv(buffer);
    if (got == -EAGAIN) continue;
    if (got <= 0) co_return;
    dropped += static_cast<size_t>(got);
  }
}

}  // namespace trunkline::service
