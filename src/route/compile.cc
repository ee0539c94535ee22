#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <utility>

#include "route/table.h"

namespace trunkline::route {

// Compiles the routes of one configuration, collecting every problem rather than the first.
class TableCompiler {
 public:
  TableCompiler(const config::Config& config, std::shared_ptr<const upstream::Set> set)
      : config_(config), table_(std::make_shared<RouteTable>()) {
    table_->set_ = std::move(set);
  }

  std::expected<Compiled, std::vector<config::Problem>> run() {
    for (size_t i = 0; i < config_.routes.size(); ++i) compile_route(i);
    warn_of_unreachable();
    if (!problems_.empty()) return std::unexpected(std::move(problems_));
    return Compiled{std::move(table_), std::move(warnings_)};
  }

 private:
  void compile_route(size_t index) {
    const config::Route& route = config_.routes[index];
    std::string key = fmt::format("routes[{}]", index);
    auto matcher = Matcher::compile(route.match, route.at, key);
    if (!matcher) {
      std::ranges::move(matcher.error(), std::back_inserter(problems_));
      return;
    }
    Entry entry{.route = share(route, index, key),
                .matcher = std::move(*matcher),
                .reject = route.reject,
                .upstream = table_->set_->of_route(index),
                .hosts = {},
                .database = {}};
    if (route.database) entry.database = rewrite(*route.database, entry, route, key + ".database");
    if (entry.database && route.database->empty()) {
      problem(route, key + ".database", "is empty; leave it out to keep the client's database");
    }
    if (entry.upstream != nullptr && entry.upstream->is_pattern()) {
      for (const upstream::Server& server : entry.upstream->servers()) {
        auto host = rewrite(server.address.host, entry, route, key + ".upstream.host");
        if (host) entry.hosts.push_back(std::move(*host));
      }
    }
    check_relay(entry, route, key);
    check_passthrough(entry, route, key);
    table_->entries_.push_back(std::move(entry));
  }

  static std::shared_ptr<const Route> share(const config::Route& route, size_t index,
                                            const std::string& key) {
    std::optional<Login> login;
    if (route.login) {
      login.emplace(route.login->user, std::nullopt);
      if (route.login->password) login->password = route.login->password->clone();
    }
    return std::make_shared<const Route>(Route{.index = index,
                                               .name = key,
                                               .login = std::move(login),
                                               .auth = route.auth,
                                               .inspect = route.inspect,
                                               .max_clients = route.max_clients});
  }

  std::optional<Rewrite> rewrite(const std::string& text, const Entry& entry,
                                 const config::Route& route, const std::string& key) {
    auto compiled = Rewrite::compile(text);
    if (!compiled) {
      problem(route, key, compiled.error());
      return std::nullopt;
    }
    for (size_t number : compiled->captures_used()) {
      std::string wrong = entry.matcher.capture_problem(number);
      if (!wrong.empty()) problem(route, key, std::move(wrong));
    }
    return std::move(*compiled);
  }

  void check_relay(const Entry& entry, const config::Route& route, const std::string& key) {
    if (route.auth != config::AuthMode::relay) return;
    if (route.login && route.login->password) {
      problem(route, key + ".login.password",
              "has no use with `auth: relay`, where the client itself answers the server; remove "
              "the password, or use `auth: terminate`");
    }
    bool tls_to_clients = std::ranges::any_of(config_.listen, [](const config::Listen& listen) {
      return listen.tls.mode == config::ClientTlsMode::allow ||
             listen.tls.mode == config::ClientTlsMode::require;
    });
    if (tls_to_clients && entry.upstream != nullptr &&
        entry.upstream->tls_settings().mode != config::ServerTlsMode::disable) {
      warning(route, key + ".auth",
              "`relay` with TLS on both sides fails for clients that bind SCRAM to the channel "
              "(libpq does unless channel_binding=disable) unless the listener has the server's "
              "own certificate; use `auth: terminate`, `tls: {mode: passthrough}`, or `tls: "
              "{mode: disable}` towards the server");
    }
    if (route.login && route.login->user != "") {
      warning(route, key + ".login.user",
              "`relay` with another user fails when the server asks for md5, whose answer holds "
              "the user's name");
    }
  }

  // A passthrough client shows its SNI and its address, nothing else.
  void check_passthrough(const Entry& entry, const config::Route& route, const std::string& key) {
    auto passthrough = [](const config::Listen& listen) {
      return listen.tls.mode == config::ClientTlsMode::passthrough;
    };
    if (!std::ranges::any_of(config_.listen, passthrough)) return;
    std::string what;
    for (Key name : {Key::user, Key::database, Key::application_name}) {
      if (entry.matcher.has(name)) what = fmt::format("match.{}", key_name(name));
    }
    if (what.empty() && entry.database) what = "database";
    if (what.empty() && route.login) what = "login";
    if (what.empty()) return;
    if (std::ranges::all_of(config_.listen, passthrough)) {
      problem(route, key + "." + what,
              "cannot work: every listener is `passthrough`, which never decrypts what holds it; "
              "match on sni or source");
    } else {
      warning(route, key + "." + what,
              "keeps this route from clients of the `passthrough` listener, which never decrypts "
              "what holds it");
    }
  }

  void warn_of_unreachable() {
    auto all = std::ranges::find_if(table_->entries_, [](const Entry& entry) {
      return entry.matcher.matches_all() && !entry.rewrites();
    });
    if (all == table_->entries_.end()) return;
    for (auto entry = all + 1; entry != table_->entries_.end(); ++entry) {
      warning(config_.routes[entry->route->index], entry->route->name,
              fmt::format("is never reached: {} matches everyone", all->route->name));
    }
  }

  void problem(const config::Route& route, std::string key, std::string text) {
    problems_.push_back({route.at, std::move(key), std::move(text)});
  }
  void warning(const config::Route& route, std::string key, std::string text) {
    warnings_.push_back({route.at, std::move(key), std::move(text)});
  }

  const config::Config& config_;
  std::shared_ptr<RouteTable> table_;
  std::vector<config::Problem> problems_;
  std::vector<config::Problem> warnings_;
};

std::expected<Compiled, std::vector<config::Problem>> RouteTable::compile(
    const config::Config& config, std::shared_ptr<const upstream::Set> set) {
  return TableCompiler(config, std::move(set)).run();
}

}  // namespace trunkline::route
