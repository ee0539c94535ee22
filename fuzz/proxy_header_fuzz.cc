// Must hold: the verdict on a prefix is never taken back: what is complete stays complete with the
// same header when more follows, what is malformed stays malformed, and a header never needs more
// than its bound.
#include <cstdint>
#include <cstdlib>

#include "wire/proxy_header.h"

using namespace trunkline::wire;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using State = ProxyHeaderResult::State;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  ProxyHeaderResult whole = parse_proxy_header(input);
  if (whole.state == State::complete && whole.bytes > size) std::abort();
  if (whole.state == State::need_more && size >= kProxyV2BytesMax) std::abort();
  for (size_t cut = 0; cut < size; ++cut) {
    ProxyHeaderResult part = parse_proxy_header(input.substr(0, cut));
    if (part.state == State::need_more) continue;
    if (part.state != whole.state || part.bytes != whole.bytes || part.header != whole.header) {
      std::abort();
    }
  }
  return 0;
}
