#pragma once

#include <string>

#include "route/facts.h"
#include "route/table.h"

namespace trunkline::route {

// The routing table, one line a route; for `trunkline check`. Never shows a password.
std::string describe(const RouteTable& table);

// Which route wins for these facts, why each before it does not, and what is rewritten; for
// `trunkline route`.
std::string explain(const RouteTable& table, const Facts& facts);

// The facts on one line, printable; for the log line of a client that matches nothing.
std::string looked_at(const Facts& facts);

}  // namespace trunkline::route
