#include <charconv>
#include <fmt/ranges.h>
#include <utility>

#include "pool/guard.h"
#include "session/pooled_machine.h"
#include "wire/builders.h"
#include "wire/messages.h"

// What the proxy asks for itself, before a connection goes on to somebody else: whether the session
// may leave it, what it has left there, and what a client that is gone has not ended.
namespace trunkline::session {

namespace type = wire::server_message;
using wire::Request;
using wire::ResponseQueue;
using wire::TransactionStatus;

bool PooledMachine::may_leave() const {
  if (server_ == nullptr || awaiting() || unit_open_ || in_block_) return false;
  if (reader_.in_body() || server_->scanner.body_left() > 0) return false;
  if (server_->spoilt) return server_->queue.empty();
  if (notifications_ != nullptr && (notifications_->fenced() || notifications_->has_left())) {
    return false;
  }
  if (lays_on_ || names_question_ != nullptr) return false;
  if (has_client_names()) return false;
  // The client's message waits for it.
  if (!settings_question_.empty() || of_settings_ != OfSettings::not_asked) return false;
  return server_->queue.idle() && !suspected_ && pins_.none() && !awaits_long_unnamed();
}

bool PooledMachine::has_own_request() const {
  if (server_ == nullptr || reader_.in_body()) return false;
  if (wants_sync_ || wants_rollback_) return true;
  const ResponseQueue& queue = server_->queue;
  bool rests = queue.empty() && !unit_open_ && !in_block_ && !server_->spoilt;
  if (!rests) return false;
  if (queue.in_doubt()) return true;
  bool has_left = notifications_ != nullptr && notifications_->has_left() && !laid_on_;
  return queue.idle() && (suspected_ || has_left || lays_on_ || names_question_ != nullptr ||
                          !settings_question_.empty() || adopting_ == Adopting::wanted ||
                          (notifications_ != nullptr && notifications_->may_mark()) ||
                          (has_client_names() && pins_.none()));
}

void PooledMachine::append_own_request(Pieces& out) {
  std::string request;
  auto query = [&](std::string_view sql) {
    wire::append_query(request, sql);
    server_->queue.push(Request::query, 0, ResponseQueue::kSwallow);
    server_->unnamed = nullptr;  // a Query drops it; the client's is another matter
  };
  if (std::exchange(wants_sync_, false)) {
    wire::append_sync(request);
    server_->queue.push(Request::sync, identity_.session);
  } else if (std::exchange(wants_rollback_, false)) {
    query("ROLLBACK");
  } else if (!server_->queue.in_doubt() && lays_on_) {
    laid_on_ = std::exchange(lays_on_, false);
    // The guard that follows leaves them alone; of somebody else none may be there.
    bool foreign = server_->last_session != identity_.session;
    query((foreign ? "UNLISTEN *;" : "") + notifications_->lay_on());
  } else if (!server_->queue.in_doubt() && !settings_question_.empty()) {
    of_settings_ = OfSettings::asking;
    server_->unproven = true;  // it resets them
    query(std::exchange(settings_question_, {}));
  } else if (!server_->queue.in_doubt() && notifications_ != nullptr &&
             notifications_->has_left() && !laid_for_code_) {
    query(notifications_->take_left());
  } else if (!server_->queue.in_doubt() && !suspected_ && adopting_ == Adopting::wanted) {
    adopting_ = Adopting::asking;
    found_channels_.clear();
    query("SELECT * FROM pg_catalog.pg_listening_channels()");
  } else if (!server_->queue.in_doubt() && !suspected_ && notifications_ != nullptr &&
             notifications_->may_mark()) {
    adopting_ = Adopting::marking;
    query(notifications_->take_mark());
  } else if (!server_->queue.in_doubt() && !suspected_ && has_client_names() && pins_.none()) {
    query("DEALLOCATE ALL");
    take_names_off();
  } else if (!server_->queue.in_doubt() && !suspected_ && names_question_ != nullptr) {
    asking_names_ = true;
    query(names_question_->sql());
  } else {
    // In doubt, any answer will do.
    probing_ = !server_->queue.in_doubt();
    if (probing_) suspected_ = probed_ = false;
    query(probing_ ? probe() : "");
  }
  kept_.clear();
  out.add(keep(std::move(request)));
}

std::string PooledMachine::probe() const {
  std::string probe(kProbe);
  if (auto names = settings_.customized(); !names.empty()) {
    probe += fmt::format(kProbeCustomized, fmt::join(names, ","));
  }
  if (has_client_names()) add_names(probe);
  return probe;
}

PooledMachine::Cleaning PooledMachine::clean_up(Pieces& out) {
  if (server_ == nullptr) return Cleaning::done;
  if (reader_.in_body() || server_->spoilt || has_spoilt()) return Cleaning::useless;
  ResponseQueue& queue = server_->queue;
  bool has_left = notifications_ != nullptr && notifications_->has_left();
  std::string request;
  auto query = [&](std::string_view sql) {
    only_reads_ = false;  // what runs now is ours
    wire::append_query(request, sql);
    queue.push(Request::query, 0, ResponseQueue::kSwallow);
    server_->unnamed = nullptr;
  };
  if (queue.in_copy_in()) {
    {
      wire::MessageBuilder(request, wire::client_message::kCopyFail).c_string("client is gone");
    }
    queue.push(Request::copy_end, 0);
  }
  if (!awaiting() && (unit_open_ || !queue.empty())) {
    // What ran without a Sync is undone, as when a client of PostgreSQL's own goes: so it fails.
    wire::append_bind(request, "", kNoStatement, {});
    queue.push(Request::bind, identity_.session);
    wire::append_sync(request);
    queue.push(Request::sync, identity_.session);
  } else if (!awaiting() && queue.status() != TransactionStatus::idle) {
    query("ROLLBACK");
  } else if (!awaiting() && (suspected_ || has_left || has_client_names() || !pins_.none())) {
    // It drops what the guard and others have prepared, too.
    query("DISCARD ALL");
    suspected_ = false;
    pins_ = {};
    take_names_off();
    server_->unproven = false;
    settings_ = SessionSettings(nullptr);
    if (has_left) notifications_->forget_left();
  }
  if (request.empty()) return !awaiting() && queue.idle() ? Cleaning::done : Cleaning::under_way;
  kept_.clear();
  out.add(keep(std::move(request)));
  return Cleaning::under_way;
}

bool PooledMachine::rests() const {
  // What the client has begun, or is owed.
  if (server_ != nullptr || !reader_.at_boundary() || refusing_ || has_answers()) return false;
  if (!held_ready_.empty() || is_admitted_ || wants_restart_ || violation_ != nullptr) return false;
  if (notifications_ != nullptr && (notifications_->fenced() || !notifications_->empty())) {
    return false;
  }
  // What it may still be told, and what is counted of it.
  return !in_transaction() && !to_be_told_ && !defaults_changed_ && counted_pins_.none() &&
         !holds_place_;
}

void PooledMachine::trim() {
  reader_.trim();
  kept_.clear();
  if (server_ != nullptr) return;
  // Some are kept: the next transaction of whatever session needs as many.
  constexpr size_t kKept = 64;
  if (running_.capacity() > kKept) running_ = {};
  if (changes_.capacity() > kKept) changes_ = {};
  if (named_.capacity() > kKept) named_ = {};
  if (portals_.capacity() > kKept) portals_ = {};
}

// To a request of ours.
void PooledMachine::on_own_answer(char message, const ResponseQueue::Attribution& answer) {
  // A statement of the client's that was prepared again; the guard's own have no owner.
  bool confirms = message == type::kParseComplete || message == type::kCommandComplete;
  if (confirms && answer.entry.owner != 0) on_change_confirmed();
  if (message != type::kReadyForQuery) return;
  if (asking_names_) forget_names_question();
  bool of_settings = of_settings_ == OfSettings::asking || of_settings_ == OfSettings::found;
  if (of_settings) end_question_of_settings(of_settings_ == OfSettings::found);
  if (adopting_ == Adopting::asking) adopt_channels();
  if (adopting_ == Adopting::marking) end_mark();
  // An error of the probe has told nothing, and after DISCARD ALL the client's own are not there.
  bool has_told = std::exchange(probing_, false) && probed_;
  if (has_told && !settings_.server_differs()) settings_.learn(std::exchange(found_, {}));
  // A ROLLBACK of ours, for a client that is gone.
  if (in_block_ && answer.status == TransactionStatus::idle) settings_.on_error(false);
  in_block_ = answer.status != TransactionStatus::idle;
  // What was asked ahead of the session's own first request found it as somebody else had left it,
  // or the session itself before it changed its settings on another one.
  if (!in_block_ && settings_are_laid_ && !settings_.server_differs()) {
    server_->settings = settings_.current();
  }
  if (!in_block_) count_pins();
}

// An error of what the proxy asks for itself, within a time limit of the client's, say, is not the
// client's. Without the probe's answer anything may be left on the connection.
bool PooledMachine::fails_question(std::string_view error) {
  if (asking_names_ || of_settings_ == OfSettings::asking) return true;
  if (wire::ErrorFields(error).severity() == wire::Severity::fatal) return may_lose_server();
  if (adopting_ == Adopting::marking) return true;
  if (adopting_ == Adopting::asking) {
    adopting_ = Adopting::no;
    laid_for_code_ = false;
    return true;
  }
  if (!probing_) return false;
  laid_for_code_ = false;
  pins_.add(Pin::unknown_setting);
  return true;
}

// What the texts of this pool name, before the connection goes on to somebody else.
void PooledMachine::ask_for_names() {
  if (pins_.none() && !suspected_) names_question_ = server_->destination->plain_names().ask(now_);
}

void PooledMachine::on_names_answer(const std::vector<std::string_view>& row) {
  if (row.size() == 2) names_question_->on_row(row[0], row[1] == "t");
}

void PooledMachine::forget_names_question() {
  names_question_ = nullptr;
  asking_names_ = false;
}

// First the pins, in a row of one number; then what is set in the session, a row for each setting.
void PooledMachine::on_probed(const std::vector<std::string_view>& row) {
  if (row.size() == 1) {
    uint16_t bits = 0;
    std::from_chars(row[0].data(), row[0].data() + row[0].size(), bits);
    if ((bits & kProbedWithoutNames) != 0 && names_ == Names::ours) take_names_off();
    pins_.remove(kProbedPins);
    pins_.add(Pins::from_bits(static_cast<uint16_t>(bits & kProbedPins.bits())));
    bool asks = (pins_.has(Pin::listen) || laid_for_code_) && wants_channels();
    adopting_ = asks ? Adopting::wanted : Adopting::no;
    laid_for_code_ = laid_for_code_ && asks;
    found_ = {};
    probed_ = true;
  } else if (row.size() == 2) {
    found_.set(row[0], std::string(row[1]));
  } else if (row.size() == 3) {
    // Code that is not seen has dropped it.
    statements_.erase(row[0]);
  }
}

}  // namespace trunkline::session
