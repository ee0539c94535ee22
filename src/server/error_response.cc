#include "server/error_response.h"

#include "base/bytes.h"
#include "base/text.h"

namespace trunkline::server {

Error error_from_response(std::string_view body, Reason reason) {
  constexpr size_t kMessageBytesMax = 1024;
  Error error{.reason = reason, .side = Side::server, .sqlstate = sqlstate::kServerRejected};
  ByteReader reader(body);
  while (std::optional<char> code = reader.read<char>()) {
    if (*code == '\0') break;
    std::optional<std::string_view> text = reader.read_c_string();
    if (!text) break;
    if (*code == 'M') error.message = printable(*text, kMessageBytesMax);
    if (*code == 'C') error.detail = printable(*text, 5);
  }
  return error;
}

}  // namespace trunkline::server
