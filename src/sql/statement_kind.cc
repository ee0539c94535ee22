#include "sql/statement_kind.h"

#include <array>

namespace trunkline::sql {

std::string_view name_of(StatementKind kind) {
  static constexpr auto kNames = std::to_array<std::string_view>({
      "empty",
      "select",
      "values",
      "with",
      "insert",
      "update",
      "delete",
      "merge",
      "begin",
      "commit",
      "rollback",
      "savepoint",
      "release",
      "rollback_to",
      "prepare_transaction",
      "commit_prepared",
      "rollback_prepared",
      "set",
      "set_transaction",
      "set_session_characteristics",
      "set_role",
      "set_session_authorization",
      "set_constraints",
      "reset",
      "reset_all",
      "show",
      "discard_all",
      "discard_plans",
      "discard_sequences",
      "discard_temp",
      "listen",
      "unlisten",
      "unlisten_all",
      "notify",
      "prepare",
      "execute",
      "deallocate",
      "deallocate_all",
      "declare",
      "fetch",
      "move",
      "close",
      "close_all",
      "copy_in",
      "copy_out",
      "copy_server",
      "lock",
      "do",
      "call",
      "explain",
      "explain_analyze",
      "vacuum_like",
      "create_temp",
      "alter_role_or_database",
      "ddl",
      "load",
      "checkpoint",
      "other",
  });
  static_assert(kNames.size() == kStatementKinds);
  return kNames[static_cast<size_t>(kind)];
}

}  // namespace trunkline::sql
