#include "pool/connection.h"

#include "wire/messages.h"

namespace trunkline::pool {

bool note_unasked(Connection& connection, std::string_view bytes) {
  size_t whole = connection.scanner.whole_messages(bytes, [&](wire::Header header, auto body) {
    switch (header.type) {
      case wire::server_message::kParameterStatus:
        if (auto status = wire::parse_parameter_status(body)) {
          connection.reported.set(status->name, status->value);
        }
        return true;
      case wire::server_message::kNoticeResponse:
      case wire::server_message::kNotificationResponse:
        return true;
      default:
        return false;
    }
  });
  return whole == bytes.size();
}

}  // namespace trunkline::pool
