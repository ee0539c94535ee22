#pragma once

#include <string>
#include <string_view>

#include "config/model.h"
#include "config/reader.h"

// One function for each section of the file, each in a file of its own kind: they read one value
// into the model and report what is wrong with it alone. What concerns several sections is in
// check.cc.
namespace trunkline::config {

// Timeouts and limits that are far outside of sense are slips of the pen.
inline constexpr Duration kTimeoutMin = 1ms;
inline constexpr Duration kTimeoutMax = std::chrono::hours(24);
inline constexpr uint32_t kClientsMax = 1'000'000;
inline constexpr uint32_t kConnectionsMax = 100'000;
inline constexpr uint32_t kQueriesMax = 1'000'000;
inline constexpr uint32_t kAuthQueryConnectionsMax = 100;
inline constexpr uint16_t kNodeIdMax = 16383;
inline constexpr uint32_t kWorkersMax = 1024;
inline constexpr uint64_t kMessageSizeMin = 16 << 10;
inline constexpr uint64_t kMessageSizeMax = 1 << 30;
inline constexpr uint64_t kMemoryLimitMin = 1 << 20;
inline constexpr uint64_t kMemoryLimitMax = 1ULL << 44;
// PostgreSQL cuts names to this (NAMEDATALEN); longer ones in the file could never match.
inline constexpr size_t kNameBytesMax = 63;
// sun_path, less the longest ".s.PGSQL.65535" and the closing zero.
inline constexpr size_t kUnixFolderBytesMax = 108 - 16;

void load_general(const Mapping& root, Config& config);
// `mode_without_certificates` is what a listener does that says nothing about TLS.
void load_listen(const Value& value, ClientTlsMode mode_without_certificates, Config& config);
void load_admin(const Value& value, Config& config);
void load_pool(const Value& value, Pool& pool);
void load_auth_query(const Value& value, std::optional<AuthQuery>& query);
void load_upstreams(const Value& value, Config& config);
void load_routes(const Value& value, Config& config);  // after load_upstreams: names them
void load_mappings(const Value& value, Config& config);
void load_user_mappings(const Value& value, Config& config);
void load_users(const Value& value, Config& config);
void load_users_file(const Value& value, Config& config);
void load_authentication(const Value& value, Config& config);
void load_hba_file(const Value& value, Config& config);
void load_ident(const Value& value, Config& config);
void load_ident_file(const Value& value, Config& config);

// Parts that several sections share.
void load_server_tls(const Value& value, ServerTls& tls);
bool check_host(const Value& value, const std::string& host, bool captures_allowed);
std::optional<std::string> load_name(const Value& value);  // of a user or database
std::optional<Pattern> load_pattern(const Value& value);
bool has_capture(std::string_view text);  // $0 to $9; $$ is a dollar sign

// What concerns several sections; the last step of a load.
void check(const Mapping& root, Config& config);

}  // namespace trunkline::config
