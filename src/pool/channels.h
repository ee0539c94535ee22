#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace trunkline::pool {

// Which channels a listening connection hears, for whom, what it has been asked and has not
// answered yet. Pure: requests in, SQL and answers out. Owned by its `Listener`, one thread.
//
// What is wanted while a request is under way goes into the next one, all together: one round trip
// serves as many sessions as there are.
//
//   listen ─► `next_request`: LISTEN "a" ─► `on_done` ─► hears it from here on
//   fence  ─► `next_request`: ""         ─► `on_done` ─► has heard all that was committed before
class Channels {
 public:
  using Subscriber = uint64_t;
  // A question of a subscriber, in numbers of its own.
  using Ticket = uint64_t;

  // So many LISTEN and UNLISTEN in one request: others do not wait longer.
  static constexpr size_t kChannelsPerRequest = 100;

  struct Answer {
    Subscriber subscriber = 0;
    Ticket ticket = 0;
    bool hears = true;  // false: the channel could not be listened to

    bool operator==(const Answer&) const = default;
  };
  using Answers = std::vector<Answer>;

  // The answer is that of the first request after which the channel is heard for sure. A channel
  // that is heard already needs none: the answer is true at once, and no ticket is kept.
  bool listen(Subscriber subscriber, const std::string& channel, Ticket ticket);
  void unlisten(Subscriber subscriber, const std::string& channel);
  // The answer tells that all was heard that was committed before this call.
  void fence(Subscriber subscriber, Ticket ticket);
  // Forgets all it has wanted and asked.
  void leave(Subscriber subscriber);

  // Nobody listens, and nobody waits for an answer.
  bool idle() const { return channels_.empty() && waiting_.empty() && asked_.empty(); }
  size_t size() const { return channels_.size(); }
  // A request is under way: `on_done`, `on_failed` or `on_lost` will end it.
  bool busy() const { return busy_; }

  // What to send next, as one Query. nullopt while one is under way, or when nothing is wanted.
  std::optional<std::string> next_request();
  // It was done, to ReadyForQuery.
  Answers on_done();
  // The server has refused it: those who asked do not listen.
  Answers on_failed();
  // The connection is lost. Whoever waits for a channel goes on to wait for the next connection.
  Answers on_lost();
  // There is no connection to be had now: nobody is kept waiting.
  Answers on_unreachable();

  // Who is to be told of what comes on this channel.
  std::vector<Subscriber> subscribers(std::string_view channel) const;

 private:
  enum class State : uint8_t { unheard, asked, heard };
  struct Channel {
    State state = State::unheard;
    std::vector<Subscriber> subscribers;

    bool is_wanted_by(Subscriber subscriber) const {
      return std::ranges::find(subscribers, subscriber) != subscribers.end();
    }
  };
  struct Question {
    Subscriber subscriber;
    Ticket ticket;
    std::string channel;  // empty: a fence
  };

  void forget(Subscriber subscriber, const std::string& channel);
  static void answer(Answers& answers, const Question& question, bool hears);

  std::unordered_map<std::string, Channel> channels_;
  // Names whose state may differ from what is wanted, in their order.
  std::vector<std::string> changed_;
  std::vector<Question> waiting_;  // for the next request
  std::vector<Question> asked_;    // with the one under way
  bool busy_ = false;
};

}  // namespace trunkline::pool
