#include <array>
#include <string>

#include "config/model.h"
#include "config/names.h"
#include "config/quantity.h"
#include "config/reference.h"

namespace trunkline::config {

namespace {

// Defaults are read from a model that nothing was loaded into.
const Config kConfig;
const Listen kListen;
const Admin kAdmin;
const ServerAddress kServer;
const ServerTls kServerTls;
const Upstream kUpstream;
const Route kRoute;
const Pool kPool;
const AuthQuery kAuthQuery;
const AuthenticationRule kRule;

std::string number(uint64_t value) {
  return std::to_string(value);
}
std::string word(auto value) {
  return std::string(to_word(value));
}

constexpr auto kNow = Reload::now;
constexpr auto kCheckout = Reload::next_checkout;
constexpr auto kLogin = Reload::next_login;
constexpr auto kRestart = Reload::restart;

constexpr auto kKeys = std::to_array<Key>({
    {"", "node_id", "number", [] { return number(kConfig.node_id); }, "0 to 16383", kRestart,
     "Names this process in the cancel keys of a cluster; each process of the cluster has its "
     "own."},
    {"", "secret_file", "path", nullptr, "", kRestart,
     "The key for the salts shown to unknown users and for the authentication of cancel keys. "
     "Without it both are random at each start."},
    {"", "login_timeout", "duration", [] { return format_duration(kConfig.login_timeout); },
     "1ms to 1d", kLogin,
     "From a client's first byte to its first ReadyForQuery: one deadline over TLS, login and the "
     "connection to the server."},
    {"", "max_clients", "number", [] { return number(kConfig.max_clients); }, "1 to 1000000",
     kLogin, "Sessions at the same time; one more is refused with 53300."},
    {"", "max_clients_per_source", "number", nullptr, "1 to 1000000", kLogin,
     "Sessions at the same time from one client address, of IPv6 from one network of /64. Without "
     "it "
     "only `max_clients` counts."},
    {"", "max_clients_per_user", "number", nullptr, "1 to 1000000", kLogin,
     "Sessions at the same time of one user, by the name the client gives. Counted once it has "
     "shown who it is."},
    {"", "max_clients_per_database", "number", nullptr, "1 to 1000000", kLogin,
     "Sessions at the same time in one database, by the name the client gives."},
    {"", "max_logins_per_second_per_source", "number", nullptr, "1 to 1000000", kLogin,
     "Logins from one client address, of IPv6 from one network of /64, whether they "
     "succeed or not; as many at once. One more is refused with 53300 before anything is checked. "
     "Not for unix sockets."},
    {"", "max_connections_per_database", "number", nullptr, "1 to 100000", kCheckout,
     "Server connections to one database, by its name at the server, of all pools together."},
    {"", "max_connections_per_user", "number", nullptr, "1 to 100000", kCheckout,
     "Server connections of one user, by its name at the server, of all pools together."},
    {"", "max_connections_per_server", "number", nullptr, "1 to 100000", kCheckout,
     "Connections to one server, by host and port as they are configured, of all pools and "
     "upstreams together. Those of an upstream of several servers count for each of them."},
    {"", "pool", "mapping", nullptr, "", kLogin,
     "How sessions share server connections, for every route that does not say otherwise; without "
     "it each session has its own. See `pool`."},
    {"", "auth_query", "mapping", nullptr, "", kLogin,
     "Look up the passwords of users that are not in `users`, for every route. See `auth_query`."},
    {"", "max_dynamic_upstreams", "number", [] { return number(kConfig.max_dynamic_upstreams); },
     "1 to 1000000", kNow,
     "Upstreams that exist because a capture stands in the host of a route's own upstream."},
    {"", "max_message_size", "size", [] { return format_size(kConfig.max_message_size); },
     "16KiB to 1GiB", kNow,
     "Of a message that must be held whole, such as a statement that is rewritten. What only "
     "passes through streams at any size."},
    {"", "memory_limit", "size", [] { return format_size(kConfig.memory_limit); },
     "1MiB to 16384GiB", kNow,
     "Of all buffers. Relief comes in this order: stop accepting, stop reading from idle clients, "
     "end the slowest reader."},
    {"", "workers", "number", [] { return std::string("auto"); }, "auto, or 1 to 1024", kRestart,
     "Event loops, each on its own thread; `auto` is the number of CPUs this process may use."},
    {"", "shutdown_timeout", "duration", [] { return format_duration(kConfig.shutdown_timeout); },
     "1ms to 1d", kNow,
     "How long a drain waits for open transactions before it closes their sessions."},
    {"", "cancel_timeout", "duration", [] { return format_duration(kConfig.cancel_timeout); },
     "1ms to 1d", kNow,
     "How long a cancel request may take at the server, of a client's or for a timeout of the "
     "pool's. Then the connection it was for is closed as soon as it is free, or at once when what "
     "a timeout has ended goes on there."},
    {"", "tcp_user_timeout", "duration or none", nullptr, "1ms to 1d", kNow,
     "How long a client or server may leave unacknowledged, or not take at all, what was sent to "
     "it, before the system ends the connection (TCP_USER_TIMEOUT); of connections made from then "
     "on. Without it as long as the system tries, about a quarter of an hour, and for ever with a "
     "peer that only does not read."},
    {"", "log", "mapping", nullptr, "", kNow, "What is logged, and how. See `log`."},
    {"", "debug", "boolean", [] { return std::string("false"); }, "true or false", kNow,
     "The same as `log.level: debug`."},
    {"", "listen", "mapping or list", nullptr, "", kRestart,
     "Required. Where clients connect. See `listen`."},
    {"", "admin", "mapping", nullptr, "", kRestart,
     "The HTTP listener for metrics and health; none without it. See `admin`."},
    {"", "metrics", "mapping", nullptr, "", kRestart, "See `metrics`."},
    {"", "upstreams", "mapping of names", nullptr, "", kCheckout,
     "Named sets of servers that hold the same data. With one upstream and no `routes`, `mappings` "
     "or `user_mappings`, every client goes there. See `upstreams.<name>`."},
    {"", "routes", "list", nullptr, "", kLogin,
     "Which client goes where: the first route that matches wins. Routes of `mappings` and "
     "`user_mappings` come after these. See `routes`."},
    {"", "mappings", "list", nullptr, "", kLogin,
     "Short form: SNI host to server, with `auth: relay`. A listener without certificates is then "
     "passthrough. One mapping alone also serves clients without TLS. See `mappings`."},
    {"", "user_mappings", "mapping of users", nullptr, "", kLogin,
     "Short form: user to server, with `auth: relay`. See `user_mappings.<user>`."},
    {"", "users", "list", nullptr, "", kLogin, "Whom the proxy authenticates itself. See `users`."},
    {"", "users_file", "path", nullptr, "", kLogin,
     "More users, in the format of PgBouncer's auth_file: `\"name\" \"password\"` on each line."},
    {"", "authentication", "list", nullptr, "", kLogin,
     "How clients prove who they are: the first rule that matches wins, and none means no. Without "
     "rules: scram-sha-256 for all. See `authentication`."},
    {"", "hba_file", "path", nullptr, "", kLogin,
     "The rules in the syntax of PostgreSQL's pg_hba.conf, instead of `authentication`."},
    {"", "ident", "list", nullptr, "", kLogin,
     "Maps of certificate or system names to users, for the `map` of a rule. See `ident`."},
    {"", "ident_file", "path", nullptr, "", kLogin,
     "More maps, in the syntax of PostgreSQL's pg_ident.conf."},

    {"log", "level", "word", [] { return word(kConfig.log.level); }, "debug, info, warn or error",
     kNow, "The least urgent lines that are written."},
    {"log", "format", "word", [] { return word(kConfig.log.format); }, "text or json", kNow,
     "One line of text, or one JSON object, for each event."},

    {"listen", "address", "text", [] { return kListen.address; },
     "IP address, \"*\", or absolute folder", kRestart,
     "`*` is every address of the machine; a folder holds a unix socket `.s.PGSQL.<port>`."},
    {"listen", "port", "number", [] { return number(kListen.port); }, "1 to 65535", kRestart,
     "The port, also part of a unix socket's name."},
    {"listen", "proxy_protocol", "mapping", nullptr, "", kLogin, "See `listen.proxy_protocol`."},
    {"listen", "tls", "mapping", nullptr, "", kLogin, "See `listen.tls`."},
    {"listen.proxy_protocol", "mode", "word", [] { return word(kListen.proxy_protocol.mode); },
     "off, accept or require", kLogin,
     "Whether a PROXY header (version 1 or 2) may or must come first and name the client's "
     "address."},
    {"listen.proxy_protocol", "from", "network or list", nullptr, "", kLogin,
     "Required on TCP unless the mode is off: whose headers are believed."},
    {"listen.tls", "mode", "word", [] { return word(kListen.tls.mode); },
     "disable, allow, require or passthrough", kLogin,
     "Whether clients may or must use TLS; `passthrough` chooses by SNI and never decrypts. With "
     "certificates the default is allow, beside `mappings` without certificates passthrough."},
    {"listen.tls", "certificates", "list", nullptr, "", kLogin,
     "Required in mode allow and require. The first is for clients that send no known name. See "
     "`listen.tls.certificates`."},
    {"listen.tls", "client_certificate", "word",
     [] { return word(kListen.tls.client_certificate); }, "none, request or require", kLogin,
     "Whether a client may or must show a certificate."},
    {"listen.tls", "client_ca", "path", nullptr, "", kLogin,
     "Whose client certificates are believed; required unless `client_certificate` is none."},
    {"listen.tls", "min_version", "word", [] { return word(kListen.tls.min_version); },
     "1.2 or 1.3", kLogin, "The oldest TLS version that is spoken."},
    {"listen.tls.certificates", "names", "text or list", nullptr, "host name or \"*.domain\"",
     kLogin, "SNI names this certificate is for; exact names win over wildcards."},
    {"listen.tls.certificates", "cert", "path", nullptr, "", kLogin,
     "Required. The certificate and its chain, PEM."},
    {"listen.tls.certificates", "key", "path", nullptr, "", kLogin,
     "Required. Its private key, PEM."},

    {"admin", "address", "text", [] { return kAdmin.address; }, "IP address or \"*\"", kRestart,
     "Where HTTP is served."},
    {"admin", "port", "number", [] { return number(kAdmin.port); }, "1 to 65535", kRestart,
     "Its port."},

    {"metrics", "prefix", "text", [] { return kConfig.metrics_prefix; }, "letters, digits and `_`",
     kRestart, "What the name of every metric starts with."},

    {"upstreams", "servers", "mapping or list", nullptr, "", kCheckout,
     "Required. Tried in order, the next when one cannot be reached. See "
     "`upstreams.<name>.servers`."},
    {"upstreams", "tls", "mapping", nullptr, "", kCheckout, "See `upstreams.<name>.tls`."},
    {"upstreams", "connect_timeout", "duration",
     [] { return format_duration(kUpstream.connect_timeout); }, "1ms to 1d", kCheckout,
     "For one server, from the first packet to the end of TLS."},
    {"upstreams", "max_connections", "number", nullptr, "1 to 100000", kCheckout,
     "Connections to its servers, of all pools together."},
    {"upstreams", "max_logins", "number", [] { return number(kUpstream.max_logins); },
     "1 to 100000", kCheckout,
     "Logins of pools to one server at the same time. After one that fails, one at a time, with "
     "pauses that grow to 2 s."},
    {"upstreams.servers", "host", "text", nullptr, "IP address, host name, or absolute folder",
     kCheckout, "Required. A folder holds a unix socket `.s.PGSQL.<port>`."},
    {"upstreams.servers", "port", "number", [] { return number(kServer.port); }, "1 to 65535",
     kCheckout, "The server's port."},
    {"upstreams.tls", "mode", "word", [] { return word(kServerTls.mode); },
     "disable, allow, prefer, require, verify-ca or verify-full", kCheckout,
     "As libpq's sslmode. `verify-full` is the one that keeps an attacker out."},
    {"upstreams.tls", "negotiation", "word", [] { return word(kServerTls.negotiation); },
     "starttls or direct", kCheckout,
     "As libpq's sslnegotiation; `direct` needs PostgreSQL 17 and mode require or stronger."},
    {"upstreams.tls", "ca", "path", nullptr, "", kCheckout,
     "Whose server certificates are believed in the verify modes; without it the system's "
     "authorities."},
    {"upstreams.tls", "server_name", "text", nullptr, "", kCheckout,
     "The name that is sent as SNI and verified; without it the server's host."},
    {"upstreams.tls", "cert", "path", nullptr, "", kCheckout,
     "The client certificate shown to the server, PEM."},
    {"upstreams.tls", "key", "path", nullptr, "", kCheckout, "Its private key, PEM."},

    {"routes", "match", "mapping", nullptr, "", kLogin,
     "Every key given must match; a route without it matches every client. See `routes.match`."},
    {"routes", "upstream", "name or mapping", nullptr, "", kLogin,
     "A name of `upstreams`, or a server of the route's own. This or `reject` is required. See "
     "`routes.upstream`."},
    {"routes", "database", "text", nullptr, "", kLogin,
     "The database asked of the server instead of the client's; `$1` to `$9` stand for captures of "
     "`match`."},
    {"routes", "login", "mapping", nullptr, "", kLogin,
     "Log in to the server as someone else. See `routes.login`."},
    {"routes", "auth", "word", [] { return word(kRoute.auth); }, "terminate or relay", kLogin,
     "Who authenticates the client: the proxy itself, or the server through the proxy."},
    {"routes", "inspect", "word", [] { return word(Inspect::messages); },
     "bytes, messages or statements", kLogin,
     "How closely the traffic is looked at: not at all, message by message for statistics, or "
     "statement by statement, as every route with a `pool` does."},
    {"routes", "pool", "mapping", nullptr, "", kLogin,
     "How sessions share server connections: one pool for each route, database and user. What is "
     "not given here is as in the `pool` of the file. See `pool`."},
    {"routes", "auth_query", "mapping", nullptr, "", kLogin,
     "Look up the passwords of users that are not in `users`, at the servers of this route. What "
     "is not given here is as in the `auth_query` of the file. See `auth_query`."},
    {"routes", "max_clients", "number", nullptr, "1 to 1000000", kLogin,
     "Sessions on this route at the same time; one more is refused with 53300."},
    {"routes", "reject", "text", nullptr, "", kLogin, "Refuse the client with this text (3D000)."},
    {"pool", "mode", "word", [] { return word(kPool.mode); },
     "none, session, transaction or statement", kLogin,
     "For how long a session keeps a server connection: `none`, one of its own from login to "
     "close; `session`, one of the pool; `transaction`, one of the pool for each transaction; "
     "`statement`, the same, and transaction blocks are refused (0A000)."},
    {"pool", "size", "number", [] { return number(kPool.size); }, "1 to 100000", kCheckout,
     "Server connections of one pool."},
    {"pool", "min_size", "number", [] { return number(kPool.min_size); }, "0 to 100000", kCheckout,
     "Server connections that are kept open, as long as the pool is in use and for `idle_timeout` "
     "behind that."},
    {"pool", "guaranteed_size", "number", [] { return number(kPool.guaranteed_size); },
     "0 to 100000", kCheckout,
     "Server connections that others leave free for this pool under `max_connections`, "
     "`max_connections_per_database`, `max_connections_per_user` and "
     "`max_connections_per_server`."},
    {"pool", "reserve_size", "number", [] { return number(kPool.reserve_size); }, "0 to 100000",
     kCheckout, "More than `size`, when a client has waited for `reserve_after`."},
    {"pool", "reserve_after", "duration", [] { return format_duration(kPool.reserve_after); },
     "1ms to 1d", kCheckout, "See `reserve_size`."},
    {"pool", "wait_timeout", "duration", [] { return format_duration(kPool.wait_timeout); },
     "1ms to 1d", kCheckout,
     "How long a client waits for a server connection before it is told so (53300)."},
    {"pool", "idle_timeout", "duration", [] { return format_duration(kPool.idle_timeout); },
     "1ms to 1d", kCheckout, "A server connection that nobody has used for so long is closed."},
    {"pool", "max_lifetime", "duration", [] { return format_duration(kPool.max_lifetime); },
     "1ms to 1d", kCheckout,
     "A server connection that is so old, or up to a tenth younger, is replaced when it is free."},
    {"pool", "query_timeout", "duration or none", nullptr, "1ms to 1d", kCheckout,
     "How long a client's request may run at the server, up to its ReadyForQuery, without the wait "
     "for a connection. Then it is cancelled there (57014), and the session goes on."},
    {"pool", "transaction_timeout", "duration or none", nullptr, "1ms to 1d", kCheckout,
     "How long a transaction may take, also one of a single statement. Then what runs is "
     "cancelled, all is rolled back, and the session ends (25P04)."},
    {"pool", "idle_in_transaction_timeout", "duration or none", nullptr, "1ms to 1d", kCheckout,
     "How long a client may leave a transaction open without asking anything. Then it is rolled "
     "back, and the session ends (25P03)."},
    {"pool", "client_idle_timeout", "duration or none", nullptr, "1ms to 1d", kCheckout,
     "How long a client may ask nothing outside of a transaction. Then its session ends (57P05)."},
    {"pool", "max_queries_per_second", "number", nullptr, "1 to 1000000", kCheckout,
     "Queries of all clients of the route; as many at once as in a second. See "
     "`over_query_limit`."},
    {"pool", "max_queries_per_second_per_user", "number", nullptr, "1 to 1000000", kCheckout,
     "The same for each user of the route, by the name at the server."},
    {"pool", "over_query_limit", "word", [] { return word(kPool.over_query_limit); },
     "delay or reject", kCheckout,
     "What becomes of a query that comes too soon: it waits, for `wait_timeout` at the most, or is "
     "refused (53400)."},
    {"pool", "max_pinned", "number", nullptr, "1 to 100000", kCheckout,
     "Sessions that keep their server connection between transactions because of what cannot be "
     "moved; what would pin one more is refused (53400). Without it as many as `size`."},
    {"pool", "unmovable_state", "mapping", nullptr, "", kLogin,
     "What becomes of a session that wants what cannot be moved to another connection. See "
     "`pool.unmovable_state`."},
    {"pool.unmovable_state", "temporary_objects", "word",
     [] { return word(kPool.unmovable_state.temporary_objects); }, "pin or reject", kLogin,
     "CREATE TEMPORARY, where the text says so."},
    {"pool.unmovable_state", "held_cursors", "word",
     [] { return word(kPool.unmovable_state.held_cursors); }, "pin or reject", kLogin,
     "DECLARE … WITH HOLD."},
    {"pool.unmovable_state", "advisory_locks", "word",
     [] { return word(kPool.unmovable_state.advisory_locks); }, "pin or reject", kLogin,
     "`pg_advisory_lock()` and its kin."},
    {"pool.unmovable_state", "random_seed", "word",
     [] { return word(kPool.unmovable_state.random_seed); }, "pin or reject", kLogin,
     "`setseed()`."},
    {"pool.unmovable_state", "sequences", "word",
     [] { return word(kPool.unmovable_state.sequences); }, "pin or reject", kLogin,
     "`nextval()` and `setval()`, for what `currval()` and `lastval()` tell."},
    {"pool.unmovable_state", "unknown_settings", "word",
     [] { return word(kPool.unmovable_state.unknown_settings); }, "pin or reject", kLogin,
     "`set_config()` of what the text does not name or what names are looked up with, SET … FROM "
     "CURRENT, and a SET that is not understood."},
    {"pool.unmovable_state", "session_authorization", "word",
     [] { return word(kPool.unmovable_state.session_authorization); }, "pin or reject", kLogin,
     "SET SESSION AUTHORIZATION, but for DEFAULT."},
    {"pool.unmovable_state", "long_statements", "word",
     [] { return word(kPool.unmovable_state.long_statements); }, "pin or reject", kLogin,
     "A text of more than 256 KiB; with `pin` only such a one pins that is prepared under a name "
     "or acts on prepared statements, channels or defaults."},
    {"pool.unmovable_state", "process_state", "word",
     [] { return word(kPool.unmovable_state.process_state); }, "pin or reject", kLogin,
     "LOAD, dblink, `pg_backup_start()` and the like: state of the server's process. The "
     "connection is closed behind the session."},

    {"auth_query", "user", "text", nullptr, "at most 63 bytes", kLogin,
     "Required. Who asks: a user of the server that may run `query`."},
    {"auth_query", "password", "secret", nullptr, "", kLogin, "Its password."},
    {"auth_query", "password_file", "path", nullptr, "", kLogin,
     "A file that holds the password, instead of `password`."},
    {"auth_query", "database", "text", [] { return kAuthQuery.database; }, "a database, or \"*\"",
     kLogin, "Where it is asked; `*` is the database that the client goes to, at the server."},
    {"auth_query", "query", "text", [] { return kAuthQuery.query; }, "SQL with $1", kLogin,
     "What is asked: `$1` is the user's name, the answer one row or none. Its columns are the "
     "name, "
     "the password as in `users` (NULL: no password lets this user in), and if there is a third, "
     "for how many seconds from now the password holds (NULL: for ever)."},
    {"auth_query", "max_connections", "number", [] { return number(kAuthQuery.max_connections); },
     "1 to 100", kLogin,
     "Connections that ask, for each upstream; beside those of pools and sessions."},
    {"auth_query", "timeout", "duration", [] { return format_duration(kAuthQuery.timeout); },
     "1ms to 1d", kLogin,
     "For one look-up, with the login to the server if there must be one; within `login_timeout`."},
    {"auth_query", "cache_ttl", "duration", [] { return format_duration(kAuthQuery.cache_ttl); },
     "0s to 1d", kLogin,
     "How long a password that was found is not asked for again, unless a login fails with it."},
    {"auth_query", "negative_cache_ttl", "duration",
     [] { return format_duration(kAuthQuery.negative_cache_ttl); }, "0s to 1d", kLogin,
     "The same for a user that was not found. With another value than `cache_ttl`, who measures "
     "time learns who exists."},
    {"auth_query", "idle_timeout", "duration",
     [] { return format_duration(kAuthQuery.idle_timeout); }, "1ms to 1d", kLogin,
     "A connection that has asked nothing for so long is closed."},

    {"routes.match", "sni", "pattern or list", nullptr, "", kLogin,
     "The host name the client asked TLS for."},
    {"routes.match", "user", "pattern or list", nullptr, "", kLogin,
     "The user the client logs in as."},
    {"routes.match", "database", "pattern or list", nullptr, "", kLogin,
     "The database the client asks for."},
    {"routes.match", "application_name", "pattern or list", nullptr, "", kLogin,
     "The application_name of the startup packet."},
    {"routes.match", "source", "network or list", nullptr, "", kLogin, "The client's address."},
    {"routes.match", "tls", "boolean", nullptr, "true or false", kLogin,
     "Whether the client uses TLS."},
    {"routes.upstream", "host", "text", nullptr, "IP address, host name, or absolute folder",
     kLogin,
     "Required. `$1` to `$9` stand for captures of `match`; a capture must be 1 to 63 letters, "
     "digits or `-`."},
    {"routes.upstream", "port", "number", [] { return number(kServer.port); }, "1 to 65535", kLogin,
     "The server's port."},
    {"routes.upstream", "tls", "mapping", nullptr, "", kLogin, "As `upstreams.<name>.tls`."},
    {"routes.upstream", "connect_timeout", "duration",
     [] { return format_duration(kUpstream.connect_timeout); }, "1ms to 1d", kLogin,
     "As `upstreams.<name>.connect_timeout`."},
    {"routes.login", "user", "text", nullptr, "at most 63 bytes", kLogin,
     "Required. The user at the server."},
    {"routes.login", "password", "secret", nullptr, "", kLogin, "Its password."},
    {"routes.login", "password_file", "path", nullptr, "", kLogin,
     "A file that holds the password, instead of `password`."},

    {"mappings", "external", "text", nullptr, "host name or wildcard", kLogin,
     "Required. The SNI host clients connect to."},
    {"mappings", "internal", "text", nullptr, "IP address, host name, or absolute folder", kLogin,
     "Required. The server behind it."},
    {"mappings", "port", "number", [] { return number(kServer.port); }, "1 to 65535", kLogin,
     "The server's port."},

    {"user_mappings", "host", "text", nullptr, "IP address, host name, or absolute folder", kLogin,
     "Required. The server of this user."},
    {"user_mappings", "port", "number", [] { return number(kServer.port); }, "1 to 65535", kLogin,
     "The server's port."},
    {"user_mappings", "user", "text", nullptr, "at most 63 bytes", kLogin,
     "The user at the server; without it the same. With another name, md5 cannot work."},

    {"users", "name", "text", nullptr, "at most 63 bytes", kLogin, "Required. The user's name."},
    {"users", "password", "secret", nullptr, "", kLogin,
     "A SCRAM verifier (`SCRAM-SHA-256$…`), an md5 hash (`md5…`), or the password. Without one the "
     "user gets in only where a rule needs none."},
    {"users", "password_file", "path", nullptr, "", kLogin,
     "A file that holds the password, instead of `password`."},

    {"authentication", "type", "word", [] { return word(kRule.type); },
     "any, local, host, hostssl or hostnossl", kLogin,
     "How the client is connected; `local` is a unix socket, `host` is TCP."},
    {"authentication", "database", "name or list", nullptr,
     "all, sameuser, replication, a name or /regex/", kLogin, "Which databases; all without it."},
    {"authentication", "user", "name or list", nullptr, "all, a name or /regex/", kLogin,
     "Which users; all without it."},
    {"authentication", "source", "network or list", nullptr, "", kLogin,
     "Which client addresses; all without it."},
    {"authentication", "method", "word", nullptr,
     "trust, reject, password, md5, scram-sha-256, cert or peer", kLogin,
     "Required. `md5` takes SCRAM where a verifier is stored, `cert` is for hostssl, `peer` for "
     "local."},
    {"authentication", "map", "text", nullptr, "", kLogin,
     "The map of `ident` that leads from the certificate's or system's name to the user; without "
     "it both must be equal."},
    {"authentication", "client_certificate", "word", nullptr, "verify-ca or verify-full", kLogin,
     "Also ask for a client certificate: any trusted one, or one that names the user. For "
     "hostssl."},

    {"ident", "map", "text", nullptr, "", kLogin, "Required. The map this entry belongs to."},
    {"ident", "system_user", "text or regex", nullptr, "", kLogin,
     "Required. The name in the certificate or of the system's user; a /regex/ may have one "
     "group."},
    {"ident", "database_user", "text or regex", nullptr, "", kLogin,
     "Required. The user it may log in as: a name, where `\\1` stands for the group, `all`, or a "
     "/regex/."},
});

}  // namespace

std::span<const Key> all_keys() {
  return kKeys;
}

}  // namespace trunkline::config
