#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pool/statements.h"
#include "sql/lexer.h"

namespace trunkline::session {

// What PostgreSQL says of a Bind whose numbers do not fit each other or the statement, before it
// looks at anything else (postgres.c: exec_bind_message). Nothing when they fit, or when that can
// only be told by the server. `name`: the client's of the statement; `values`: the body of the Bind
// behind the names.
std::optional<std::string> mistake_of_bind(const pool::Statement& statement, std::string_view name,
                                           std::string_view values, sql::Syntax syntax);

}  // namespace trunkline::session
