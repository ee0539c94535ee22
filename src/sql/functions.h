#pragma once

#include <string_view>

#include "sql/suspicions.h"

namespace trunkline::sql {

// What calling a function of this (folded) name may do, if nothing but PostgreSQL's own functions
// bear it. None for those that leave nothing behind in the session and write nothing; opaque and
// may_write for every name that is not in the table.
//
// A database may give functions of its own the same names with other argument types, and a call
// may mean those. Who must know asks the catalog once: any function outside pg_catalog for whose
// name `is_known_harmless`.
Suspicions suspicions_of_call(std::string_view name);
bool is_known_harmless(std::string_view name);

// Types of pg_catalog, by the names that are not keywords as well.
bool is_builtin_type(std::string_view name);

}  // namespace trunkline::sql
