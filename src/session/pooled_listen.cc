#include <utility>

#include "base/bytes.h"
#include "session/pooled_machine.h"
#include "wire/builders.h"
#include "wire/messages.h"
#include "wire/protocol.h"

// LISTEN and NOTIFY: what the client listens to is heard for it by a connection of the pool's own.
namespace trunkline::session {

namespace type = wire::server_message;
using sql::StatementKind;
using sql::Suspicion;

namespace {

// They notify, or run what may.
constexpr sql::Suspicions kMayNotify = {Suspicion::notifies,      Suspicion::opaque,
                                        Suspicion::dblink,        Suspicion::may_fire_triggers,
                                        Suspicion::runs_prepared, Suspicion::unknown_types};
constexpr sql::KindSet kListenKinds = {StatementKind::listen, StatementKind::unlisten,
                                       StatementKind::unlisten_all};

constexpr size_t kPiecesOfNotification = 4;

}  // namespace

// False: something is to be heard from the listener first, and the client's message waits for it.
bool PooledMachine::may_send(const sql::TextFacts& facts) {
  if (notifications_ == nullptr) {
    if (identity_.listening == nullptr || !facts.has(StatementKind::listen)) return true;
    make_notifications();
  }
  if (!notifications_->may_send(facts)) return false;
  if (notifications_->channels().empty() || !facts.suspicions().has_any_of(kMayNotify)) return true;
  // What somebody else has just sent by this connection must not pass for the client's own: many
  // clients drop those.
  if (server_->sender == nullptr || identity_.process_id == nullptr) return true;
  uint32_t before = server_->sender->client();
  return before == 0 || before == *identity_.process_id || notifications_->may_use(server_);
}

void PooledMachine::make_notifications() {
  const std::string* encoding = told_ ? told_->find("client_encoding") : nullptr;
  notifications_ =
      std::make_unique<Notifications>(*identity_.listening, encoding ? *encoding : std::string());
}

// It goes to the server.
void PooledMachine::note_listens(const sql::TextFacts& facts) {
  if (facts.suspicions().has_any_of(kMayNotify)) note_notifies();
  if (!facts.kinds().has_any_of(kListenKinds)) return;
  bool served = notifications_ != nullptr && notifications_->serves(facts);
  if (served) notifications_->on_sent(facts);
  server_->unproven = true;
  // What was listened to by code that is not seen, or is not ours to serve, the server tells.
  bool own = pins_.has(Pin::listen) || identity_.listening == nullptr;
  if (own || (facts.has(StatementKind::listen) && !served)) suspected_ = true;
}

// Something that may write, and notify.
void PooledMachine::note_notifies() {
  only_reads_ = false;
  may_notify_ = true;
  if (server_->sender != nullptr && identity_.process_id != nullptr) {
    server_->sender->set_client(*identity_.process_id);
  }
}

// ReadyForQuery.
void PooledMachine::end_listening_unit() {
  if (notifications_ != nullptr) {
    std::optional<uint32_t> sender;
    if (may_notify_) sender = identity_.process_id != nullptr ? *identity_.process_id : 0;
    notifications_->on_ready(in_block_, sender);
  }
  if (in_block_) return;
  may_notify_ = laid_on_ = false;
  if (notifications_ != nullptr && notifications_->idle()) notifications_.reset();
  if (pins_.has(Pin::listen) && wants_channels()) adopting_ = Adopting::wanted;
}

bool PooledMachine::waits_for_listener() const {
  if (notifications_ == nullptr || in_block_) return false;
  return notifications_->fenced() || !notifications_->empty();
}

// Between transactions, and between messages.
bool PooledMachine::may_tell_notifications() const {
  if (notifications_->fenced() || unit_open_ || in_block_) return false;
  return server_ == nullptr || server_->scanner.body_left() == 0 || swallowing_body_;
}

bool PooledMachine::has_notifications() const {
  if (notifications_ == nullptr || !may_tell_notifications()) return false;
  return !notifications_->empty() || !held_ready_.empty();
}

void PooledMachine::take_notifications(Pieces& out) {
  if (notifications_ == nullptr || !may_tell_notifications()) return;
  uint64_t messages = 0;
  while (!notifications_->empty() && out.room() > kPiecesOfNotification) {
    out.add(given_.emplace_back(notifications_->take(messages)));
  }
  if (!held_ready_.empty() && notifications_->empty() && out.room() > kPiecesOfNotification) {
    out.add(given_.emplace_back(std::exchange(held_ready_, {})));
    ++messages;
  }
  if (messages > 0) tally_.on_server_messages(messages);
}

// On the session's own connection: what it listens to there, as code did that was not seen. Others
// have it from the listener.
PooledMachine::Fate PooledMachine::on_notification_response(std::string_view body) {
  bool listens_here = identity_.keeps_connection || suspected_ || probing_ ||
                      pins_.has_any_of({Pin::listen, Pin::long_statement});
  std::optional<pool::ServerNotification> from = pool::parse_notification(body);
  if (from && notifications_ != nullptr && notifications_->is_mark(from->channel)) {
    return Fate::swallow;
  }
  if (!from) return Fate::swallow;
  bool own = from->process_id == server_->server.cancel_key.process_id;
  if (notifications_ != nullptr && notifications_->serves(from->channel)) {
    if (own) notifications_->on_own_heard();
    return Fate::swallow;
  }
  if (!listens_here) return Fate::swallow;
  tally_.on_server_message(type::kNotificationResponse, body, wire::TransactionStatus::idle, now_);
  if (!own || identity_.process_id == nullptr) return Fate::pass;
  replacement_ = pool::make_notification(*from, *identity_.process_id)->message;
  return Fate::replace;
}

}  // namespace trunkline::session
