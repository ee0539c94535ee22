#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace trunkline::sql {

// What one statement is, by its first words. As fine as pooling asks: what changes a session, what
// a transaction, what may not run inside one; all other DDL is one kind.
enum class StatementKind : uint8_t {
  empty,   // none: PostgreSQL skips it
  select,  // also TABLE, and what stands in parentheses
  values,
  with,
  insert,
  update,
  delete_,
  merge,
  begin,     // BEGIN, START TRANSACTION
  commit,    // COMMIT, END
  rollback,  // ROLLBACK, ABORT
  savepoint,
  release,
  rollback_to,
  prepare_transaction,
  commit_prepared,
  rollback_prepared,
  set,
  set_transaction,
  set_session_characteristics,
  set_role,                   // however it is written, but for RESET
  set_session_authorization,  // likewise
  set_constraints,
  reset,
  reset_all,
  show,
  discard_all,
  discard_plans,
  discard_sequences,
  discard_temp,
  listen,
  unlisten,
  unlisten_all,
  notify,
  prepare,
  execute,
  deallocate,
  deallocate_all,
  declare,
  fetch,
  move,
  close,
  close_all,
  copy_in,      // FROM STDIN
  copy_out,     // TO STDOUT
  copy_server,  // a file or a program of the server's
  lock,
  do_,
  call,
  explain,  // does not run anything
  explain_analyze,
  vacuum_like,  // may not run, or not in all its forms, inside a transaction block
  create_temp,
  alter_role_or_database,  // may change what settings a new session begins with
  ddl,
  load,
  checkpoint,
  other,  // unknown, or too long at its beginning to tell
};
inline constexpr int kStatementKinds = static_cast<int>(StatementKind::other) + 1;

std::string_view name_of(StatementKind kind);

class KindSet {
 public:
  constexpr KindSet() = default;
  constexpr KindSet(std::initializer_list<StatementKind> kinds) {
    for (StatementKind kind : kinds) add(kind);
  }

  constexpr void add(StatementKind kind) { bits_ |= bit(kind); }
  constexpr bool has(StatementKind kind) const { return (bits_ & bit(kind)) != 0; }
  constexpr bool has_any_of(KindSet other) const { return (bits_ & other.bits_) != 0; }
  constexpr bool is_within(KindSet other) const { return (bits_ & ~other.bits_) == 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr KindSet operator|(KindSet other) const {
    KindSet both = *this;
    both.bits_ |= other.bits_;
    return both;
  }
  bool operator==(const KindSet&) const = default;

 private:
  static_assert(kStatementKinds <= 64);
  static constexpr uint64_t bit(StatementKind kind) {
    return uint64_t{1} << static_cast<int>(kind);
  }

  uint64_t bits_ = 0;
};

// They leave nothing behind but what their suspicions name.
inline constexpr KindSet kPlainKinds = {
    StatementKind::empty,      StatementKind::select,          StatementKind::values,
    StatementKind::with,       StatementKind::insert,          StatementKind::update,
    StatementKind::delete_,    StatementKind::merge,           StatementKind::show,
    StatementKind::explain,    StatementKind::explain_analyze, StatementKind::lock,
    StatementKind::checkpoint, StatementKind::fetch,           StatementKind::move,
    StatementKind::copy_in,    StatementKind::copy_out,        StatementKind::copy_server};

// They act on the session's prepared statements or settings, or on all of its state, which is the
// proxy's: forwarded as they are they would act on the server connection's.
inline constexpr KindSet kRewrittenKinds = {
    StatementKind::prepare,        StatementKind::execute, StatementKind::deallocate,
    StatementKind::deallocate_all, StatementKind::reset,   StatementKind::reset_all,
    StatementKind::discard_all};

}  // namespace trunkline::sql
