#pragma once

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/short_string.h"
#include "pool/statements.h"

namespace trunkline::session {

// The prepared statements of a session, by the client's names. One allocation for all of them: what
// they are is shared by all who have prepared the same.
using ClientStatements = boost::unordered_flat_map<ShortString, pool::StatementPtr,
                                                   ShortString::Hash, ShortString::Equal>;

}  // namespace trunkline::session
