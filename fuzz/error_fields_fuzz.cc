// Must hold: views of server messages stay inside the body and never fail, whatever it holds.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "wire/messages.h"

using namespace trunkline::wire;

namespace {

void require_inside(std::string_view part, std::string_view whole) {
  if (part.empty()) return;
  if (part.data() < whole.data() || part.data() + part.size() > whole.data() + whole.size()) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view body(reinterpret_cast<const char*>(data), size);
  ErrorFields fields(body);
  for (char code : std::string_view("SVCMDHPpqWstcdnFLR")) {
    if (auto text = fields.get(code)) require_inside(*text, body);
  }
  (void)fields.severity();
  if (auto request = parse_authentication(body)) {
    require_inside(request->data, body);
    if (auto names = request->mechanisms()) {
      for (auto name : *names) require_inside(name, body);
    }
  }
  if (auto status = parse_parameter_status(body)) require_inside(status->value, body);
  if (auto key = parse_backend_key_data(body)) require_inside(key->key, body);
  if (auto offer = parse_negotiate_protocol_version(body)) {
    for (auto name : offer->unknown_options) require_inside(name, body);
  }
  (void)parse_ready_for_query(body);
  (void)command_kind(body);
  return 0;
}
