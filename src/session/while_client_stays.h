#pragma once

#include <utility>

#include "io/running.h"
#include "io/socket.h"
#include "io/waiter.h"
#include "session/relay.h"
#include "session/session.h"

namespace trunkline::session {

// After a hang-up: whether the client is gone for good. What it has sent before and nobody has read
// yet is served, as by PostgreSQL; nothing of it is read here. `has_asked`: so is what we hold.
bool client_is_gone(tls::Stream& client, bool has_asked);

// Also where the coroutine is destroyed: the socket outlives the waiter.
class ClientBinding {
 public:
  ClientBinding(io::Socket& socket, io::Waiter& waiter) : socket_(socket) {
    socket_.bind(waiter, kClientShift);
  }
  ~ClientBinding() { socket_.unbind(); }
  ClientBinding(const ClientBinding&) = delete;
  ClientBinding& operator=(const ClientBinding&) = delete;

 private:
  io::Socket& socket_;
};

// Awaits `task`, and gives it up where it stands when the client goes away meanwhile, or is to be
// ended. Who has sent requests behind its startup packet (`has_asked`: we hold them) is served
// after its end of file, and given up on a reset only. The task must not use the client's socket.
template <typename T>
io::Task<Result<T>> Session::while_client_stays(io::Task<T> task, bool has_asked) {
  constexpr uint32_t kDone = wake::kMail;
  io::Waiter waiter(environment_.loop, io::Place::behind);
  io::Running<T> running(std::move(task), waiter, kDone);
  ClientBinding binding(client_.socket(), waiter);
  for (;;) {
    uint32_t woken = co_await waiter.wait(kDone | wake::kClientHangup);
    if ((woken & kDone) != 0) co_return running.take();
    if (end_asked_ || client_is_gone(client_, has_asked)) {
      co_return fail({.reason = Reason::client_closed, .side = Side::client, .message = ""});
    }
    // It has closed its half. A reset would be an event of its own.
    waiter.clear(wake::kClientHangup);
  }
}

}  // namespace trunkline::session
