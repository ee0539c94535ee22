#include "session/notifications.h"

#include <algorithm>
#include <utility>

namespace trunkline::session {

namespace {

// Where the name of the channel is known for sure; others stay on their connection.
bool listens(const sql::Statement& statement) {
  return statement.kind == sql::StatementKind::listen && !statement.is_malformed &&
         statement.name.is_certain;
}

}  // namespace

bool Notifications::may_send(const sql::TextFacts& facts) {
  if (!facts.has(sql::StatementKind::listen)) return true;
  for (const sql::Statement& statement : facts.statements()) {
    if (!listens(statement)) continue;
    const std::string& name = statement.name.text;
    auto [found, is_new] = asked_for_.try_emplace(name, Channel{.ticket = last_ticket_ + 1});
    if (!is_new) continue;
    ++awaited_;
    listening_.listen(name, ++last_ticket_);
  }
  return awaited_ == 0;
}

bool Notifications::may_use(const void* connection) {
  if (cleared_ == connection) return clearance_ == 0;
  cleared_ = connection;
  clearance_ = ++last_ticket_;
  listening_.fence(clearance_);
  return false;
}

bool Notifications::serves(const sql::TextFacts& facts) const {
  return std::ranges::all_of(facts.statements(), [&](const sql::Statement& statement) {
    if (statement.kind != sql::StatementKind::listen) return true;
    return listens(statement) && serves(statement.name.text);
  });
}

bool Notifications::serves(std::string_view channel) const {
  auto found = asked_for_.find(channel);
  return found != asked_for_.end() && found->second.state == Channel::State::heard;
}

void Notifications::on_sent(const sql::TextFacts& facts) {
  if (!facts.has(sql::StatementKind::listen)) return;
  for (const sql::Statement& statement : facts.statements()) {
    if (listens(statement) && serves(statement.name.text)) left_.push_back(statement.name.text);
  }
}

void Notifications::on_completed(const sql::Statement& statement, std::string_view tag) {
  if (statement.kind == sql::StatementKind::listen && !serves(statement.name.text)) return;
  channels_.on_completed(statement, tag);
}

void Notifications::on_ready(bool in_block, bool notified) {
  if (in_block) return drop_unwanted();
  channels_.on_idle();
  reconcile();
  drop_unwanted();
  cleared_ = nullptr;
  if (!notified || channels_.committed().empty()) return;
  fence_ = ++last_ticket_;
  listening_.fence(fence_);
}

// The listener need not hear what a rollback or UNLISTEN has ended.
void Notifications::reconcile() {
  std::erase_if(asked_for_, [&](const auto& each) {
    const auto& [name, channel] = each;
    bool is_wanted = channels_.committed().contains(name);
    if (is_wanted) return false;
    if (channel.state == Channel::State::asked) --awaited_;
    if (channel.state != Channel::State::refused) listening_.unlisten(name);
    return true;
  });
}

void Notifications::drop_unwanted() {
  std::erase_if(inbox_, [&](const pool::NotificationPtr& each) {
    if (channels_.committed().contains(each->channel)) return false;
    listening_.taken(each->bytes());
    return true;
  });
}

void Notifications::on_answer(Listening::Ticket ticket, bool hears) {
  if (ticket == fence_) fence_ = 0;
  if (ticket == clearance_) clearance_ = 0;
  for (auto& [name, channel] : asked_for_) {
    if (channel.ticket != ticket || channel.state != Channel::State::asked) continue;
    channel.state = hears ? Channel::State::heard : Channel::State::refused;
    --awaited_;
  }
}

// While something runs that may be a commit, what comes on a channel that is not the session's
// yet may be meant for it: `on_ready` tells.
void Notifications::on_notification(pool::NotificationPtr notification, bool undecided) {
  if (!undecided && !channels_.committed().contains(notification->channel)) {
    listening_.taken(notification->bytes());
    return;
  }
  inbox_.push_back(std::move(notification));
}

std::string Notifications::take(uint64_t& count) {
  std::string messages;
  while (!inbox_.empty() && messages.size() < kChunkBytes) {
    messages += inbox_.front()->message;
    listening_.taken(inbox_.front()->bytes());
    inbox_.pop_front();
    ++count;
  }
  return messages;
}

std::string Notifications::take_left() {
  std::string sql;
  for (const std::string& each : std::exchange(left_, {}))
    pool::append_channel_statement(sql, "UNLISTEN", each);
  return sql;
}

std::string Notifications::lay_on() {
  std::string sql;
  for (const std::string& each : channels_.committed()) {
    pool::append_channel_statement(sql, "LISTEN", each);
    left_.push_back(each);
  }
  return sql;
}

}  // namespace trunkline::session
