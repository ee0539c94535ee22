#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace trunkline::service {

inline constexpr size_t kHeaderBytesMax = 16 << 10;  // request line and fields
inline constexpr size_t kBodyBytesMax = 64 << 10;

struct HttpRequest {
  std::string method;
  std::string path;   // as sent, without the query
  std::string query;  // after the '?'
  std::string body;
  unsigned version = 11;
  bool keep_alive = true;
};

struct HttpResponse {
  unsigned status = 200;
  std::string body;
  std::string content_type = "text/plain; charset=utf-8";
  std::string allow = {};  // of a 405: the methods that there are
};

// Cuts a stream of bytes into HTTP/1 requests (RFC 9112), which may be pipelined: feed what
// arrives, take requests until there is none. Fails closed: after a failure where the next request
// begins is not known, so the connection must end. A value of one connection; holds at most what is
// fed at once beyond one request of `kHeaderBytesMax` and `kBodyBytesMax`.
class RequestReader {
 public:
  void feed(std::string_view bytes) { buffer_ += bytes; }

  // nullopt: not all of it is here yet. The error is the answer to send before closing.
  std::expected<std::optional<HttpRequest>, HttpResponse> next();

  // No byte of a request is here.
  bool idle() const { return buffer_.empty() && !header_; }

  // Once for a request with `Expect: 100-continue`, whose body does not come before it is asked for
  // (RFC 9110, section 10.1.1). Ask when `next` found no whole request.
  bool take_expectation();

 private:
  struct Header {
    HttpRequest request;
    size_t body_bytes = 0;
    bool expects_continue = false;
  };

  std::expected<std::optional<size_t>, HttpResponse> find_header_end();
  static std::expected<Header, HttpResponse> parse_header(std::string_view bytes);

  std::string buffer_;
  size_t scanned_ = 0;  // of buffer_, for the end of the header
  std::optional<Header> header_;
};

// The bytes of a response; those to HEAD have the length of a body but not the body.
std::string serialize(const HttpResponse& response, const HttpRequest& request, bool keep_alive);

}  // namespace trunkline::service
