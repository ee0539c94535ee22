#pragma once

#include <string_view>

#include "base/secret.h"

namespace trunkline::auth {

// The password as SCRAM hashes it: prepared by SASLprep (RFC 4013), or as it is when it is not
// valid UTF-8 or holds what SASLprep prohibits. PostgreSQL does the same on both of its sides, so
// that passwords in other encodings work (PostgreSQL documentation, "SASL Authentication"). Any
// thread.
Secret saslprep(std::string_view password);

}  // namespace trunkline::auth
