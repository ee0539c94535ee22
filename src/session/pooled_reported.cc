#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "session/pooled_machine.h"
#include "wire/builders.h"
#include "wire/messages.h"

// What a server reports of its settings, and what the client of a shared connection is told.
namespace trunkline::session {

namespace {

// What follows from others or from the server's state is reported, too.
bool can_be_set(std::string_view name) {
  static constexpr std::array<std::string_view, 6> kFacts = {
      "in_hot_standby",  "integer_datetimes", "is_superuser",
      "server_encoding", "server_version",    "session_authorization"};
  return std::ranges::find(kFacts, name) == kFacts.end();
}

}  // namespace

// The server tells what differs from what it told last, whoever listened then. So the client is
// told before its ReadyForQuery, as PostgreSQL does, and what differs from what *it* was told.
PooledMachine::Fate PooledMachine::on_parameter_status(std::string_view body) {
  std::optional<wire::ParameterStatus> status = wire::parse_parameter_status(body);
  if (!status) return Fate::swallow;
  server_->reported.set(status->name, status->value);
  to_be_told_ = true;
  if (!server_->queue.empty()) return Fate::swallow;
  replacement_ = news();
  return Fate::replace;
}

// ParameterStatus for all that the client does not know.
std::string PooledMachine::news() {
  to_be_told_ = false;
  std::string messages;
  std::shared_ptr<pool::Reported> reported;
  for (const auto& [name, value] : server_->reported) {
    const std::string* told = told_ ? told_->find(name) : nullptr;
    if (told != nullptr && *told == value) continue;
    // What the connection has gone back to; the session's own is laid onto it again.
    if (settings_.is_to_be_set(name, value)) continue;
    if (!reported) reported = std::make_shared<pool::Reported>(told_ ? *told_ : pool::Reported());
    reported->set(name, value);
    wire::append_parameter_status(messages, name, value);
  }
  if (reported) {
    told_ = std::move(reported);
    client_.update_syntax();
  }
  return messages;
}

// A trigger, say, has set something for its caller.
void PooledMachine::learn_reported() {
  // What the server has gone back to is not what was set.
  if (settings_.server_differs()) return;
  for (const auto& [name, value] : server_->reported) {
    const std::string* told = told_ ? told_->find(name) : nullptr;
    if (told != nullptr && *told != value && can_be_set(name)) settings_.on_set_unseen(name, value);
  }
}

}  // namespace trunkline::session
