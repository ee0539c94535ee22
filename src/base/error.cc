#include "base/error.h"

#include <array>

namespace trunkline {

std::string_view reason_name(Reason reason) {
  static constexpr std::array<std::string_view, static_cast<size_t>(Reason::kCount)> kNames = {
      "client_terminate",      "client_closed",         "client_io_error",
      "client_protocol_error", "client_tls_error",      "client_rejected",
      "client_auth_failed",    "client_limit",          "client_limit_source",
      "client_limit_route",    "client_limit_user",     "client_limit_database",
      "client_limit_logins",   "client_not_session",    "client_slow",
      "login_timeout",         "server_connect_failed", "server_tls_error",
      "server_auth_failed",    "server_error",          "server_closed",
      "server_io_error",       "server_protocol_error", "server_slow",
      "pool_timeout",          "transaction_timeout",   "idle_in_transaction_timeout",
      "client_idle_timeout",   "relay_unavailable",     "drain",
      "internal_error",        "client_unreachable",    "server_unreachable"};
  static_assert(!kNames.back().empty());
  return kNames.at(static_cast<size_t>(reason));
}

}  // namespace trunkline
