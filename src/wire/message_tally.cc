#include "wire/message_tally.h"

#include "wire/protocol.h"

namespace trunkline::wire {

void MessageTally::add(char type, std::string_view body) {
  ++messages;
  if (type == server_message::kErrorResponse) {
    ++errors[static_cast<size_t>(ErrorFields(body).severity())];
  } else if (type == server_message::kNoticeResponse) {
    ++notices[static_cast<size_t>(ErrorFields(body).severity())];
  }
}

}  // namespace trunkline::wire
