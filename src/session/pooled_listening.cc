#include <utility>

#include "session/pooled.h"

// Between a session of a pool and the connection that listens for it.
namespace trunkline::session {

void Session::Pooled::open(std::string encoding) {
  subscription = std::make_unique<pool::Subscription>(
      session.environment_.desk, pool.pool, pool.pool->destination().listener(encoding), *this);
}

void Session::Pooled::listen(const std::string& channel, Ticket ticket) {
  subscription->listen(channel, ticket);
  // The others may have been told before it has subscribed.
  if (pool.pool->successor() != nullptr) on_outdated();
}

void Session::Pooled::unlisten(const std::string& channel) {
  subscription->unlisten(channel);
}

void Session::Pooled::fence(Ticket ticket) {
  subscription->fence(ticket);
}

void Session::Pooled::taken(size_t bytes) {
  subscription->taken(bytes);
}

void Session::Pooled::on_notification(pool::NotificationPtr notification) {
  cells()[RouteCells::kBytesToClients].add(notification->message.size());
  own.on_notification(std::move(notification), active && active->relay->unit_open());
  session.waiter_.raise(wake::kMail);
}

void Session::Pooled::on_answer(Ticket ticket, bool hears) {
  own.on_listening_answer(ticket, hears);
  session.waiter_.raise(wake::kMail);
}

// It must not go on as if it had heard everything: it comes again, and looks for itself.
void Session::Pooled::on_overflow() {
  ask_to_end({.reason = Reason::client_slow,
              .side = Side::client,
              .sqlstate = sqlstate::kConfigurationLimit,
              .message = "terminating connection: too many notifications wait for the client",
              .hint = "At most 1 MiB of them wait for a client that does not read or has a "
                      "transaction open."},
             false);
}

// What is notified at the new place it would miss: it comes again, and listens there.
void Session::Pooled::on_outdated() {
  if (own.notifications == nullptr) return;
  ask_to_end({.reason = Reason::drain,
              .side = Side::internal,
              .sqlstate = sqlstate::kAdminShutdown,
              .message = "terminating connection due to administrator command",
              .detail = "A reload has changed the server that this session listens to."},
             true);
}

}  // namespace trunkline::session
