#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <utility>

#include "route/name.h"
#include "route/table.h"

namespace trunkline::route {

// Compiles the routes of one configuration, collecting every problem rather than the first.
class TableCompiler {
 public:
  TableCompiler(const config::Config& config, std::shared_ptr<const upstream::Set> set)
      : config_(config), table_(std::make_shared<RouteTable>()) {
    table_->set_ = std::move(set);
  }

  RouteTable::Outcome run() {
    for (size_t i = 0; i < config_.routes.size(); ++i) compile_route(i);
    if (!problems_.empty()) return std::unexpected(std::move(problems_));
    return std::move(table_);
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
    std::string name = names_.give(route_name(route, *matcher));
    Entry entry{.route = share(route, index, std::move(name)),
                .matcher = std::move(*matcher),
                .reject = route.reject,
                .upstream = table_->set_ ? table_->set_->of_route(index) : nullptr,
                .hosts = {},
                .database = {}};
    if (route.database) entry.database = rewrite(*route.database, entry, route, key + ".database");
    if (entry.database && route.database->empty()) {
      problem(route, key + ".database", "is empty; leave it out to keep the client's database");
    }
    if (route.inline_upstream && upstream::is_pattern(*route.inline_upstream)) {
      for (const config::ServerAddress& server : route.inline_upstream->servers) {
        auto host = rewrite(server.host, entry, route, key + ".upstream.host");
        if (host) entry.hosts.push_back(std::move(*host));
      }
    }
    table_->entries_.push_back(std::move(entry));
  }

  // As little as the route needs.
  static config::Inspect inspect_level(const config::Route& route) {
    bool pooled = route.pool.mode != config::PoolMode::none;
    return route.inspect.value_or(pooled ? config::Inspect::statements : config::Inspect::messages);
  }

  static std::shared_ptr<const Route> share(const config::Route& route, size_t index,
                                            std::string name) {
    std::optional<Login> login;
    if (route.login) {
      login.emplace(route.login->user, std::nullopt);
      if (route.login->password) login->password = route.login->password->clone();
    }
    std::shared_ptr<const config::AuthQuery> query;
    if (route.auth_query) {
      query = std::make_shared<const config::AuthQuery>(route.auth_query->clone());
    }
    return std::make_shared<const Route>(Route{.index = index,
                                               .line = route.at.line,
                                               .name = std::move(name),
                                               .login = std::move(login),
                                               .auth = route.auth,
                                               .auth_query = std::move(query),
                                               .inspect = inspect_level(route),
                                               .pool = route.pool,
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

  void problem(const config::Route& route, std::string key, std::string text) {
    problems_.push_back({route.at, std::move(key), std::move(text)});
  }

  const config::Config& config_;
  std::shared_ptr<RouteTable> table_;
  UniqueNames names_;
  std::vector<config::Problem> problems_;
};

RouteTable::Outcome RouteTable::compile(const config::Config& config,
                                        std::shared_ptr<const upstream::Set> set) {
  return TableCompiler(config, std::move(set)).run();
}

}  // namespace trunkline::route
