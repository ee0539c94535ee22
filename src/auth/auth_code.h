#pragma once

#include <cstdint>

namespace trunkline::auth {

// The Int32 of an Authentication message ("Message Formats" in the PostgreSQL documentation), as
// far as the proxy answers or sends it.
enum class AuthCode : int32_t {
  ok = 0,
  cleartext_password = 3,
  md5_password = 5,
  sasl = 10,
  sasl_continue = 11,
  sasl_final = 12
};

}  // namespace trunkline::auth
