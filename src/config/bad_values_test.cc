#include <gtest/gtest.h>
#include <set>

#include "config/reference.h"
#include "config/test_support.h"

namespace trunkline::config {
namespace {

// Where a line of each section stands in a file: `@` is replaced by it.
const std::map<std::string_view, std::string> kSections = {
    {"", kMinimal + "@\n"},
    {"log", kMinimal + "log: {@}\n"},
    {"listen", kUpstream + "listen: {@}\n"},
    {"listen.proxy_protocol", kUpstream + "listen: {proxy_protocol: {@}}\n"},
    {"listen.tls", kUpstream + "listen: {tls: {@}}\n"},
    {"listen.tls.certificates", kUpstream + "listen: {tls: {certificates: [{@}]}}\n"},
    {"admin", kMinimal + "admin: {@}\n"},
    {"metrics", kMinimal + "metrics: {@}\n"},
    {"upstreams", kListen + "upstreams: {main: {@}}\n"},
    {"upstreams.servers", kListen + "upstreams: {main: {servers: [{@}]}}\n"},
    {"upstreams.tls", kListen + "upstreams: {main: {servers: {host: db}, tls: {@}}}\n"},
    {"routes", kMinimal + "routes: [{@}]\n"},
    {"routes.match", kMinimal + "routes: [{upstream: main, match: {@}}]\n"},
    {"routes.upstream", kMinimal + "routes: [{upstream: {@}}]\n"},
    {"routes.login", kMinimal + "routes: [{upstream: main, login: {@}}]\n"},
    {"pool", kMinimal + "pool: {@}\n"},
    {"pool.unmovable_state", kMinimal + "pool: {unmovable_state: {@}}\n"},
    {"auth_query", kMinimal + "auth_query: {@}\n"},
    {"mappings", kListen + "mappings: [{@}]\n"},
    {"user_mappings", kListen + "user_mappings: {joe: {@}}\n"},
    {"users", kMinimal + "users: [{@}]\n"},
    {"authentication", kMinimal + "authentication: [{@}]\n"},
    {"ident", kMinimal + "ident: [{@}]\n"},
};

std::string in_section(std::string_view section, const std::string& line) {
  std::string text = kSections.at(section);
  return text.replace(text.find('@'), 1, line);
}

struct BadValue {
  std::string_view section;
  std::string_view key;
  std::string value;
  std::string message;  // all that follows the key
};

const std::string kPort = "; allowed: a number from 1 to 65535";
const std::string kClients = "; allowed: a number from 1 to 1000000";
const std::string kConnections = "; allowed: a number from 1 to 100000";
const std::string kConnectionsOrNone = "; allowed: a number from 0 to 100000";
const std::string kDuration =
    "; the unit is missing; allowed: a number with ms, s, m, h or d, such as 30s";
const std::string kPolicy = "; allowed: pin or reject";
const std::string kHost =
    "; allowed: an IP address, a host name, or the absolute folder of a unix socket";
const std::string kNetwork = "; allowed: an IP address or a network such as 10.0.0.0/8 or fd00::/8";
const std::string kRegex = "; a regular expression stands between two slashes";
const std::string kEmpty = "found nothing; this must not be empty";
const std::string kNotList = "found a single value; this must be a list";
const std::string kNotMapping = "found a single value; this must be a mapping of keys to values";
const std::string kNotNames = "found a single value; this must be a mapping of names to values";
const std::string kNoFile = "cannot read /etc/t/none: No such file or directory";

const std::vector<BadValue> kBadValues = {
    {"", "node_id", "16384", "found `16384`; allowed: a number from 0 to 16383"},
    {"", "secret_file", "''", kEmpty},
    {"", "login_timeout", "15", "found `15`" + kDuration},
    {"", "max_clients", "0", "found `0`" + kClients},
    {"", "max_clients_per_source", "1000001", "found `1000001`" + kClients},
    {"", "max_clients_per_user", "0", "found `0`" + kClients},
    {"", "max_clients_per_database", "-1", "found `-1`" + kClients},
    {"", "max_logins_per_second_per_source", "many", "found `many`" + kClients},
    {"", "max_connections_per_database", "0", "found `0`" + kConnections},
    {"", "max_connections_per_user", "100001", "found `100001`" + kConnections},
    {"", "max_connections_per_server", "0", "found `0`" + kConnections},
    {"", "pool", "transaction", kNotMapping},
    {"", "max_dynamic_upstreams", "many", "found `many`" + kClients},
    {"", "max_message_size", "1MB",
     "found `1MB`; unknown unit; allowed: a number with B, KiB, MiB or GiB, such as 64KiB"},
    {"", "memory_limit", "1023KiB", "found `1023KiB`; allowed: from 1MiB to 16384GiB"},
    {"", "workers", "0", "found `0`; allowed: auto, or a number from 1 to 1024"},
    {"", "shutdown_timeout", "25h", "found `25h`; allowed: from 1ms to 1d"},
    {"", "cancel_timeout", "30", "found `30`" + kDuration},
    {"", "tcp_user_timeout", "0", "found `0`" + kDuration},
    {"", "log", "debug", kNotMapping},
    {"", "debug", "yes", "found `yes`; allowed: true or false"},
    {"", "admin", "6433", kNotMapping},
    {"", "metrics", "yes", kNotMapping},
    {"", "routes", "main", kNotList},
    {"", "mappings", "main", kNotList},
    {"", "user_mappings", "main", kNotNames},
    {"", "users", "joe", kNotList},
    {"", "users_file", "none", kNoFile},
    {"", "authentication", "trust", kNotList},
    {"", "hba_file", "none", kNoFile},
    {"", "ident", "map", kNotList},
    {"", "ident_file", "none", kNoFile},
    {"log", "level", "trace", "found `trace`; allowed: debug, info, warn or error"},
    {"log", "format", "xml", "found `xml`; allowed: text or json"},
    {"listen", "address", "localhost",
     "found `localhost`; allowed: an IP address, \"*\" for all, or the absolute folder of a unix "
     "socket"},
    {"listen", "port", "65536", "found `65536`" + kPort},
    {"listen", "proxy_protocol", "accept", kNotMapping},
    {"listen", "tls", "require", kNotMapping},
    {"listen.proxy_protocol", "mode", "v2", "found `v2`; allowed: off, accept or require"},
    {"listen.proxy_protocol", "from", "10.0.0.0/33", "found `10.0.0.0/33`" + kNetwork},
    {"listen.tls", "mode", "on", "found `on`; allowed: disable, allow, require or passthrough"},
    {"listen.tls", "certificates", "a.crt", kNotList},
    {"listen.tls", "client_certificate", "yes", "found `yes`; allowed: none, request or require"},
    {"listen.tls", "client_ca", "''", kEmpty},
    {"listen.tls", "min_version", "1.1", "found `1.1`; allowed: 1.2 or 1.3"},
    {"listen.tls.certificates", "names", "'a.*.com'",
     "found `a.*.com`; allowed: a host name, or a wildcard for its first part such as "
     "\"*.example.com\""},
    {"listen.tls.certificates", "cert", "''", kEmpty},
    {"listen.tls.certificates", "key", "''", kEmpty},
    {"admin", "address", "/run", "found `/run`; allowed: an IP address, or \"*\" for all"},
    {"admin", "port", "-1", "found `-1`" + kPort},
    {"metrics", "prefix", "my-proxy",
     "found `my-proxy`; allowed: letters, digits and `_`, not starting with a digit"},
    {"upstreams", "servers", "db", kNotMapping},
    {"upstreams", "tls", "require", kNotMapping},
    {"upstreams", "connect_timeout", "5", "found `5`" + kDuration},
    {"upstreams", "max_connections", "0", "found `0`" + kConnections},
    {"upstreams", "max_logins", "0", "found `0`" + kConnections},
    {"upstreams.servers", "host", "'a b'", "found `a b`" + kHost},
    {"upstreams.servers", "port", "0", "found `0`" + kPort},
    {"upstreams.tls", "mode", "verify",
     "found `verify`; allowed: disable, allow, prefer, require, verify-ca or verify-full"},
    {"upstreams.tls", "negotiation", "postgres", "found `postgres`; allowed: starttls or direct"},
    {"upstreams.tls", "ca", "''", kEmpty},
    {"upstreams.tls", "server_name", "''", kEmpty},
    {"upstreams.tls", "cert", "''", kEmpty},
    {"upstreams.tls", "key", "''", kEmpty},
    {"routes", "match", "all", kNotMapping},
    {"routes", "upstream", "man", "there is no upstream `man`; did you mean `main`?"},
    {"routes", "database", "x_$1",
     "found `x_$1`; a capture needs a regular expression with that many groups in `match`"},
    {"routes", "login", "app", kNotMapping},
    {"routes", "auth", "pass", "found `pass`; allowed: terminate or relay"},
    {"routes", "inspect", "sql", "found `sql`; allowed: bytes, messages or statements"},
    {"routes", "pool", "session", kNotMapping},
    {"routes", "max_clients", "0", "found `0`" + kClients},
    {"routes", "reject", "''", kEmpty},
    {"pool", "mode", "query", "found `query`; allowed: none, session, transaction or statement"},
    {"pool", "size", "0", "found `0`" + kConnections},
    {"pool", "min_size", "-1", "found `-1`" + kConnectionsOrNone},
    {"pool", "guaranteed_size", "100001", "found `100001`" + kConnectionsOrNone},
    {"pool", "reserve_size", "few", "found `few`" + kConnectionsOrNone},
    {"pool", "reserve_after", "5", "found `5`" + kDuration},
    {"pool", "wait_timeout", "0s", "found `0s`; allowed: from 1ms to 1d"},
    {"pool", "idle_timeout", "25h", "found `25h`; allowed: from 1ms to 1d"},
    {"pool", "max_lifetime", "1", "found `1`" + kDuration},
    {"pool", "query_timeout", "5", "found `5`" + kDuration},
    {"pool", "transaction_timeout", "0s", "found `0s`; allowed: from 1ms to 1d"},
    {"pool", "idle_in_transaction_timeout", "25h", "found `25h`; allowed: from 1ms to 1d"},
    {"pool", "client_idle_timeout", "1", "found `1`" + kDuration},
    {"pool", "max_queries_per_second", "0", "found `0`" + kClients},
    {"pool", "max_queries_per_second_per_user", "many", "found `many`" + kClients},
    {"pool", "over_query_limit", "drop", "found `drop`; allowed: delay or reject"},
    {"pool", "max_pinned", "0", "found `0`" + kConnections},
    {"pool", "unmovable_state", "pin", kNotMapping},
    {"pool.unmovable_state", "temporary_objects", "yes", "found `yes`" + kPolicy},
    {"pool.unmovable_state", "held_cursors", "yes", "found `yes`" + kPolicy},
    {"pool.unmovable_state", "advisory_locks", "yes", "found `yes`" + kPolicy},
    {"pool.unmovable_state", "random_seed", "yes", "found `yes`" + kPolicy},
    {"pool.unmovable_state", "sequences", "yes", "found `yes`" + kPolicy},
    {"pool.unmovable_state", "unknown_settings", "yes", "found `yes`" + kPolicy},
    {"pool.unmovable_state", "session_authorization", "yes", "found `yes`" + kPolicy},
    {"pool.unmovable_state", "long_statements", "yes", "found `yes`" + kPolicy},
    {"pool.unmovable_state", "process_state", "yes", "found `yes`" + kPolicy},
    {"", "auth_query", "x", kNotMapping},
    {"routes", "auth_query", "x", kNotMapping},
    {"auth_query", "user", "[a]", "found a list; this must be a single value"},
    {"auth_query", "password", "''", kEmpty},
    {"auth_query", "password_file", "none", kNoFile},
    {"auth_query", "database", "''", kEmpty},
    {"auth_query", "query", "''", kEmpty},
    {"auth_query", "max_connections", "101", "found `101`; allowed: a number from 1 to 100"},
    {"auth_query", "timeout", "5", "found `5`" + kDuration},
    {"auth_query", "cache_ttl", "0", "found `0`" + kDuration},
    {"auth_query", "negative_cache_ttl", "2d", "found `2d`; allowed: from 0ms to 1d"},
    {"auth_query", "idle_timeout", "0s", "found `0s`; allowed: from 1ms to 1d"},
    {"routes.match", "sni", "/a", "found `/a`" + kRegex},
    {"routes.match", "user", std::string(64, 'u'),
     "PostgreSQL cuts names to 63 bytes, so this can never match"},
    {"routes.match", "database", "'//'", "found `//`" + kRegex},
    {"routes.match", "application_name", "/", "found `/`" + kRegex},
    {"routes.match", "source", "localhost", "found `localhost`" + kNetwork},
    {"routes.match", "tls", "1", "found `1`; allowed: true or false"},
    {"routes.upstream", "host", "a/b", "found `a/b`" + kHost},
    {"routes.upstream", "port", "x", "found `x`" + kPort},
    {"routes.upstream", "tls", "prefer", kNotMapping},
    {"routes.upstream", "connect_timeout", "0s", "found `0s`; allowed: from 1ms to 1d"},
    {"routes.login", "user", std::string(64, 'u'), "a name has at most 63 bytes"},
    {"routes.login", "password", "[secret]", "found a list; this must be a single value"},
    {"routes.login", "password_file", "none", kNoFile},
    {"mappings", "external", "/x/",
     "found `/x/`; allowed: a host name or a wildcard; `routes` can match regular expressions"},
    {"mappings", "internal", "h$1",
     "found `h$1`; captures are allowed only in the host of a route's own upstream: {host, port}"},
    {"mappings", "port", "0", "found `0`" + kPort},
    {"user_mappings", "host", "'?'", "found `?`" + kHost},
    {"user_mappings", "port", "99999", "found `99999`" + kPort},
    {"user_mappings", "user", "''", kEmpty},
    {"users", "name", "''", kEmpty},
    {"users", "password", "{a: b}", "found a mapping; this must be a single value"},
    {"users", "password_file", "none", kNoFile},
    {"authentication", "type", "tcp",
     "found `tcp`; allowed: any, local, host, hostssl or hostnossl"},
    {"authentication", "database", "samerole",
     "found `samerole`; the proxy does not know who is in which role"},
    {"authentication", "user", "'svc_*'",
     "found `svc_*`; allowed: a name, all, or a regular expression between two slashes"},
    {"authentication", "source", "all", "found `all`" + kNetwork},
    {"authentication", "method", "gss",
     "found `gss`; allowed: trust, reject, password, md5, scram-sha-256, cert or peer"},
    {"authentication", "map", "''", kEmpty},
    {"authentication", "client_certificate", "'yes'",
     "found `yes`; allowed: verify-ca or verify-full"},
    {"ident", "map", "''", kEmpty},
    {"ident", "system_user", "/a", "found `/a`" + kRegex},
    {"ident", "database_user", "''", kEmpty},
};

TEST(BadValues, each_is_refused_with_the_key_what_was_found_and_what_is_allowed) {
  for (const BadValue& bad : kBadValues) {
    std::string text = in_section(bad.section, std::string(bad.key) + ": " + bad.value);
    std::string wanted = std::string(bad.key) + ": " + bad.message + "\n";
    std::string errors = errors_of(text);
    EXPECT_TRUE(errors.find(wanted) != std::string::npos) << "in\n"
                                                          << text << "wanted\n"
                                                          << wanted << "found\n"
                                                          << errors;
  }
}

TEST(BadValues, of_every_key_are_tried) {
  std::set<std::pair<std::string_view, std::string_view>> tried;
  for (const BadValue& bad : kBadValues) tried.emplace(bad.section, bad.key);
  tried.emplace("", "listen");     // see the test of the missing key
  tried.emplace("", "upstreams");  // see the test of its names
  for (const Key& key : all_keys()) {
    EXPECT_TRUE(tried.contains({key.section, key.name})) << key.section << "." << key.name;
  }
}

// A key in the table that nothing reads would be accepted and ignored.
TEST(BadValues, every_key_is_read) {
  for (const Key& key : all_keys()) {
    std::string name(key.name);
    std::string text = in_section(key.section, name + ": {no_such_key: {a: b}}");
    if (key.section.empty() && name == "listen") text = kUpstream + "listen: {no_such_key: 1}";
    if (key.section.empty() && name == "upstreams") text = kListen + "upstreams: {a: 1}";
    std::string errors = errors_of(text);
    EXPECT_TRUE(errors.find(name + ": ") != std::string::npos ||
                errors.find(name + ".") != std::string::npos ||
                errors.find(name + "[") != std::string::npos)
        << text << errors;
  }
}

TEST(BadValues, unknown_keys_of_every_section_are_refused_with_the_nearest_as_a_hint) {
  for (const auto& [section, text] : kSections) {
    auto known = key_names(section);
    std::string slip = std::string(known.front()) + "x";
    std::string errors = errors_of(in_section(section, slip + ": 1"));
    std::string wanted =
        "unknown key `" + slip + "`; did you mean `" + std::string(known.front()) + "`?\n";
    EXPECT_TRUE(errors.find(wanted) != std::string::npos) << section << "\n" << errors;
  }
}

TEST(BadValues, a_key_without_a_value_is_refused) {
  EXPECT_EQ(errors_of(kMinimal + "max_clients:\n"),
            "3:1: error: max_clients: has no value; give one, or take the key out\n");
}

}  // namespace
}  // namespace trunkline::config
