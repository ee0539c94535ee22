#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace trunkline::pool {

// A notification for clients: the same bytes for all who listen. Immutable; any thread.
struct Notification {
  std::string channel;
  uint32_t sender = 0;  // the process id that clients are told
  std::string message;  // NotificationResponse, whole

  // What it costs while it waits for a client.
  size_t bytes() const { return sizeof(Notification) + channel.size() + message.size(); }
};
using NotificationPtr = std::shared_ptr<const Notification>;

// What a server says: documentation 54.7, NotificationResponse. Borrows the body.
struct ServerNotification {
  uint32_t process_id = 0;
  std::string_view channel = {};
  std::string_view payload = {};
};
std::optional<ServerNotification> parse_notification(std::string_view body);

// `verb` is LISTEN or UNLISTEN; with a semicolon.
void append_channel_statement(std::string& text, std::string_view verb, std::string_view channel);

// As a client is told of it, with the process id that the sender's client knows as its own.
NotificationPtr make_notification(const ServerNotification& from, uint32_t process_id);

}  // namespace trunkline::pool
