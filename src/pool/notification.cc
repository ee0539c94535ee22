#include "pool/notification.h"

#include "base/bytes.h"
#include "sql/literal.h"
#include "wire/builders.h"
#include "wire/protocol.h"

namespace trunkline::pool {

std::optional<ServerNotification> parse_notification(std::string_view body) {
  ByteReader reader(body);
  auto process_id = reader.read<uint32_t>();
  auto channel = reader.read_c_string();
  auto payload = reader.read_c_string();
  if (reader.failed()) return std::nullopt;
  return ServerNotification{*process_id, *channel, *payload};
}

void append_channel_statement(std::string& text, std::string_view verb, std::string_view channel) {
  text.append(verb).append(" ").append(sql::quote_identifier(channel)).append(";");
}

NotificationPtr make_notification(const ServerNotification& from, uint32_t process_id) {
  auto made = std::make_shared<Notification>();
  made->channel = from.channel;
  made->sender = process_id;
  wire::MessageBuilder(made->message, wire::server_message::kNotificationResponse)
      .int32(process_id)
      .c_string(from.channel)
      .c_string(from.payload);
  return made;
}

}  // namespace trunkline::pool
