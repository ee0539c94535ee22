// Must hold: a stream gives the same requests and the same refusal however it is cut, no bound is
// passed, and every answer has a length.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "service/http_message.h"

using namespace trunkline::service;

namespace {

std::vector<std::string> story(std::string_view bytes, size_t step) {
  std::vector<std::string> out;
  RequestReader reader;
  for (size_t at = 0; at < bytes.size(); at += step) {
    reader.feed(bytes.substr(at, step));
    for (;;) {
      auto request = reader.next();
      if (!request) {
        out.push_back(std::to_string(request.error().status) + request.error().body);
        return out;
      }
      if (!*request) break;
      if ((*request)->body.size() > kBodyBytesMax) std::abort();
      if ((*request)->path.size() > kHeaderBytesMax) std::abort();
      out.push_back((*request)->method + " " + (*request)->path + "?" + (*request)->query + " " +
                    (*request)->body);
      std::string answer = serialize({.body = "x"}, **request, (*request)->keep_alive);
      if (answer.find("Content-Length: 1\r\n") == std::string::npos) std::abort();
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> whole = story(bytes, size + 1);
  if (story(bytes, 1) != whole || story(bytes, 7) != whole) std::abort();
  return 0;
}
