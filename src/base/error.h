#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace trunkline {

// Error codes of PostgreSQL, appendix A; only those the proxy itself raises or looks for.
namespace sqlstate {
inline constexpr std::string_view kSuccess = "00000";
inline constexpr std::string_view kConnectionFailure = "08006";
inline constexpr std::string_view kServerRejected = "08004";
inline constexpr std::string_view kCannotConnect = "08001";
inline constexpr std::string_view kProtocolViolation = "08P01";
inline constexpr std::string_view kFeatureNotSupported = "0A000";
inline constexpr std::string_view kInvalidParameterValue = "22023";
inline constexpr std::string_view kInvalidAuthorization = "28000";
inline constexpr std::string_view kIdleInTransactionTimeout = "25P03";
inline constexpr std::string_view kTransactionTimeout = "25P04";
inline constexpr std::string_view kIdleSessionTimeout = "57P05";
inline constexpr std::string_view kInvalidPassword = "28P01";
inline constexpr std::string_view kInvalidCatalogName = "3D000";
inline constexpr std::string_view kTooManyConnections = "53300";
inline constexpr std::string_view kOutOfMemory = "53200";
inline constexpr std::string_view kConfigurationLimit = "53400";
inline constexpr std::string_view kCantChangeRuntimeParameter = "55P02";
inline constexpr std::string_view kQueryCanceled = "57014";
inline constexpr std::string_view kAdminShutdown = "57P01";
inline constexpr std::string_view kCannotConnectNow = "57P03";
inline constexpr std::string_view kInternalError = "XX000";
}  // namespace sqlstate

enum class Side : uint8_t { client, server, internal };

// Whether the request that failed may be sent again elsewhere.
enum class Retry : uint8_t { never, if_unsent, safe };

// Why a connection was closed: the same word in log, metrics and console (`reason="..."`). Keep
// `reason_name` in step.
enum class Reason : uint8_t {
  client_terminate,       // the client sent Terminate
  client_closed,          // the client's end of file
  client_io_error,        // reset or other socket error
  client_protocol_error,  // framing violation or unknown message type
  client_tls_error,       // handshake or record layer
  client_rejected,        // by a route with `reject` or no route at all
  client_auth_failed,
  client_limit,           // `max_clients`, and other limits of the process
  client_limit_source,    // `max_clients_per_source`
  client_limit_route,     // `max_clients` of the route
  client_limit_user,      // `max_clients_per_user`
  client_limit_database,  // `max_clients_per_database`
  client_limit_logins,    // `max_logins_per_second_per_source`
  client_not_session,     // a cancel request; closed before a startup packet, as health checks do
  client_slow,            // ended to relieve memory_limit
  login_timeout,
  server_connect_failed,
  server_tls_error,
  server_auth_failed,
  server_error,  // the server ended the session with FATAL or PANIC
  server_closed,
  server_io_error,
  server_protocol_error,
  server_slow,   // did not read; ended to relieve memory_limit
  pool_timeout,  // no server connection came free within `wait_timeout`
  transaction_timeout,
  idle_in_transaction_timeout,
  client_idle_timeout,
  relay_unavailable,  // `auth: relay` cannot work with this client and server
  drain,              // shutdown; or a reload has taken the server away
  internal_error,
  client_unreachable,  // the system has given it up: keep-alive, or `tcp_user_timeout`
  server_unreachable,  // the same; or it has not answered a cancel request
  kCount
};
std::string_view reason_name(Reason reason);

// Made on cold paths, counted once where it is handled. `message`, `detail` and `hint` may be shown
// to the client and logged: they never hold a secret.
struct Error {
  Reason reason = Reason::internal_error;
  Side side = Side::internal;
  Retry retry = Retry::never;
  std::string_view sqlstate = sqlstate::kInternalError;  // always one of the constants above
  std::string message;
  std::string detail = {};
  std::string hint = {};
};

template <typename T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Error error) {
  return std::unexpected(std::move(error));
}

}  // namespace trunkline
