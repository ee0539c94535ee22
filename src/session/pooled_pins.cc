#include <algorithm>
#include <string>

#include "observe/log.h"
#include "pool/metrics.h"
#include "session/pooled_machine.h"

// What keeps a session on its connection: how many may be kept so, what a pool does not let come to
// that, and who sees it.
namespace trunkline::session {

using pool::PoolCells;
using sql::StatementKind;
using sql::Suspicion;

namespace {

Pins certain_pins(const sql::Statement& statement) {
  using Value = sql::SettingValue::Kind;
  switch (statement.kind) {
    case StatementKind::set:
    case StatementKind::set_role: {
      bool is_known =
          statement.value.kind == Value::given || statement.value.kind == Value::to_default;
      bool stays = !statement.is_local && (!is_known || statement.is_malformed);
      return stays ? Pins(Pin::unknown_setting) : Pins();
    }
    case StatementKind::set_session_characteristics:
      return statement.modes.is_certain ? Pins() : Pins(Pin::unknown_setting);
    case StatementKind::set_session_authorization:
      return statement.value.kind == Value::to_default ? Pins() : Pins(Pin::session_authorization);
    default:
      return {};
  }
}

// What the log calls the cause, never its text.
StatementKind cause_of(const sql::TextFacts& facts) {
  for (const sql::Statement& statement : facts.statements()) {
    bool is_plain = sql::kPlainKinds.has(statement.kind) &&
                    statement.suspicions.without(sql::kHarmlessSuspicions).none();
    if (!is_plain) return statement.kind;
  }
  return StatementKind::other;
}

constexpr sql::Suspicions kMayMoveSequence = {
    Suspicion::moves_sequence, Suspicion::may_write,     Suspicion::opaque,
    Suspicion::dblink,         Suspicion::unknown_types, Suspicion::may_fire_triggers};

std::string names_of(Pins pins) {
  std::string names;
  for (size_t i = 0; i < kPinSettings.size(); ++i) {
    if (!pins.has(pin_at(i))) continue;
    if (!names.empty()) names += ", ";
    names += kPinSettings[i];
  }
  return names;
}

}  // namespace

sql::Suspicions suspicions_of_run(const sql::TextFacts& facts) {
  bool is_known = !facts.is_cut() && facts.outcome() != sql::Lexer::Outcome::unclear;
  if (!facts.has(StatementKind::prepare) || !is_known) return facts.suspicions();
  sql::Suspicions suspicions;
  for (const sql::Statement& statement : facts.statements()) {
    if (statement.kind != StatementKind::prepare) suspicions.add(statement.suspicions);
  }
  return suspicions;
}

// Nothing but the end of the session takes these away, or DISCARD SEQUENCES that one.
Pins certain_pins(const sql::TextFacts& facts) {
  Pins pins;
  sql::Suspicions suspicions = suspicions_of_run(facts);
  if (facts.is_cut()) pins.add(Pin::unknown_setting);
  if (suspicions.has(Suspicion::setseed)) pins.add(Pin::random_seed);
  if (suspicions.has(Suspicion::moves_sequence)) pins.add(Pin::sequence);
  if (suspicions.has(Suspicion::set_config)) pins.add(Pin::unknown_setting);
  // dblink's connections, for one, are of the server's process, and end with it.
  if (suspicions.has_any_of({Suspicion::binds_process, Suspicion::dblink}) ||
      facts.has(StatementKind::load)) {
    pins.add(Pin::process_state);
  }
  for (const sql::Statement& statement : facts.statements()) {
    pins.add(certain_pins(statement));
    // Statements that are prepared with it are known by what it is set to.
    if (std::ranges::any_of(statement.settings, SessionSettings::has_meaning)) {
      pins.add(Pin::unknown_setting);
    }
  }
  return pins;
}

// Those too that the server is asked about afterwards.
Pins PooledMachine::foreseen_pins(const sql::TextFacts& facts) const {
  Pins pins = certain_pins(facts);
  if (moves_awaited_sequence(suspicions_of_run(facts))) pins.add(Pin::sequence);
  if (facts.has(StatementKind::create_temp)) pins.add(Pin::temporary_object);
  if (facts.has(Suspicion::session_lock)) pins.add(Pin::advisory_lock);
  for (const sql::Statement& statement : facts.statements()) {
    if (statement.kind == StatementKind::declare && statement.with_hold) pins.add(Pin::held_cursor);
  }
  return pins;
}

bool PooledMachine::may_pin(const sql::TextFacts& facts) const {
  return !facts.is_plain() || moves_awaited_sequence(facts.suspicions());
}

// What currval() and lastval() tell is of the connection. A text shows that it calls nextval(), and
// not which default or trigger does. To keep a connection after everything that writes would cost
// all for what few ask: so it is kept where somebody has asked before, in a transaction of its own.
bool PooledMachine::moves_awaited_sequence(sql::Suspicions suspicions) const {
  return suspicions.has_any_of(kMayMoveSequence) && server_ != nullptr &&
         server_->destination != nullptr && server_->destination->asks_for_sequences() &&
         !identity_.rejects.has(Pin::sequence);
}

void PooledMachine::note_sequences(const sql::TextFacts& facts, sql::Suspicions suspicions) {
  if (moves_awaited_sequence(suspicions)) {
    note_cause(facts);
    pins_.add(Pin::sequence);
  }
  may_have_moved_sequence_ |= suspicions.has_any_of(kMayMoveSequence);
  bool asks = suspicions.has(Suspicion::reads_sequence) && !may_have_moved_sequence_ &&
              !pins_.has(Pin::sequence) && !identity_.keeps_connection;
  if (!asks || server_->destination == nullptr || !server_->destination->on_sequence_asked())
    return;
  observe::log(observe::Level::info,
               "currval() or lastval() in a transaction of its own: from here on, sessions of this "
               "pool keep their connection after what may move a sequence",
               {{"session", identity_.session}});
}

// What was sent behind it may have moved one again.
void PooledMachine::on_sequences_discarded() {
  bool is_last = running_done_ + 1 == running_.size() &&
                 statement_ == running_.back().facts->statements().size();
  if (is_last) pins_.remove(Pin::sequence);
}

void PooledMachine::note_cause(const sql::TextFacts& facts) {
  if (counted_pins_.none()) pin_cause_ = cause_of(facts);
}

// By the policy of the pool.
std::optional<Error> PooledMachine::refusal_of_state(Pins wanted) const {
  Pins refused = Pins::from_bits(static_cast<uint16_t>(wanted.bits() & identity_.rejects.bits()));
  if (refused.none() || identity_.keeps_connection) return std::nullopt;
  count(PoolCells::kPinsRefused);
  std::string setting = names_of(refused);
  setting = setting.substr(0, setting.find(','));
  return Error{.reason = Reason::client_rejected,
               .side = Side::client,
               .sqlstate = sqlstate::kFeatureNotSupported,
               .message = std::string(feature_of(refused)) + " is not allowed in this pool",
               .detail = "It would keep a server connection for this session alone.",
               .hint = "The setting is \"" + setting +
                       "\" of \"unmovable_state\" in the \"pool\"; with \"pin\" it is allowed."};
}

// What is certain to pin, or likely, takes a place first, so that the limit is exact.
std::optional<Error> PooledMachine::refusal_of_place(Pins wanted) {
  if (wanted.without(pins_).none() || holds_place_ || identity_.keeps_connection ||
      identity_.pin_places == nullptr) {
    return std::nullopt;
  }
  holds_place_ = identity_.pin_places->try_take();
  if (holds_place_) return std::nullopt;
  count(PoolCells::kPinsRefused);
  return Error{.reason = Reason::client_limit,
               .side = Side::client,
               .retry = Retry::safe,
               .sqlstate = sqlstate::kConfigurationLimit,
               .message = "too many sessions of this pool keep a server connection for themselves",
               .detail = std::string(feature_of(wanted)) + " would make this one do so, too (" +
                         names_of(wanted) + ").",
               .hint = "The limit is \"max_pinned\" of the \"pool\"."};
}

// Outside of a transaction: what has come and gone since the last time.
void PooledMachine::count_pins() {
  bool were_none = counted_pins_.none();
  Pins now = pins_.without(Pin::pool_mode);
  for (size_t i = 0; i < kPinSettings.size() && identity_.pool_cells != nullptr; ++i) {
    bool is = now.has(pin_at(i));
    if (is == counted_pins_.has(pin_at(i))) continue;
    if (is) {
      identity_.pool_cells[PoolCells::kPins + i].add();
      identity_.pool_cells[PoolCells::kPinned + i].add();
    } else {
      identity_.pool_cells[PoolCells::kPinned + i].sub();
    }
  }
  counted_pins_ = now;
  if (identity_.pin_places != nullptr) {
    if (!now.none() && !std::exchange(holds_place_, true)) identity_.pin_places->take();
    if (now.none() && !suspected_ && std::exchange(holds_place_, false)) {
      identity_.pin_places->leave();
    }
  }
  if (!were_none || now.none() || identity_.keeps_connection) return;
  observe::log(observe::Level::info, "session pinned",
               {{"session", identity_.session},
                {"reason", names_of(now)},
                {"statement", sql::name_of(pin_cause_)}});
}

void PooledMachine::forget_pins() {
  pins_ = {};
  suspected_ = false;
  count_pins();
}

}  // namespace trunkline::session
