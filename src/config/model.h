#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/secret.h"
#include "base/time.h"

// The configuration as plain data, one struct for each mapping of the file, in the file's own
// words. What a key means is the business of the module it belongs to, which compiles its part into
// its own types; defaults stand here and nowhere else. Paths are absolute: the loader has resolved
// them against the folder of the file.
namespace trunkline::config {

// Where in the input something stands; line and column count from 1, 0 means the whole file.
struct Location {
  std::string file;
  int line = 0;
  int column = 0;
};

struct Problem {
  Location at;
  std::string key;   // dotted: "routes[2].match.user"
  std::string text;  // what was found, what is allowed, how to mend it
};

enum class LogLevel : uint8_t { debug, info, warn, error };
enum class LogFormat : uint8_t { text, json };

struct Log {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
};

enum class ClientTlsMode : uint8_t { disable, allow, require, passthrough };
enum class ClientCertificate : uint8_t { none, request, require };
enum class TlsVersion : uint8_t { v1_2, v1_3 };

struct Certificate {
  Location at;
  std::vector<std::string>
      names;  // SNI: exact or "*.wildcard"; empty: for clients whose name matches nothing
  std::string cert_file;
  std::string key_file;
};

struct ListenTls {
  Location at;
  ClientTlsMode mode = ClientTlsMode::disable;
  std::vector<Certificate> certificates;  // the first also serves clients without SNI
  ClientCertificate client_certificate = ClientCertificate::none;
  std::string client_ca_file;
  TlsVersion min_version = TlsVersion::v1_2;
};

enum class ProxyProtocolMode : uint8_t { off, accept, require };

struct ProxyProtocol {
  ProxyProtocolMode mode = ProxyProtocolMode::off;
  std::vector<IpNetwork> from;
};

struct Listen {
  Location at;
  std::string address = "*";  // IP, "*", or an absolute folder for a unix socket
  uint16_t port = 6432;
  ProxyProtocol proxy_protocol;
  ListenTls tls;
  bool is_unix() const { return address.starts_with('/'); }
};

struct Admin {
  std::string address = "127.0.0.1";
  uint16_t port = 6433;
};

// In order: from `prefer` on TLS is asked for at once, from `require` on there is no way around it.
enum class ServerTlsMode : uint8_t { disable, allow, prefer, require, verify_ca, verify_full };
enum class TlsNegotiation : uint8_t { starttls, direct };

struct ServerTls {
  Location at;
  ServerTlsMode mode = ServerTlsMode::prefer;
  TlsNegotiation negotiation = TlsNegotiation::starttls;
  std::string ca_file;      // empty: the system's
  std::string server_name;  // SNI and verification; empty: the server's host
  std::string cert_file;    // client certificate towards the server
  std::string key_file;
};

struct ServerAddress {
  std::string
      host;  // IP, name, or absolute folder of a unix socket; an inline upstream's may hold $1
  uint16_t port = 5432;
  bool is_unix() const { return host.starts_with('/'); }
};

struct Upstream {
  Location at;
  std::vector<ServerAddress> servers;
  ServerTls tls;
  Duration connect_timeout = 5s;
  std::optional<uint32_t> max_connections;  // of all pools together
  uint32_t max_logins = 20;                 // of pools, at the same time, to each server
};

// A value to match: exact, with `*`, or a regular expression written /…/ (RE2, always a full
// match).
struct Pattern {
  enum class Kind : uint8_t { exact, wildcard, regex } kind = Kind::exact;
  std::string text;  // without the slashes
};

struct Match {
  std::vector<Pattern> sni;
  std::vector<Pattern> user;
  std::vector<Pattern> database;
  std::vector<Pattern> application_name;
  std::vector<IpNetwork> source;
  std::optional<bool> tls;
};

struct Login {
  std::string user;
  std::optional<Secret> password;  // from `password`, `password_file` or ${ENV}
};

enum class AuthMode : uint8_t { terminate, relay };
enum class Inspect : uint8_t { bytes, messages, statements };

// For how long a session keeps a server connection.
enum class PoolMode : uint8_t {
  none,  // each session has a connection of its own, made for it and closed with it
  session,
  transaction,
  statement,  // as `transaction`, and nobody may open a transaction block
};

// How long the sessions of a pool may take. nullopt: as long as they like.
struct PoolTimeouts {
  std::optional<Duration> query = {};
  std::optional<Duration> transaction = {};
  std::optional<Duration> idle_in_transaction = {};
  std::optional<Duration> client_idle = {};

  bool operator==(const PoolTimeouts&) const = default;
};

// What becomes of a query that comes too soon.
enum class OverQueryLimit : uint8_t { delay, reject };

// What becomes of a session that wants what cannot be moved to another server connection.
enum class StatePolicy : uint8_t { pin, reject };

struct UnmovableState {
  StatePolicy temporary_objects = StatePolicy::pin;
  StatePolicy held_cursors = StatePolicy::pin;
  StatePolicy advisory_locks = StatePolicy::pin;
  StatePolicy random_seed = StatePolicy::pin;
  StatePolicy sequences = StatePolicy::pin;
  StatePolicy unknown_settings = StatePolicy::pin;
  StatePolicy session_authorization = StatePolicy::pin;
  StatePolicy long_statements = StatePolicy::pin;
  StatePolicy process_state = StatePolicy::pin;
};

// How the sessions of a route share server connections: one pool for each route, database and
// user.
struct Pool {
  Location at;
  PoolMode mode = PoolMode::none;
  uint32_t size = 20;
  uint32_t min_size = 0;
  uint32_t guaranteed_size = 0;
  uint32_t reserve_size = 0;
  Duration reserve_after = 5s;
  Duration wait_timeout = 2min;
  Duration idle_timeout = 10min;
  Duration max_lifetime = std::chrono::hours(1);
  PoolTimeouts timeouts = {};
  std::optional<uint32_t> max_queries_per_second;           // of the route
  std::optional<uint32_t> max_queries_per_second_per_user;  // of a user on the route
  OverQueryLimit over_query_limit = OverQueryLimit::delay;
  std::optional<uint32_t> max_pinned;  // nullopt: as many as `size`
  UnmovableState unmovable_state = {};
};

// Passwords of users that are not in `users`, looked up in a database.
struct AuthQuery {
  static constexpr std::string_view kOfClient = "*";

  Location at;
  std::string user;  // who asks
  std::optional<Secret> password;
  std::string database = "postgres";  // where; `kOfClient`: in the one the client goes to
  // One row of name, stored password or NULL, and for how many seconds it holds; or of the first
  // two. Expired is who PostgreSQL would say is (get_role_password in its crypt.c).
  std::string query =
      "select rolname, "
      "case when rolvaliduntil < pg_catalog.now() then null else rolpassword end, "
      "case when pg_catalog.isfinite(rolvaliduntil) "
      "then extract(epoch from rolvaliduntil - pg_catalog.now()) end "
      "from pg_catalog.pg_authid where rolname = $1 and rolcanlogin";
  uint32_t max_connections = 2;
  Duration timeout = 5s;
  Duration cache_ttl = 30s;
  Duration negative_cache_ttl = 30s;  // as long: how soon it is asked again tells who exists
  Duration idle_timeout = 1min;

  AuthQuery clone() const {
    AuthQuery copy{.at = at,
                   .user = user,
                   .password = {},
                   .database = database,
                   .query = query,
                   .max_connections = max_connections,
                   .timeout = timeout,
                   .cache_ttl = cache_ttl,
                   .negative_cache_ttl = negative_cache_ttl,
                   .idle_timeout = idle_timeout};
    if (password) copy.password = password->clone();
    return copy;
  }
};

struct Route {
  Location at;
  std::string short_form;  // of `mappings` and `user_mappings`: the external host or the user
  Match match;
  std::string upstream;                     // a name of `upstreams`, or
  std::optional<Upstream> inline_upstream;  // this one; captures allowed in its host
  std::optional<std::string> database;      // rewrite; captures allowed
  std::optional<Login> login;
  AuthMode auth = AuthMode::terminate;
  std::optional<AuthQuery> auth_query;
  std::optional<Inspect> inspect;  // nullopt: as little as the route needs
  Pool pool;
  std::optional<uint32_t> max_clients;
  std::optional<std::string> reject;
};

struct User {
  Location at;
  std::string name;
  Secret password;  // verifier, md5…, or plain; empty: no password lets this user in
};

enum class ConnectionType : uint8_t { any, local, host, hostssl, hostnossl };
enum class AuthMethod : uint8_t { trust, reject, password, md5, scram_sha_256, cert, peer };

// A name of a rule: `all`, a plain name, `sameuser`, `replication`, or an RE2 expression that must
// match the whole name (the loader has rewritten PostgreSQL's search form).
struct HbaName {
  enum class Kind : uint8_t { all, exact, regex, same_user, replication } kind = Kind::all;
  std::string text;
};

struct AuthenticationRule {
  Location at;
  ConnectionType type = ConnectionType::any;
  std::vector<HbaName> databases;  // empty: all, physical replication included
  std::vector<HbaName> users;      // empty: all
  std::vector<IpNetwork> sources;  // empty: all
  AuthMethod method = AuthMethod::scram_sha_256;
  std::string map;  // ident map for cert and peer; empty: names must be equal
  bool client_certificate_required = false;    // clientcert=verify-ca beside another method
  bool client_certificate_names_user = false;  // clientcert=verify-full: it must also fit the user
};

// One line of an ident map. `system_user` is a name or /regex, `database_user` a name (\1 stands
// for the expression's capture), `all` for every user, or /regex. Expressions are RE2, match a
// whole name, and have no closing slash.
struct IdentMapping {
  Location at;
  std::string map;
  std::string system_user;
  std::string database_user;
};

// The whole file, files it names (users_file, hba_file) included, short forms (`mappings`,
// `user_mappings`) expanded into upstreams and routes.
struct Config {
  std::string file;
  uint16_t node_id = 0;
  std::optional<Secret> secret;  // from `secret_file`
  Duration login_timeout = 15s;
  uint32_t max_clients = 10000;
  std::optional<uint32_t> max_clients_per_source;
  std::optional<uint32_t> max_clients_per_user;
  std::optional<uint32_t> max_clients_per_database;
  std::optional<uint32_t> max_logins_per_second_per_source;
  // Server connections of all pools together.
  std::optional<uint32_t> max_connections_per_database;
  std::optional<uint32_t> max_connections_per_user;
  std::optional<uint32_t> max_connections_per_server;
  Pool pool;                            // what routes start from
  std::optional<AuthQuery> auth_query;  // the same
  uint64_t max_message_size = 1 << 20;
  uint64_t memory_limit = 1ULL << 30;
  std::optional<uint32_t> workers;  // nullopt: auto
  Log log;
  Duration shutdown_timeout = 30s;
  Duration cancel_timeout = 10s;             // of a cancel request to a server
  std::optional<Duration> tcp_user_timeout;  // nullopt: the system's own patience
  uint32_t max_dynamic_upstreams = 1000;
  std::vector<Listen> listen;
  std::optional<Admin> admin;
  std::string metrics_prefix = "trunkline";
  std::map<std::string, Upstream> upstreams;
  std::vector<Route> routes;
  std::vector<User> users;
  std::vector<AuthenticationRule> authentication;  // empty: scram-sha-256 for all
  std::vector<IdentMapping> ident;
  std::vector<Problem> warnings;  // what is allowed and probably not meant
};

}  // namespace trunkline::config
