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
    ask_for(statement.name.text);
  }
  return awaited_ == 0;
}

void Notifications::ask_for(const std::string& channel) {
  auto [found, is_new] = asked_for_.try_emplace(channel, Channel{.ticket = last_ticket_ + 1});
  if (!is_new) return;
  ++awaited_;
  listening_.listen(channel, ++last_ticket_);
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
  if (adopts(channel) && !adoption_->is_passed) return false;
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
  if (channels_.committed().empty()) starts_to_listen_ = true;
}

void Notifications::on_ready(bool in_block, std::optional<uint32_t> sender) {
  if (in_block) return drop_unwanted();
  channels_.on_idle();
  reconcile();
  drop_unwanted();
  cleared_ = nullptr;
  bool had_listened = !std::exchange(starts_to_listen_, channels_.committed().empty());
  size_t heard = std::exchange(own_heard_, 0);
  if (!sender || channels_.committed().empty()) return;
  if (!had_listened) own_ = Own{.sender = *sender, .count = heard};
  fence_ = ++last_ticket_;
  listening_.fence(fence_);
}

void Notifications::drop_own_before_listen() {
  if (!own_) return;
  auto is_own = [&](const pool::NotificationPtr& each) { return each->sender == own_->sender; };
  auto all = static_cast<size_t>(std::ranges::count_if(inbox_, is_own));
  size_t too_many = all - std::min(all, own_->count);
  std::erase_if(inbox_, [&](const pool::NotificationPtr& each) {
    if (too_many == 0 || !is_own(each)) return false;
    --too_many;
    listening_.taken(each->bytes());
    return true;
  });
  own_.reset();
}

// The listener need not hear what a rollback or UNLISTEN has ended.
void Notifications::reconcile() {
  std::erase_if(asked_for_, [&](const auto& each) {
    const auto& [name, channel] = each;
    bool is_wanted = channels_.committed().contains(name) || adopts(name) ||
                     (adoption_ != nullptr && adoption_->mark == name);
    if (is_wanted) return false;
    if (channel.state == Channel::State::asked) --awaited_;
    if (channel.state != Channel::State::refused) listening_.unlisten(name);
    return true;
  });
}

void Notifications::drop_unwanted() {
  std::erase_if(inbox_, [&](const pool::NotificationPtr& each) {
    if (channels_.committed().contains(each->channel) || adopts(each->channel)) return false;
    listening_.taken(each->bytes());
    return true;
  });
}

void Notifications::on_answer(Listening::Ticket ticket, bool hears) {
  if (ticket == fence_) {
    fence_ = 0;
    drop_own_before_listen();
  }
  if (ticket == clearance_) clearance_ = 0;
  for (auto& [name, channel] : asked_for_) {
    if (channel.ticket != ticket || channel.state != Channel::State::asked) continue;
    channel.state = hears ? Channel::State::heard : Channel::State::refused;
    --awaited_;
    if (!hears && adoption_ != nullptr && (adopts(name) || adoption_->mark == name)) {
      adoption_refused_ = true;
    }
  }
  if (adoption_ == nullptr) return;
  bool is_over = adoption_->fence != 0 && adoption_->fence == ticket;
  if (is_over || (adoption_refused_ && !adoption_->is_sent)) give_up_adoption();
}

SessionChannels::Names Notifications::settle(SessionChannels::Names found) {
  SessionChannels::Names kept = channels_.committed();
  for (const std::string& each : left_) {
    if (!found.contains(each)) kept.erase(each);
  }
  channels_.reset(std::move(kept));
  reconcile();
  drop_unwanted();
  std::erase_if(found, [&](const std::string& each) { return asked_for_.contains(each); });
  return found;
}

void Notifications::adopt(SessionChannels::Names channels, std::string mark) {
  adoption_ = std::make_unique<Adoption>();
  adoption_->channels = std::move(channels);
  adoption_->mark = std::move(mark);
  for (const std::string& each : adoption_->channels) ask_for(each);
  ask_for(adoption_->mark);
}

std::string Notifications::take_mark() {
  adoption_->is_sent = true;
  std::string sql;
  pool::append_channel_statement(sql, "LISTEN", adoption_->mark);
  pool::append_channel_statement(sql, "NOTIFY", adoption_->mark);
  return sql;
}

bool Notifications::is_mark(std::string_view channel) {
  if (adoption_ == nullptr || adoption_->mark != channel) return false;
  if (!std::exchange(adoption_->is_passed, true)) {
    SessionChannels::Names all = channels_.committed();
    all.insert(adoption_->channels.begin(), adoption_->channels.end());
    channels_.reset(std::move(all));
  }
  return true;
}

bool Notifications::end_mark() {
  if (adoption_ == nullptr || !adoption_->is_passed) {
    adoption_refused_ = true;
    give_up_adoption();
    return false;
  }
  left_.insert(left_.end(), adoption_->channels.begin(), adoption_->channels.end());
  left_.push_back(adoption_->mark);
  // Should the listener have lost its connection, it has not heard the mark.
  adoption_->fence = ++last_ticket_;
  listening_.fence(adoption_->fence);
  return true;
}

// Or it is over.
void Notifications::give_up_adoption() {
  adoption_.reset();
  reconcile();
  drop_unwanted();
}

// While something runs that may be a commit, what comes on a channel that is not the session's
// yet may be meant for it: `on_ready` tells.
void Notifications::on_notification(pool::NotificationPtr notification, bool undecided) {
  const std::string& channel = notification->channel;
  if (adoption_ != nullptr && adoption_->mark == channel) adoption_->is_heard = true;
  // Up to the mark the connection at hand tells of it.
  bool is_own = adopts(channel) ? adoption_->is_heard : channels_.committed().contains(channel);
  if (!is_own && (!undecided || adopts(channel))) {
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
