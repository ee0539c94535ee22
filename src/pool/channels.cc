#include "pool/channels.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "pool/notification.h"

namespace trunkline::pool {

bool Channels::listen(Subscriber subscriber, const std::string& channel, Ticket ticket) {
  Channel& wanted = channels_[channel];
  if (!wanted.is_wanted_by(subscriber)) wanted.subscribers.push_back(subscriber);
  if (wanted.state == State::heard) return true;
  if (wanted.state == State::unheard) changed_.push_back(channel);
  waiting_.push_back({subscriber, ticket, channel});
  return false;
}

void Channels::unlisten(Subscriber subscriber, const std::string& channel) {
  std::erase_if(waiting_, [&](const Question& each) {
    return each.subscriber == subscriber && each.channel == channel;
  });
  forget(subscriber, channel);
}

// Of the last one: the connection need not hear it any more.
void Channels::forget(Subscriber subscriber, const std::string& channel) {
  auto found = channels_.find(channel);
  if (found == channels_.end()) return;
  std::erase(found->second.subscribers, subscriber);
  if (!found->second.subscribers.empty()) return;
  if (found->second.state == State::unheard) {
    channels_.erase(found);
  } else {
    changed_.push_back(channel);
  }
}

void Channels::fence(Subscriber subscriber, Ticket ticket) {
  waiting_.push_back({subscriber, ticket, {}});
}

void Channels::leave(Subscriber subscriber) {
  auto of_this = [&](const Question& each) { return each.subscriber == subscriber; };
  std::erase_if(waiting_, of_this);
  std::erase_if(asked_, of_this);
  std::vector<std::string> names;
  for (const auto& [name, channel] : channels_) {
    if (channel.is_wanted_by(subscriber)) names.push_back(name);
  }
  for (const std::string& name : names) forget(subscriber, name);
}

std::optional<std::string> Channels::next_request() {
  if (busy_ || (changed_.empty() && waiting_.empty())) return std::nullopt;
  std::string sql;
  size_t taken = std::min(changed_.size(), kChannelsPerRequest);
  for (size_t i = 0; i < taken; ++i) {
    auto found = channels_.find(changed_[i]);
    if (found == channels_.end()) continue;
    Channel& channel = found->second;
    if (channel.subscribers.empty()) {
      append_channel_statement(sql, "UNLISTEN", found->first);
      channels_.erase(found);
    } else if (channel.state == State::unheard) {
      append_channel_statement(sql, "LISTEN", found->first);
      channel.state = State::asked;
    }
  }
  changed_.erase(changed_.begin(), changed_.begin() + static_cast<ptrdiff_t>(taken));
  // Those whose channel has not had its turn wait for it.
  std::vector<Question> later;
  for (Question& each : waiting_) {
    auto found = channels_.find(each.channel);
    bool is_later = found != channels_.end() && found->second.state == State::unheard;
    (is_later ? later : asked_).push_back(std::move(each));
  }
  waiting_ = std::move(later);
  // All was wanted and taken back again.
  if (sql.empty() && asked_.empty()) return std::nullopt;
  busy_ = true;
  return sql;
}

void Channels::answer(Answers& answers, const Question& question, bool hears) {
  answers.push_back({question.subscriber, question.ticket, hears});
}

Channels::Answers Channels::on_done() {
  busy_ = false;
  Answers answers;
  for (auto& [name, channel] : channels_) {
    if (channel.state == State::asked) channel.state = State::heard;
  }
  for (const Question& each : asked_) answer(answers, each, true);
  asked_.clear();
  return answers;
}

// Nothing of it was done. Its questions are those of who has just come; what others have listened
// to before is asked again with the next connection.
Channels::Answers Channels::on_failed() {
  Answers answers;
  for (const Question& each : asked_) {
    answer(answers, each, each.channel.empty());
    if (!each.channel.empty()) forget(each.subscriber, each.channel);
  }
  asked_.clear();
  Answers others = on_lost();
  answers.insert(answers.end(), others.begin(), others.end());
  return answers;
}

Channels::Answers Channels::on_lost() {
  busy_ = false;
  Answers answers;
  std::vector<Question> questions = std::exchange(asked_, {});
  questions.insert(questions.end(), std::make_move_iterator(waiting_.begin()),
                   std::make_move_iterator(waiting_.end()));
  waiting_.clear();
  for (Question& each : questions) {
    if (each.channel.empty()) {
      answer(answers, each, true);
    } else {
      waiting_.push_back(std::move(each));
    }
  }
  changed_.clear();
  std::erase_if(channels_, [](const auto& each) { return each.second.subscribers.empty(); });
  for (auto& [name, channel] : channels_) {
    channel.state = State::unheard;
    changed_.push_back(name);
  }
  return answers;
}

Channels::Answers Channels::on_unreachable() {
  Answers answers = on_lost();
  for (const Question& each : std::exchange(waiting_, {})) {
    answer(answers, each, false);
    forget(each.subscriber, each.channel);
  }
  return answers;
}

std::vector<Channels::Subscriber> Channels::subscribers(std::string_view channel) const {
  auto found = channels_.find(std::string(channel));
  if (found == channels_.end()) return {};
  return found->second.subscribers;
}

}  // namespace trunkline::pool
