#include "service/http_server.h"

#include <cerrno>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "base/intrusive_list.h"
#include "io/socket.h"
#include "io/waiter.h"

namespace trunkline::service {

namespace {

constexpr uint32_t kStop = 1U << 8;  // beside the acceptor's readiness
constexpr Duration kPauseWithoutDescriptors = 100ms;

}  // namespace

struct HttpServer::Shared {
  Shared(io::Loop& on, int fd, HttpRouter paths, HttpLimits bounds)
      : loop(on), listening_fd(fd), router(std::move(paths)), limits(bounds), waiter(on) {}

  void listen() {
    acceptor.emplace(loop, listening_fd);
    acceptor->bind(waiter);
  }

  io::Loop& loop;
  int listening_fd;
  const HttpRouter router;
  const HttpLimits limits;
  io::Waiter waiter;
  std::optional<io::Acceptor> acceptor;
  IntrusiveList<HttpConnection> connections;
  size_t open = 0;
  bool stopping = false;
};

HttpServer::HttpServer(io::Loop& loop, int listening_fd, HttpRouter router, HttpLimits limits)
    : shared_(std::make_shared<Shared>(loop, listening_fd, std::move(router), limits)) {
  shared_->listen();
  loop.spawn(accept_loop(shared_));
}

HttpServer::~HttpServer() {
  shared_->stopping = true;
  shared_->acceptor.reset();
  close(shared_->listening_fd);
  shared_->waiter.raise(kStop);
  shared_->connections.for_each([](HttpConnection& connection) { connection.stop(); });
}

size_t HttpServer::connections() const {
  return shared_->open;
}

io::Task<> HttpServer::accept_loop(std::shared_ptr<Shared> shared) {
  while (true) {
    co_await shared->waiter.wait(io::kReadable | kStop);
    if (shared->stopping) co_return;
    auto accepted = shared->acceptor->accept();
    if (accepted) {
      admit(shared, accepted->fd, accepted->peer.is_unix());
      co_await shared->waiter.yield();
    } else if (accepted.error() == -EMFILE || accepted.error() == -ENFILE ||
               accepted.error() == -ENOBUFS || accepted.error() == -ENOMEM) {
      // The socket stays readable for as long as a client waits: without a pause the loop would
      // spin.
      shared->acceptor.reset();
      co_await shared->loop.sleep_until(shared->loop.now() + kPauseWithoutDescriptors);
      if (shared->stopping) co_return;
      shared->listen();
    }
  }
}

void HttpServer::admit(const std::shared_ptr<Shared>& shared, int fd, bool is_unix) {
  if (shared->open < shared->limits.connections_max) {
    shared->loop.spawn(serve(shared, io::Socket(shared->loop, fd, is_unix)));
    return;
  }
  std::string bytes =
      serialize({.status = 503, .body = "too many connections\n"}, HttpRequest{}, false);
  // As much as fits at once: a client over the limit is not waited for.
  [[maybe_unused]] ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  close(fd);
}

io::Task<> HttpServer::serve(std::shared_ptr<Shared> shared, io::Socket socket) {
  struct Open {
    size_t& count;
    explicit Open(size_t& of) : count(of) { ++count; }
    ~Open() { --count; }
  } open(shared->open);
  HttpConnection connection(std::move(socket), shared->router, shared->limits);
  shared->connections.push_back(connection);
  co_await connection.run();
}

}  // namespace trunkline::service
