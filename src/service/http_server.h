#pragma once

#include <cstddef>
#include <memory>

#include "io/loop.h"
#include "service/http_connection.h"
#include "service/http_router.h"

namespace trunkline::service {

// The HTTP listener of the control thread, on that thread's loop, which must outlive it. Above
// `HttpLimits::connections_max` a client is told 503 and closed.
class HttpServer {
 public:
  // Takes the listening descriptor over.
  HttpServer(io::Loop& loop, int listening_fd, HttpRouter router, HttpLimits limits = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  size_t connections() const;

 private:
  struct Shared;

  static io::Task<> accept_loop(std::shared_ptr<Shared> shared);
  static io::Task<> serve(std::shared_ptr<Shared> shared, io::Socket socket);
  static void admit(const std::shared_ptr<Shared>& shared, int fd, bool is_unix);

  std::shared_ptr<Shared> shared_;  // with the coroutines, which end a round later than this object
};

}  // namespace trunkline::service
