#pragma once

#include <string>
#include <string_view>

#include "base/intrusive_list.h"
#include "base/time.h"
#include "io/socket.h"
#include "io/task.h"
#include "service/http_message.h"
#include "service/http_router.h"

namespace trunkline::service {

struct HttpLimits {
  size_t connections_max = 256;
  Duration request_max = 10s;   // from its first byte to its last; also until the first byte comes
  Duration idle_max = 60s;      // between requests
  Duration response_max = 60s;  // until the client has taken it
  Duration linger_max = 1s;     // see `linger`
};

// One client of the HTTP side: requests one after the other, pipelined or not, until one of us
// wants no more. Lives in its coroutine, on the loop's thread; bounded by `RequestReader`, one
// response, and the deadlines of `HttpLimits`.
class HttpConnection : public ListNode<> {
 public:
  HttpConnection(io::Socket socket, const HttpRouter& router, const HttpLimits& limits)
      : socket_(std::move(socket)), router_(router), limits_(limits) {}

  io::Task<> run();
  // Whatever `run` waits for, it wakes up and ends.
  void stop() { socket_.shutdown(); }

 private:
  enum class Arrival { bytes, closed, timeout };

  io::Task<bool> answer_next();
  io::Task<bool> wait_for_request();
  io::Task<Arrival> read_more();
  io::Task<bool> write(std::string bytes);
  io::Task<> linger();
  io::Task<> refuse(HttpResponse response);

  io::Socket socket_;
  const HttpRouter& router_;
  const HttpLimits& limits_;
  RequestReader reader_;
  Instant read_deadline_{};
};

}  // namespace trunkline::service
