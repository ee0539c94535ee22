#include "io/socket.h"

#include <algorithm>
#include <cerrno>

namespace trunkline::io {

namespace {

constexpr Duration kBacklogRetry = std::chrono::milliseconds(10);

}  // namespace

void Registration::on_event(uint8_t readiness) {
  if (fd < 0) return;  // closed earlier in this batch
  ready |= readiness;
  // A unix socket reports room each time the peer reads: once the wait for room is over, such
  // events would be a wake-up for nothing with every request.
  if ((readiness & kWritable) != 0 && is_unix && interest == Interest::edge_and_write) {
    interest = Interest::edge;
    backend->modify(fd, this, interest);
  }
  if (waiter != nullptr) waiter->raise(static_cast<uint32_t>(ready) << shift);
}

void Registration::clear(uint8_t readiness) {
  ready &= static_cast<uint8_t>(~readiness);
  if (waiter != nullptr) waiter->clear(static_cast<uint32_t>(readiness) << shift);
}

void Registration::want_write_events() {
  clear(kWritable);
  if (interest == Interest::edge_and_write) return;
  interest = Interest::edge_and_write;
  backend->modify(fd, this, interest);  // reports room anew if there is some by now
}

void Registration::bind(Waiter* to, uint8_t to_shift) {
  if (waiter != nullptr) waiter->clear(0xffU << shift);
  waiter = to;
  shift = to_shift;
  if (waiter != nullptr) waiter->raise(static_cast<uint32_t>(ready) << shift);
}

Socket::Socket(Loop& loop, int fd, bool is_unix)
    : loop_(&loop), registration_(loop.take_registration()) {
  registration_->fd = fd;
  registration_->is_unix = is_unix;
  registration_->backend = &loop.backend();
  registration_->ready = kWritable;  // until a write proves otherwise
  loop.backend().add(fd, registration_, registration_->interest);
}

ssize_t Socket::recv(std::span<char> into) {
  ssize_t got = loop_->backend().recv(registration_->fd, into);
  // Short: drained. New bytes come with a new edge. Not so after a hang-up, whose edge has been and
  // gone.
  bool is_short = got > 0 && static_cast<size_t>(got) < into.size() && !hung_up();
  if (got == -EAGAIN || is_short) registration_->clear(kReadable);
  return got;
}

ssize_t Socket::send(std::span<const iovec> from) {
  ssize_t sent = loop_->backend().send(registration_->fd, from);
  if (sent < 0) {
    if (sent == -EAGAIN) registration_->want_write_events();
    return sent;
  }
  size_t wanted = 0;
  for (const iovec& part : from) wanted += part.iov_len;
  if (static_cast<size_t>(sent) < wanted) registration_->want_write_events();
  return sent;
}

void Socket::shutdown() {
  loop_->backend().shutdown(registration_->fd, SHUT_RDWR);
}

void Socket::shutdown_read() {
  loop_->backend().shutdown(registration_->fd, SHUT_RD);
}

void Socket::shutdown_write() {
  loop_->backend().shutdown(registration_->fd, SHUT_WR);
}

void Socket::close() {
  if (!is_open()) return;
  int fd = registration_->fd;
  registration_->bind(nullptr, 0);
  loop_->retire(std::exchange(registration_, nullptr));
  loop_->backend().close(fd);  // which also takes it out of the set that is waited for
}

int Socket::release() {
  int fd = registration_->fd;
  registration_->bind(nullptr, 0);
  loop_->backend().remove(fd);
  loop_->retire(std::exchange(registration_, nullptr));
  return fd;
}

Task<std::expected<Socket, int>> connect(Loop& loop, SocketAddress to, Instant deadline) {
  std::expected<int, int> fd = loop.backend().connect(to);
  // The backlog of a unix listener is full: nothing tells when there is room again, unix(7).
  while (!fd && fd.error() == -EAGAIN && to.is_unix()) {
    Instant now = loop.now();
    if (now >= deadline) co_return std::unexpected(-ETIMEDOUT);
    co_await loop.sleep_until(std::min(now + kBacklogRetry, deadline));
    fd = loop.backend().connect(to);
  }
  if (!fd) co_return std::unexpected(fd.error());
  Socket socket(loop, *fd, to.is_unix());
  if (to.is_unix()) co_return std::move(socket);  // a unix socket that connects has done so at once
  socket.expect_write_event();
  if (!co_await socket.wait_writable(deadline)) co_return std::unexpected(-ETIMEDOUT);
  if (int error = loop.backend().take_error(*fd); error < 0) co_return std::unexpected(error);
  co_return std::move(socket);
}

Acceptor::Acceptor(Loop& loop, int listening_fd)
    : loop_(loop), registration_(loop.take_registration()) {
  registration_->fd = listening_fd;
  registration_->backend = &loop.backend();
  registration_->interest = Interest::exclusive;
  loop.backend().add(listening_fd, registration_, Interest::exclusive);
}

Acceptor::~Acceptor() {
  stop();
}

void Acceptor::stop() {
  if (registration_ == nullptr) return;
  registration_->bind(nullptr, 0);
  loop_.backend().remove(registration_->fd);
  loop_.retire(std::exchange(registration_, nullptr));
}

std::expected<Acceptor::Accepted, int> Acceptor::accept() {
  // Stopped in the round in which a connection came: who waited for it is on its way here.
  if (registration_ == nullptr) return std::unexpected(-EAGAIN);
  std::expected<std::pair<int, SocketAddress>, int> accepted =
      loop_.backend().accept(registration_->fd);
  if (!accepted) {
    look_again();
    return std::unexpected(accepted.error());
  }
  return Accepted{accepted->first, accepted->second};
}

// Level-triggered: the next round reports what is still there.
void Acceptor::look_again() {
  if (registration_ != nullptr) registration_->clear(kReadable);
}

}  // namespace trunkline::io
