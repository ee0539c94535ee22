#include <string>
#include <utility>

#include "session/pooled_machine.h"

// Channels that code listens to which is not seen: from when they are found on the session's
// connection until the pool's listener hears them for it.
namespace trunkline::session {

using sql::StatementKind;
using sql::Suspicion;

// Of the connection, on which some are.
bool PooledMachine::wants_channels() const {
  if (identity_.listening == nullptr || identity_.keeps_connection) return false;
  return notifications_ == nullptr || notifications_->may_adopt();
}

// Ahead of code that seems to UNLISTEN: what it ends is seen when the connection is asked.
void PooledMachine::lay_channels_on(const sql::TextFacts& facts, Pieces& out) {
  if (!facts.has(Suspicion::unlistens) || notifications_ == nullptr || is_failed()) return;
  bool is_unseen = facts.has(Suspicion::opaque) || facts.has(StatementKind::do_) ||
                   facts.has(StatementKind::call);
  if (!is_unseen || notifications_->channels().empty() || laid_on_) return;
  std::string messages;
  for (const std::string& each : notifications_->channels()) {
    std::string sql;
    pool::append_channel_statement(sql, "LISTEN", each);
    append_run(messages, sql, nullptr);
  }
  notifications_->lay_on();
  laid_for_code_ = true;
  out.add(keep(std::move(messages)));
}

void PooledMachine::adopt_channels() {
  adopting_ = Adopting::no;
  SessionChannels::Names found = std::exchange(found_channels_, {});
  if (notifications_ == nullptr) make_notifications();
  if (std::exchange(laid_for_code_, false)) found = notifications_->settle(std::move(found));
  // Nothing is left of code's own: those of the session go by themselves.
  if (found.empty()) return pins_.remove(Pin::listen);
  // Of nobody's: each of the server's processes serves one session at a time.
  uint32_t process = server_->server.cancel_key.process_id;
  notifications_->adopt(std::move(found), "trunkline_mark_" + std::to_string(process));
}

void PooledMachine::end_mark() {
  adopting_ = Adopting::no;
  if (notifications_->end_mark()) pins_.remove(Pin::listen);
}

}  // namespace trunkline::session
