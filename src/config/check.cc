#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "base/text.h"
#include "config/reachable.h"
#include "config/sections.h"

namespace trunkline::config {

namespace {

class Checker {
 public:
  Checker(const Mapping& root, Config& config)
      : root_(root), reader_(root.value().reader()), config_(config) {
    if (auto routes = root.has("routes") ? root.find("routes") : std::nullopt) {
      written_routes_ = routes->node().items.size();
    }
  }

  void run() {
    add_only_route();
    for (size_t i = 0; i < config_.routes.size(); ++i) {
      check_passthrough(i);
      check_relay(i);
      check_pool(i);
      check_auth_query(i);
    }
    check_reachable();
    check_pools_used();
    check_upstreams_used();
    check_users();
    check_rules();
    check_admin();
  }

 private:
  // One upstream and nothing that chooses: all clients go there.
  void add_only_route() {
    bool chooses = root_.has("routes") || root_.has("mappings") || root_.has("user_mappings");
    if (chooses) return;
    if (config_.upstreams.size() == 1) {
      const auto& [name, upstream] = *config_.upstreams.begin();
      config_.routes.push_back({.at = upstream.at, .upstream = name, .pool = config_.pool});
      if (config_.auth_query) config_.routes.back().auth_query = config_.auth_query->clone();
    } else if (config_.upstreams.size() > 1) {
      root_.value().error("`routes` is missing: there are several upstreams to choose from");
    } else if (!root_.has("upstreams")) {
      root_.value().error(
          "there is no way to a server: give `upstreams`, `routes`, `mappings` or `user_mappings`");
    }
  }

  std::string route_key(size_t index) const {
    return index < written_routes_ ? "routes[" + std::to_string(index) + "]" : "";
  }

  const Listen* listener(auto accepts) const {
    auto found = std::ranges::find_if(config_.listen, accepts);
    return found == config_.listen.end() ? nullptr : &*found;
  }

  // What arrives encrypted and leaves encrypted shows its SNI and nothing else.
  void check_passthrough(size_t index) {
    const Route& route = config_.routes[index];
    const Listen* listen =
        listener([](const Listen& l) { return l.tls.mode == ClientTlsMode::passthrough; });
    bool only_plain = route.match.tls.has_value() && !*route.match.tls;
    if (listen == nullptr || only_plain) return;
    std::string_view what;
    if (!route.match.user.empty()) what = "`match.user`";
    if (!route.match.database.empty()) what = "`match.database`";
    if (!route.match.application_name.empty()) what = "`match.application_name`";
    if (route.database) what = "`database`";
    if (route.login) what = "`login`";
    if (what.empty()) return;
    reader_.error(route.at, route_key(index),
                  "this route has " + std::string(what) + ", but the listener of line " +
                      std::to_string(listen->at.line) +
                      " has TLS mode passthrough, where nothing but the SNI can be seen or "
                      "changed; give the listener certificates and mode allow or require, or "
                      "the route `match: {tls: false}`");
  }

  // SCRAM with channel binding names the certificate the client saw.
  void check_relay(size_t index) {
    const Route& route = config_.routes[index];
    if (route.auth != AuthMode::relay || route.match.tls == false) return;
    const Upstream* upstream = route.inline_upstream ? &*route.inline_upstream : nullptr;
    if (auto found = config_.upstreams.find(route.upstream); found != config_.upstreams.end()) {
      upstream = &found->second;
    }
    const Listen* listen = listener([](const Listen& l) {
      return l.tls.mode == ClientTlsMode::allow || l.tls.mode == ClientTlsMode::require;
    });
    if (upstream == nullptr || upstream->tls.mode == ServerTlsMode::disable || listen == nullptr) {
      return;
    }
    reader_.warning(route.at, route_key(index),
                    "with `auth: relay` and TLS on both sides, clients that use SCRAM channel "
                    "binding fail, unless the proxy's certificate is the server's own; use "
                    "`auth: terminate`, a passthrough listener, or `channel_binding=disable` in "
                    "the clients");
  }

  // What is shared must be understood: who owns which statement and which setting.
  void check_pool(size_t index) {
    Route& route = config_.routes[index];
    bool pooled = route.pool.mode != PoolMode::none && !route.reject;
    std::string key = route_key(index);
    if (!pooled) {
      if (route.inspect == Inspect::statements) {
        reader_.error(route.at, key, "`inspect: statements` needs a `pool` so far");
      }
      check_without_pool(route, key);
      return;
    }
    if (route.auth == AuthMode::relay) {
      bool is_own = route.pool.at.line != config_.pool.at.line;
      if (is_own) {
        reader_.error(route.at, key,
                      "`pool` and `auth: relay` exclude each other: a login that the client itself "
                      "makes is for one session; use `auth: terminate`");
      }
      route.pool.mode = PoolMode::none;
      check_without_pool(route, key);
      return;
    }
    if (route.inspect && *route.inspect != Inspect::statements) {
      reader_.error(route.at, key,
                    "`inspect: " + std::string(to_word(*route.inspect)) +
                        "` and a `pool` exclude each other: whose settings and statements are "
                        "whose is seen in the statements");
    }
    check_pool_sizes(route, key);
  }

  // What the limits that it shares with others never let it have.
  void check_pool_sizes(const Route& route, const std::string& key) {
    const Pool& pool = route.pool;
    auto found = config_.upstreams.find(route.upstream);
    const std::pair<std::string_view, std::optional<uint32_t>> shared[] = {
        {"max_connections",
         found == config_.upstreams.end() ? std::nullopt : found->second.max_connections},
        {"max_connections_per_database", config_.max_connections_per_database},
        {"max_connections_per_user", config_.max_connections_per_user},
        {"max_connections_per_server", config_.max_connections_per_server}};
    for (const auto& [limit, max] : shared) {
      uint32_t most = std::max(pool.min_size, pool.guaranteed_size);
      if (!max || most <= *max) continue;
      std::string_view own = pool.guaranteed_size == most ? "guaranteed_size" : "min_size";
      reader_.error(route.at, key,
                    "`" + std::string(own) + "` of the pool is " + std::to_string(most) +
                        ", more than `" + std::string(limit) + "`, which is " +
                        std::to_string(*max));
    }
    if (pool.reserve_size > 0 && pool.wait_timeout <= pool.reserve_after) {
      reader_.warning(route.at, key,
                      "the reserve of the pool is never used: nobody waits for `reserve_after`, "
                      "as `wait_timeout` is not longer");
    }
    if (pool.mode == PoolMode::session && pool.max_pinned) {
      reader_.warning(route.at, key,
                      "`max_pinned` counts for nothing in `mode: session`, where every session "
                      "keeps its connection");
    }
  }

  // Settings of pools where there is none.
  void check_pools_used() {
    bool pooled = std::ranges::any_of(config_.routes, [](const Route& route) {
      return route.pool.mode != PoolMode::none && !route.reject;
    });
    if (pooled) return;
    auto warn = [&](const Location& at, const std::string& key) {
      reader_.warning(at, key,
                      "of no effect: it is about the connections of pools, and no route has one "
                      "(`pool: {mode: transaction}`; not with `auth: relay`)");
    };
    // `mode: none` by itself says what is so anyway.
    auto pool = root_.has("pool") ? root_.find("pool") : std::nullopt;
    bool says_none = pool && pool->node().entries.size() == 1 &&
                     pool->node().entries.front().key == "mode" &&
                     config_.pool.mode == PoolMode::none;
    if (pool && !says_none && !warned_of_pool_) warn(pool->at(), "pool");
    for (const auto& [name, upstream] : config_.upstreams) {
      if (upstream.max_connections) warn(upstream.at, "upstreams." + name + ".max_connections");
    }
    for (std::string_view name : {"max_connections_per_database", "max_connections_per_user",
                                  "max_connections_per_server"}) {
      if (root_.has(name)) warn(root_.find(name)->at(), std::string(name));
    }
  }

  // What only pools can see to.
  void check_without_pool(const Route& route, const std::string& key) {
    auto of_pools = [](const Pool& pool) {
      return std::tuple(pool.timeouts.query, pool.timeouts.transaction,
                        pool.timeouts.idle_in_transaction, pool.timeouts.client_idle,
                        pool.max_queries_per_second, pool.max_queries_per_second_per_user);
    };
    if (route.reject || of_pools(route.pool) == of_pools(Pool{})) return;
    std::string text =
        "the timeouts and limits of queries of `pool` hold for sessions that share server "
        "connections, and this route has `mode: none`";
    if (of_pools(route.pool) == of_pools(config_.pool)) {
      warned_of_pool_ = true;
      reader_.warning(route.at, key, std::move(text));
    } else {
      reader_.error(route.at, key, std::move(text));
    }
  }

  // Whose answer is believed is nobody's to choose who has not proven who he is.
  void check_auth_query(size_t index) {
    Route& route = config_.routes[index];
    if (!route.auth_query) return;
    bool is_own = !config_.auth_query || route.auth_query->at.line != config_.auth_query->at.line;
    std::string_view why;
    if (route.auth == AuthMode::relay) {
      why = "`auth: relay` leaves passwords to the server";
    } else if (route.inline_upstream && has_capture(route.inline_upstream->servers[0].host)) {
      why = "a client chooses the server of this route before it has proven who it is";
    }
    if (!why.empty() && is_own) {
      reader_.error(route.at, route_key(index),
                    "`auth_query` cannot be used here: " + std::string(why));
    } else if (!why.empty() && route.auth == AuthMode::terminate) {
      reader_.warning(route.at, route_key(index),
                      "no users are looked up for this route: " + std::string(why));
    }
    if (!why.empty() || route.reject) route.auth_query.reset();
  }

  void check_reachable() {
    for (const Unreachable& found : find_unreachable(config_.routes)) {
      const Route& by = config_.routes[found.taken_by];
      bool takes_all = covers(by.match, Match{});
      reader_.warning(
          config_.routes[found.route].at, route_key(found.route),
          "never reached: the route of line " + std::to_string(by.at.line) +
              (takes_all ? " matches every client" : " matches every client that this one does"));
    }
  }

  void check_upstreams_used() {
    for (const auto& [name, upstream] : config_.upstreams) {
      bool used = std::ranges::any_of(config_.routes,
                                      [&](const Route& route) { return route.upstream == name; });
      if (!used) reader_.warning(upstream.at, "upstreams." + name, "no route names it");
    }
  }

  void check_users() {
    std::unordered_map<std::string_view, const User*> seen;
    for (const User& user : config_.users) {
      auto [first, added] = seen.emplace(user.name, &user);
      if (added) continue;
      const Location& at = first->second->at;
      reader_.error(user.at, "users",
                    "the user `" + printable(user.name) + "` is also in " + at.file + ":" +
                        std::to_string(at.line));
    }
  }

  void check_rules() {
    bool asks = listener([](const Listen& l) {
                  return l.tls.client_certificate != ClientCertificate::none;
                }) != nullptr;
    for (const AuthenticationRule& rule : config_.authentication) {
      bool needs = rule.method == AuthMethod::cert || rule.client_certificate_required;
      if (needs && !asks) {
        reader_.warning(rule.at, "authentication",
                        "nobody gets in by this rule: no listener asks for a certificate "
                        "(`client_certificate`)");
      }
      bool known = rule.map.empty() || std::ranges::any_of(config_.ident, [&](const auto& entry) {
                     return entry.map == rule.map;
                   });
      if (!known) {
        reader_.error(rule.at, "authentication",
                      "there is no map `" + printable(rule.map) + "` in `ident` or `ident_file`");
      }
    }
    warn_without_users();
  }

  void warn_without_users() {
    bool terminates = std::ranges::any_of(config_.routes, [](const Route& route) {
      return route.auth == AuthMode::terminate && !route.reject;
    });
    bool by_password = config_.authentication.empty() ||
                       std::ranges::any_of(config_.authentication, [](const auto& rule) {
                         return rule.method == AuthMethod::password ||
                                rule.method == AuthMethod::md5 ||
                                rule.method == AuthMethod::scram_sha_256;
                       });
    bool looks_up = std::ranges::any_of(
        config_.routes, [](const Route& route) { return route.auth_query.has_value(); });
    if (terminates && by_password && !looks_up && config_.users.empty() &&
        !root_.has("users_file")) {
      root_.value().warning(
          "nobody can log in by password: the proxy authenticates clients itself and has neither "
          "`users` nor `users_file` nor an `auth_query`; `auth: relay` in a route leaves it to the "
          "server");
    }
  }

  void check_admin() {
    if (!config_.admin) return;
    for (const Listen& listen : config_.listen) {
      bool same = listen.address == config_.admin->address || listen.address == "*" ||
                  config_.admin->address == "*";
      if (same && !listen.is_unix() && listen.port == config_.admin->port) {
        reader_.error(listen.at, "listen", "`admin` has the same address and port");
      }
    }
  }

  const Mapping& root_;
  Reader& reader_;
  Config& config_;
  size_t written_routes_ = 0;
  bool warned_of_pool_ = false;  // that it has settings which do nothing
};

}  // namespace

void check(const Mapping& root, Config& config) {
  Checker(root, config).run();
}

}  // namespace trunkline::config
