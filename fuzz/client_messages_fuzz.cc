// Must hold: the scanner finds the same messages and forwards the same bytes however the stream is
// split, and the response queue takes any sequence of requests within its bounds.
#include <cstdint>

#include "messages_story.h"
#include "wire/response_queue.h"

using namespace trunkline::wire;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  ResponseQueue queue;
  uint32_t pushed = 0;
  Story whole = scan(kClientRules, input, input.size(), [&](Header header, std::string_view) {
    auto request = request_of(header);
    if (request && !queue.full()) pushed += queue.push(*request, 1);
  });
  if (queue.outstanding() != pushed || queue.empty() != (pushed == 0)) std::abort();
  auto ignore = [](Header, std::string_view) {};
  for (size_t chunk : {size_t{1}, size_t{2}, size_t{7}, size_t{100'000}}) {
    for (Way way : {Way::pieces, Way::whole_first}) {
      must_tell(whole, scan(kClientRules, input, chunk, ignore, way));
    }
  }
  (void)scan(kClientLoginRules, input, 3, ignore);
  return 0;
}
