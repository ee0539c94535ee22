#pragma once

#include "sql/head.h"
#include "sql/statement.h"

namespace trunkline::sql {

// What a statement is, and what its kind needs, from its first tokens. Of the
// suspicions it adds those that follow from how the words hang together. `end` is where the
// statement does.
void parse_head(const Head& head, Syntax syntax, uint64_t end, Statement& into);

// Whether the statement whose first token is the head's only one can not be told by that alone.
bool needs_more_than_first_word(const Head& head);

// What a statement of this kind may do whatever its words.
Suspicions suspicions_of_kind(StatementKind kind);

// The parts, each behind the statement's first word.
void parse_begin(HeadReader& in, Statement& into);
void parse_commit(HeadReader& in, Statement& into);
void parse_rollback(HeadReader& in, bool is_abort, Statement& into);
// Name and its place.
void take_name(HeadReader& in, Statement& into);
// What stands behind EXECUTE.
void take_prepared(HeadReader& in, Statement& into);
void parse_modes(HeadReader& in, TransactionModes& into);
void parse_set(HeadReader& in, Statement& into);
void parse_reset(HeadReader& in, Statement& into);
// setting_name, also TIME ZONE and its kind, for SHOW and RESET.
Name parse_setting_name(HeadReader& in);
void parse_prepare(HeadReader& in, uint64_t end, Statement& into);
// CREATE TABLE … AS EXECUTE …, or nothing; behind CREATE.
void take_created_as_execute(HeadReader& in, Statement& into);
void parse_ddl(HeadReader& in, std::string_view first, Statement& into);
StatementKind kind_of_copy(HeadReader& in);

}  // namespace trunkline::sql
