#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pool/channels.h"
#include "pool/notification.h"
#include "session/session_channels.h"
#include "sql/text_facts.h"

namespace trunkline::session {

// What a session of a pool asks of the connection that listens for it, whose settings its
// transactions do not touch. Answers and notifications come by way of `Notifications::on_answer`
// and `on_notification`, on the session's thread and never from within these calls.
class Listening {
 public:
  using Ticket = pool::Channels::Ticket;

  // Before anything else. `encoding`: of the client, as the server names it.
  virtual void open(std::string encoding) = 0;
  virtual void listen(const std::string& channel, Ticket ticket) = 0;
  virtual void unlisten(const std::string& channel) = 0;
  virtual void fence(Ticket ticket) = 0;
  virtual void taken(size_t bytes) = 0;

 protected:
  ~Listening() = default;
};

// LISTEN and NOTIFY of a session of a pool, from a LISTEN on until it listens to nothing. Pure;
// owned by the session's machine, on its worker's thread. What waits for the client is bounded by
// `pool::Subscription::kBytesMax`.
//
//   LISTEN a ─► `may_send`: the listener is asked ─► it hears a ─► LISTEN goes to the server, whose
//       errors and transactions decide ─► `on_ready`: a is the session's, or given back
//   notification ─► kept until the session is between transactions ─► `take`
//   NOTIFY a ─► `on_ready` asks the listener for what it has heard ─► ReadyForQuery
//
// The listener hears a channel from before the LISTEN runs, so nothing that commits later is
// missed. What the client has sent itself before the first LISTEN it must not be told, though: of
// its own it gets as many, the last, as the server connection has heard that has run the LISTEN.
class Notifications {
 public:
  Notifications(Listening& listening, std::string encoding) : listening_(listening) {
    listening_.open(std::move(encoding));
  }

  // Asks for the channels that this text listens to. False: to be asked again after an answer.
  bool may_send(const sql::TextFacts& facts);
  // Has heard what others had sent by the server connection at hand. False as above.
  bool may_use(const void* connection);
  // Every LISTEN of this text is ours to serve: it need not stay on the server connection.
  bool serves(const sql::TextFacts& facts) const;
  bool serves(std::string_view channel) const;
  // It goes to the server.
  void on_sent(const sql::TextFacts& facts);

  void on_completed(const sql::Statement& statement, std::string_view tag);
  void on_error(bool in_block) { channels_.on_error(in_block); }
  // The server connection at hand tells of a notification of its own, on a channel that is served.
  void on_own_heard() { ++own_heard_; }
  // ReadyForQuery, which is kept by the caller while `fenced`. `sender`: the process id under which
  // something of the transaction may have notified.
  void on_ready(bool in_block, std::optional<uint32_t> sender);

  // Channels that the server connection at hand listens to, as code did that was not seen, go over
  // to the listener, and nothing is lost or told twice: when the listener hears them, the
  // connection notifies a channel of nobody's that both listen to. All sessions hear everything in
  // one order: up to this mark what the connection hears is told, from there on what the listener
  // hears.
  //
  //   adopt ─► the listener hears ─► `take_mark` ─► `is_mark` ─► `end_mark`: they are the session's
  // What the connection listens to besides the session's own channels; those of `left_` that are
  // not among `found` have been ended there.
  SessionChannels::Names settle(SessionChannels::Names found);
  bool may_adopt() const { return adoption_ == nullptr && !adoption_refused_; }
  void adopt(SessionChannels::Names channels, std::string mark);
  bool may_mark() const { return adoption_ != nullptr && !adoption_->is_sent && awaited_ == 0; }
  std::string take_mark();  // as SQL
  // Of a notification on the server connection.
  bool is_mark(std::string_view channel);
  // It is answered. False: they stay where they are.
  bool end_mark();
  // The client asks something else of the connection before the mark is sent.
  void put_off_adoption() {
    if (adoption_ != nullptr && !adoption_->is_sent) give_up_adoption();
  }

  void on_answer(Listening::Ticket ticket, bool hears);
  // `undecided`: something runs that may commit a LISTEN.
  void on_notification(pool::NotificationPtr notification, bool undecided);

  // It listens to nothing, and nothing is under way: as before its first LISTEN.
  bool idle() const {
    return asked_for_.empty() && inbox_.empty() && left_.empty() && fence_ == 0 &&
           clearance_ == 0 && adoption_ == nullptr;
  }
  // What has to reach the client ahead of its ReadyForQuery is not all here yet.
  bool fenced() const {
    bool awaits_mark = adoption_ != nullptr && adoption_->is_sent && !adoption_->is_passed;
    return fence_ != 0 || awaits_mark;
  }
  bool empty() const { return inbox_.empty(); }
  // The next of the notifications for the client, at most about `kChunkBytes` of them; to be asked
  // for between transactions only. Counts them.
  std::string take(uint64_t& count);

  const SessionChannels::Names& channels() const { return channels_.committed(); }

  // What LISTEN has left on the server connection at hand.
  bool has_left() const { return !left_.empty(); }
  std::string take_left();  // as SQL that ends it
  void forget_left() { left_.clear(); }
  // As SQL that makes the connection at hand listen to the session's channels.
  std::string lay_on();

 private:
  static constexpr size_t kChunkBytes = 16 * 1024;

  struct Channel {
    Listening::Ticket ticket;  // it was asked for with
    enum class State : uint8_t { asked, heard, refused } state = State::asked;
  };

  struct Adoption {
    SessionChannels::Names channels;
    std::string mark;
    bool is_sent = false;
    bool is_passed = false;       // on the server connection
    bool is_heard = false;        // by the listener
    Listening::Ticket fence = 0;  // behind which it has been heard
  };

  // At the fence: what it may be told of its own.
  struct Own {
    uint32_t sender;
    size_t count;
  };

  void ask_for(const std::string& channel);
  bool adopts(std::string_view channel) const {
    return adoption_ != nullptr && adoption_->channels.contains(channel);
  }
  void give_up_adoption();
  void drop_unwanted();
  void drop_own_before_listen();
  void reconcile();

  Listening& listening_;
  SessionChannels channels_;
  std::map<std::string, Channel, std::less<>> asked_for_;
  uint32_t awaited_ = 0;  // of those, not answered
  Listening::Ticket last_ticket_ = 0;
  Listening::Ticket fence_ = 0;      // before ReadyForQuery
  std::optional<Own> own_;           // behind that fence; none: all
  bool starts_to_listen_ = true;     // listened to nothing, at some time since it was idle
  size_t own_heard_ = 0;             // by the connection at hand, since then
  Listening::Ticket clearance_ = 0;  // before a connection is used
  const void* cleared_ = nullptr;    // the connection that was cleared last
  std::deque<pool::NotificationPtr> inbox_;
  std::vector<std::string> left_;
  std::unique_ptr<Adoption> adoption_;
  bool adoption_refused_ = false;
};

}  // namespace trunkline::session
