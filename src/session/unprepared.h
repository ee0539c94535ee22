#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pool/statements.h"
#include "sql/lexer.h"

// What PostgreSQL says in a failed transaction of a statement that it knows and this connection
// does not, where it can no longer be prepared. Source: postgres.c.
namespace trunkline::session {

// Of a Bind whose numbers do not fit each other or the statement, before it looks at anything else
// (exec_bind_message). Nothing when they fit, or when that can only be told by the server. `name`:
// the client's of the statement; `values`: the body of the Bind behind the names.
std::optional<std::string> mistake_of_bind(const pool::Statement& statement, std::string_view name,
                                           std::string_view values, sql::Syntax syntax);

// The body of a Parse, behind the name, that is taken there and described in the same way: no text,
// the same parameters. Nothing when the statement has columns, which are not described there
// (exec_describe_statement_message), or when the server alone knows its parameters.
std::optional<std::string> described_alike(const pool::Statement& statement, sql::Syntax syntax);

}  // namespace trunkline::session
