// Must hold: what is accepted keeps the server's bounds on names, and building a packet from it and
// reading that again gives the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "wire/startup.h"

using namespace trunkline::wire;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view body(reinterpret_cast<const char*>(data), size);
  auto packet = parse_startup(body);
  if (!packet) return 0;
  if (packet->user.size() > kNameBytesMax || packet->database.size() > kNameBytesMax) std::abort();
  if (negotiate(*packet).minor > kProtocolMinorMax) std::abort();

  std::vector<std::pair<std::string_view, std::string_view>> parameters{{"user", packet->user}};
  for (auto& [name, value] : packet->parameters) parameters.emplace_back(name, value);
  std::string built;
  append_startup(built, protocol_version(packet->major, packet->minor), parameters);
  auto again = parse_startup(std::string_view(built).substr(kLengthBytes));
  if (!again || again->user != packet->user || again->parameters != packet->parameters ||
      again->application_name != packet->application_name) {
    std::abort();
  }
  return 0;
}
