#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "pool/channels.h"
#include "pool/notification.h"

namespace trunkline::pool {

class Desk;
class Listener;
class Pool;
using ListenerPtr = std::shared_ptr<Listener>;
using PoolPtr = std::shared_ptr<Pool>;

// What a session hears of its listener: the session's thread.
class Hearer {
 public:
  virtual void on_notification(NotificationPtr notification) = 0;
  virtual void on_answer(Channels::Ticket ticket, bool hears) = 0;
  // From here on notifications are missing: more than `Subscription::kBytesMax` have not been
  // taken.
  virtual void on_overflow() = 0;
  // The pool has a successor, and what is notified there is not heard here.
  virtual void on_outdated() = 0;

 protected:
  ~Hearer() = default;
};

// A session's part in a listener. Made and used by the session, on its worker's thread; what is on
// its way may outlive it. Bounded: what has been sent and not `taken` is at most `kBytesMax`, and
// one notification.
class Subscription {
 public:
  static constexpr size_t kBytesMax = 1024 * 1024;

  Subscription(Desk& desk, PoolPtr pool, ListenerPtr listener, Hearer& hearer);
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;
  ~Subscription();

  // See `Channels`. Each ticket is answered some time later, unless this is destroyed before.
  void listen(std::string channel, Channels::Ticket ticket);
  void unlisten(std::string channel);
  void fence(Channels::Ticket ticket);
  // The client has been given so much, or will not be.
  void taken(size_t bytes);

 private:
  friend class Listener;
  // What outlives the session.
  struct Mailbox {
    Desk& desk;
    Hearer* hearer;                 // null: gone; only its worker looks
    std::atomic<size_t> bytes = 0;  // sent, and not taken
    bool overflown = false;         // the listener's thread
  };
  using MailboxPtr = std::shared_ptr<Mailbox>;

  const PoolPtr pool_;
  const ListenerPtr listener_;
  const MailboxPtr mailbox_;
  const Channels::Subscriber number_;
};

// Listens on one server connection for all sessions of a pool, whatever worker they are on. It
// lives on the worker of the first of them, which keeps the connection (`Desk::listen`) while
// anybody listens; everything but the making is on that worker's thread, and `Subscription` sends
// it mail.
//
// One for each pool and client encoding: the server sends names and payloads in that.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  explicit Listener(std::string encoding) : encoding_(std::move(encoding)) {}

  const std::string& encoding() const { return encoding_; }

  // At the end of the worker: no mail reaches it any more. That worker's thread.
  void retire(const Desk& desk);
  // The pool has a successor: all who have subscribed are told. Any thread.
  void announce_outdated();

  // For the connection, on the listener's own thread.
  Channels& channels() { return channels_; }
  // `wake`: there may be something to ask. Null while no connection is being kept.
  void set_wake(std::function<void()> wake) { wake_ = std::move(wake); }
  void tell(const Channels::Answers& answers);
  void deliver(const NotificationPtr& notification);
  // The last login has failed, and the next is some time off: who comes now is not kept waiting.
  void set_unreachable(bool unreachable) { unreachable_ = unreachable; }

 private:
  friend class Subscription;

  void post(Desk& from, std::move_only_function<void(Listener&)> action);
  // After anything was asked.
  void see_to(const PoolPtr& pool);

  const std::string encoding_;
  std::mutex mutex_;
  Desk* home_ = nullptr;  // null: nobody has listened yet
  bool retired_ = false;

  Channels channels_;
  std::unordered_map<Channels::Subscriber, Subscription::MailboxPtr> mailboxes_;
  std::function<void()> wake_;
  bool unreachable_ = false;
};

}  // namespace trunkline::pool
