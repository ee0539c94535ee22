#include "service/http_message.h"

#include <gtest/gtest.h>
#include <vector>

namespace trunkline::service {
namespace {

// Everything a reader makes of a stream: a line for each request, the status where it failed.
std::string story(std::string_view bytes, size_t cut, size_t step) {
  RequestReader reader;
  std::string out;
  bool failed = false;
  auto take_all = [&] {
    while (!failed) {
      auto request = reader.next();
      failed = !request;
      if (failed) out += "fails " + std::to_string(request.error().status);
      if (failed || !*request) return;
      out += (*request)->method + " " + (*request)->path + " ?" + (*request)->query + " [" +
             (*request)->body + "]" + ((*request)->keep_alive ? " keep\n" : " close\n");
    }
  };
  reader.feed(bytes.substr(0, cut));
  take_all();
  for (size_t at = cut; at < bytes.size() && !failed; at += step) {
    reader.feed(bytes.substr(at, step));
    take_all();
  }
  if (!failed && !reader.idle()) out += "waits";
  return out;
}

std::string story(std::string_view bytes) {
  return story(bytes, bytes.size(), 1);
}

unsigned failure(std::string_view bytes) {
  RequestReader reader;
  reader.feed(bytes);
  auto request = reader.next();
  return request ? 0 : request.error().status;
}

std::string header_of(size_t bytes) {
  std::string header = "GET / HTTP/1.1\r\nHost: a\r\nPadding: ";
  header.append(bytes - header.size() - 4, 'x');
  return header + "\r\n\r\n";
}

std::string post_of(size_t body_bytes) {
  return "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body_bytes) +
         "\r\n\r\n" + std::string(body_bytes, 'b');
}

TEST(RequestReader, AStreamReadsTheSameHoweverItIsCut) {
  const std::vector<std::string> streams = {
      "GET /metrics?a=b HTTP/1.1\r\nHost: a\r\n\r\n" + post_of(5) +
          "HEAD / HTTP/1.0\r\n\r\nGET /half HT",
      "GET http://host.example/x?y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\nHost: a\n\n",
      "GET / HTTP/1.1\r\nHost a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/3.7\r\nHost: a\r\n\r\n",
  };
  for (const std::string& stream : streams) {
    const std::string whole = story(stream);
    EXPECT_EQ(story(stream, 0, 1), whole);
    for (size_t cut = 0; cut <= stream.size(); ++cut) {
      ASSERT_EQ(story(stream, cut, stream.size()), whole) << "cut at " << cut << " of " << stream;
    }
  }
  EXPECT_EQ(story(streams[0]),
            "GET /metrics ?a=b [] keep\nPOST /x ? [bbbbb] keep\nHEAD / ? [] close\nwaits");
  EXPECT_EQ(story(streams[1]), "GET /x ?y [] close\n");
  EXPECT_EQ(story(streams[2]), "GET / ? [] keep\nfails 400");
  EXPECT_EQ(story(streams[3]), "fails 400");
  EXPECT_EQ(story(streams[4]), "fails 505");
}

TEST(RequestReader, TheHeaderIsBounded) {
  EXPECT_EQ(failure(header_of(kHeaderBytesMax)), 0U);
  EXPECT_EQ(failure(header_of(kHeaderBytesMax + 1)), 431U);
  EXPECT_EQ(failure("GET /" + std::string(kHeaderBytesMax, 'x')), 431U);
  EXPECT_EQ(story(header_of(kHeaderBytesMax + 1), 0, 1), "fails 431");
}

TEST(RequestReader, TheBodyIsBounded) {
  EXPECT_EQ(failure(post_of(kBodyBytesMax)), 0U);
  EXPECT_EQ(failure(post_of(kBodyBytesMax + 1)), 413U);
  // More than any integer holds.
  EXPECT_EQ(
      failure("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n"),
      400U);
}

TEST(RequestReader, WhatCouldHideASecondRequestIsRefused) {
  const std::string start = "POST / HTTP/1.1\r\nHost: a\r\n";
  EXPECT_EQ(failure(start + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 411U);
  EXPECT_EQ(failure(start + "Transfer-Encoding: gzip\r\n\r\n"), 411U);
  EXPECT_NE(failure(start + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"), 0U);
  EXPECT_EQ(failure(start + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"), 400U);
  EXPECT_EQ(failure(start + "Content-Length: -1\r\n\r\n"), 400U);
  EXPECT_EQ(failure(start + "Content-Length : 3\r\n\r\nabc"), 400U);
}

TEST(RequestReader, ExactlyOneHostIsNeeded) {
  EXPECT_EQ(failure("GET / HTTP/1.1\r\n\r\n"), 400U);
  EXPECT_EQ(failure("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400U);
  EXPECT_EQ(failure("GET / HTTP/1.0\r\n\r\n"), 0U);
}

TEST(RequestReader, WhatIsNotHttpIsRefusedAtItsFirstByte) {
  EXPECT_EQ(failure("\x16\x03\x01"), 400U);
  EXPECT_EQ(failure(std::string_view("\0", 1)), 400U);
  EXPECT_EQ(failure("\r\n"), 400U);
}

TEST(RequestReader, AnExpectationIsTakenOnce) {
  RequestReader reader;
  reader.feed("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  ASSERT_FALSE(reader.next().value());
  EXPECT_TRUE(reader.take_expectation());
  EXPECT_FALSE(reader.take_expectation());
  reader.feed("ok");
  EXPECT_EQ(reader.next().value()->body, "ok");
}

TEST(Serialize, TheLengthIsAlwaysThereAndTheBodyIsNotForHead) {
  HttpResponse response{.status = 404, .body = "nothing\n"};
  EXPECT_EQ(serialize(response, {.method = "GET"}, true),
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Cache-Control: no-store\r\nContent-Length: 8\r\n\r\nnothing\n");
  std::string head = serialize(response, {.method = "HEAD"}, false);
  EXPECT_NE(head.find("Content-Length: 8\r\n"), std::string::npos);
  EXPECT_NE(head.find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  EXPECT_NE(serialize({}, {.method = "GET"}, true).find("Content-Length: 0\r\n"),
            std::string::npos);
}

TEST(Serialize, AnOlderClientIsToldThatTheConnectionStays) {
  std::string bytes = serialize({}, {.method = "GET", .version = 10}, true);
  EXPECT_TRUE(bytes.starts_with("HTTP/1.0 200 OK\r\n"));
  EXPECT_NE(bytes.find("Connection: keep-alive\r\n"), std::string::npos);
}

}  // namespace
}  // namespace trunkline::service
