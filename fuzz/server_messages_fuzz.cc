// Must hold: as for client messages; and no interleaving of requests and server messages brings the
// response queue out of its bounds or its counters out of step. A first part of the input, up to
// a byte 0xff, is played as requests between the server's messages.
#include <cstdint>

#include "messages_story.h"
#include "wire/response_queue.h"

using namespace trunkline::wire;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  size_t border = std::min(input.find('\xff'), input.size());
  std::string_view requests = input.substr(0, border);
  std::string_view stream = input.substr(std::min(border + 1, input.size()));

  ResponseQueue queue;
  auto push_some = [&] {
    for (int i = 0; i < 3 && !requests.empty(); ++i) {
      char type = requests[0];
      requests.remove_prefix(1);
      auto request = request_of({.type = static_cast<char>(type & 0x7f), .length = kLengthBytes});
      uint8_t flags = type & 0x80 && request != Request::sync ? ResponseQueue::kByProxy : 0;
      if (request && !queue.full()) queue.push(*request, 1, flags);
    }
    while (queue.take_due()) {
    }
  };
  push_some();
  Story whole =
      scan(kServerRules, stream, stream.size(), [&](Header header, std::string_view prefix) {
        uint32_t before = queue.outstanding();
        ResponseQueue::Attribution answer = queue.on_message(header.type, prefix);
        if (queue.outstanding() > before) std::abort();
        if (!answer.expected && answer.done) std::abort();
        if (queue.empty() != (queue.outstanding() == 0)) std::abort();
        if (queue.idle() && !queue.empty()) std::abort();
        while (queue.take_due()) {
        }
        push_some();
      });
  auto ignore = [](Header, std::string_view) {};
  for (size_t chunk : {size_t{1}, size_t{3}, size_t{64}, size_t{100'000}}) {
    for (Way way : {Way::pieces, Way::whole_first}) {
      must_tell(whole, scan(kServerRules, stream, chunk, ignore, way));
    }
  }
  return 0;
}
