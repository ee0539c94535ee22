#include "service/http_message.h"

#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cctype>
#include <utility>

namespace trunkline::service {

namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

std::unexpected<HttpResponse> refuse(http::status status, std::string_view why) {
  return std::unexpected(
      HttpResponse{.status = static_cast<unsigned>(status), .body = std::string(why) + "\n"});
}

std::unexpected<HttpResponse> refuse(const beast::error_code& error) {
  if (error == http::error::body_limit) {
    return refuse(http::status::payload_too_large, "the body is too large");
  }
  if (error == http::error::bad_version) {
    return refuse(http::status::http_version_not_supported, "only HTTP/1.0 and HTTP/1.1");
  }
  return refuse(http::status::bad_request, error.message());
}

// A target is a path, or a whole URL, which servers must take as well (RFC 9112, section 3.2.2).
void split_target(std::string_view target, HttpRequest& into) {
  constexpr std::string_view kScheme = "http://";
  if (target.starts_with(kScheme)) {
    size_t path = target.find_first_of("/?", kScheme.size());
    target = path == std::string_view::npos ? "/" : target.substr(path);
  }
  size_t mark = target.find('?');
  into.path = target.substr(0, mark);
  if (mark != std::string_view::npos) into.query = target.substr(mark + 1);
}

}  // namespace

std::expected<std::optional<HttpRequest>, HttpResponse> RequestReader::next() {
  if (!header_) {
    auto end = find_header_end();
    if (!end) return std::unexpected(std::move(end.error()));
    if (!*end) return std::nullopt;
    auto header = parse_header(std::string_view(buffer_).substr(0, **end));
    if (!header) return std::unexpected(std::move(header.error()));
    header_ = std::move(*header);
    buffer_.erase(0, **end);
    scanned_ = 0;
  }
  if (buffer_.size() < header_->body_bytes) return std::nullopt;
  HttpRequest request = std::move(header_->request);
  request.body = buffer_.substr(0, header_->body_bytes);
  buffer_.erase(0, header_->body_bytes);
  header_.reset();
  return request;
}

bool RequestReader::take_expectation() {
  return header_ && std::exchange(header_->expects_continue, false);
}

// The parser gets the header in one piece, so that its verdict does not depend on how the bytes
// were cut. What cannot become a header is refused before its end: somebody who speaks TLS, or who
// types into netcat, would else wait for the deadline.
std::expected<std::optional<size_t>, HttpResponse> RequestReader::find_header_end() {
  if (buffer_.empty()) return std::nullopt;
  if (std::isalpha(static_cast<unsigned char>(buffer_[0])) == 0) {
    return refuse(http::status::bad_request, "this is not HTTP");
  }
  std::string_view bytes = std::string_view(buffer_).substr(0, kHeaderBytesMax);
  for (; scanned_ < bytes.size(); ++scanned_) {
    if (bytes[scanned_] != '\n') continue;
    if (bytes[scanned_ - 1] != '\r') {
      return refuse(http::status::bad_request, "lines end with CR LF");
    }
    if (scanned_ >= 3 && bytes.substr(scanned_ - 3, 4) == "\r\n\r\n") return scanned_ + 1;
  }
  if (bytes.size() == kHeaderBytesMax) {
    return refuse(http::status::request_header_fields_too_large, "the header is too large");
  }
  return std::nullopt;
}

std::expected<RequestReader::Header, HttpResponse> RequestReader::parse_header(
    std::string_view bytes) try {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(kHeaderBytesMax);
  parser.body_limit(kBodyBytesMax);
  beast::error_code error;
  parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  if (error) return refuse(error);
  if (!parser.is_header_done()) return refuse(http::status::bad_request, "the header is not whole");

  const auto& message = parser.get();
  // What is sent in chunks has no length to begin with, and other codings would leave the end of
  // the body unknown: a second request could hide in it (RFC 9112, section 11.2).
  if (message.count(http::field::transfer_encoding) > 0) {
    return refuse(http::status::length_required, "a body needs a Content-Length");
  }
  size_t hosts = message.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && message.version() == 11)) {
    return refuse(http::status::bad_request, "one Host is needed");  // RFC 9112, section 3.2
  }
  Header header;
  header.request.method = message.method_string();
  header.request.version = message.version();
  header.request.keep_alive = message.keep_alive();
  split_target(message.target(), header.request);
  header.body_bytes = static_cast<size_t>(parser.content_length().value_or(0));
  header.expects_continue =
      message.version() == 11 && beast::iequals(message[http::field::expect], "100-continue");
  return header;
} catch (const std::exception&) {
  return refuse(http::status::bad_request, "the header could not be read");
}

std::string serialize(const HttpResponse& response, const HttpRequest& request, bool keep_alive) {
  http::response<http::string_body> message;
  message.version(request.version);
  message.result(response.status);
  message.set(http::field::content_type, response.content_type);
  message.set(http::field::cache_control, "no-store");
  if (!response.allow.empty()) message.set(http::field::allow, response.allow);
  message.keep_alive(keep_alive);
  message.content_length(response.body.size());
  if (request.method != "HEAD") message.body() = response.body;

  std::string bytes;
  http::response_serializer<http::string_body> serializer(message);
  beast::error_code error;
  while (!serializer.is_done() && !error) {
    serializer.next(error, [&](beast::error_code&, const auto& buffers) {
      bytes += beast::buffers_to_string(buffers);
      serializer.consume(beast::buffer_bytes(buffers));
    });
  }
  return bytes;
}

}  // namespace trunkline::service
