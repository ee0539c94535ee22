#include "pool/listener.h"

#include <utility>

#include "pool/pool.h"

namespace trunkline::pool {

namespace {

Channels::Subscriber next_number() {
  static std::atomic<Channels::Subscriber> last = 0;
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

Subscription::Subscription(Desk& desk, PoolPtr pool, ListenerPtr listener, Hearer& hearer)
    : pool_(std::move(pool)),
      listener_(std::move(listener)),
      mailbox_(std::make_shared<Mailbox>(desk, &hearer)),
      number_(next_number()) {
  listener_->post(desk, [number = number_, mailbox = mailbox_](Listener& listener) {
    listener.mailboxes_.emplace(number, mailbox);
  });
}

Subscription::~Subscription() {
  mailbox_->hearer = nullptr;
  listener_->post(mailbox_->desk, [number = number_, pool = pool_](Listener& listener) {
    listener.channels_.leave(number);
    listener.mailboxes_.erase(number);
    listener.see_to(pool);
  });
}

void Subscription::listen(std::string channel, Channels::Ticket ticket) {
  listener_->post(mailbox_->desk, [number = number_, pool = pool_, name = std::move(channel),
                                   ticket](Listener& listener) {
    if (listener.unreachable_) return listener.tell({{number, ticket, false}});
    if (listener.channels_.listen(number, name, ticket)) {
      return listener.tell({{number, ticket, true}});
    }
    listener.see_to(pool);
  });
}

void Subscription::unlisten(std::string channel) {
  listener_->post(mailbox_->desk,
                  [number = number_, pool = pool_, name = std::move(channel)](Listener& listener) {
                    listener.channels_.unlisten(number, name);
                    listener.see_to(pool);
                  });
}

void Subscription::fence(Channels::Ticket ticket) {
  listener_->post(mailbox_->desk, [number = number_, pool = pool_, ticket](Listener& listener) {
    if (listener.unreachable_) return listener.tell({{number, ticket, true}});
    listener.channels_.fence(number, ticket);
    listener.see_to(pool);
  });
}

void Subscription::taken(size_t bytes) {
  mailbox_->bytes.fetch_sub(bytes, std::memory_order_relaxed);
}

void Listener::post(Desk& from, std::move_only_function<void(Listener&)> action) {
  std::lock_guard lock(mutex_);
  if (retired_) return;
  if (home_ == nullptr) home_ = &from;
  home_->post([self = shared_from_this(), act = std::move(action)]() mutable { act(*self); });
}

void Listener::retire(const Desk& desk) {
  std::lock_guard lock(mutex_);
  if (home_ != &desk) return;
  retired_ = true;
  home_ = nullptr;
}

void Listener::announce_outdated() {
  std::lock_guard lock(mutex_);
  if (home_ == nullptr) return;  // nobody has listened yet
  home_->post([self = shared_from_this()] {
    for (const auto& each : self->mailboxes_) {
      each.second->desk.post([mailbox = each.second] {
        if (mailbox->hearer != nullptr) mailbox->hearer->on_outdated();
      });
    }
  });
}

void Listener::see_to(const PoolPtr& pool) {
  if (wake_) return wake_();
  if (channels_.idle()) return;
  Desk* home = nullptr;
  {
    std::lock_guard lock(mutex_);
    home = home_;
  }
  if (home != nullptr) home->listen(pool, shared_from_this());
}

void Listener::tell(const Channels::Answers& answers) {
  for (const Channels::Answer& answer : answers) {
    auto found = mailboxes_.find(answer.subscriber);
    if (found == mailboxes_.end()) continue;
    const Subscription::MailboxPtr& mailbox = found->second;
    mailbox->desk.post([mailbox, answer] {
      if (mailbox->hearer != nullptr) mailbox->hearer->on_answer(answer.ticket, answer.hears);
    });
  }
}

void Listener::deliver(const NotificationPtr& notification) {
  for (Channels::Subscriber each : channels_.subscribers(notification->channel)) {
    auto found = mailboxes_.find(each);
    if (found == mailboxes_.end() || found->second->overflown) continue;
    const Subscription::MailboxPtr& mailbox = found->second;
    size_t before = mailbox->bytes.fetch_add(notification->bytes(), std::memory_order_relaxed);
    mailbox->overflown = before > Subscription::kBytesMax;
    mailbox->desk.post([mailbox, notification, overflown = mailbox->overflown] {
      if (mailbox->hearer == nullptr) return;
      if (overflown) return mailbox->hearer->on_overflow();
      mailbox->hearer->on_notification(notification);
    });
  }
}

}  // namespace trunkline::pool
