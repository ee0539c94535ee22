#include "upstream/set.h"

#include <fmt/format.h>
#include <set>
#include <utility>

#include "base/text.h"

namespace trunkline::upstream {

namespace {

std::string joined_servers(const config::Upstream& settings) {
  std::string name;
  for (const config::ServerAddress& server : settings.servers) {
    if (!name.empty()) name += ',';
    name += server_name(server);
  }
  return name;
}

// Two inline upstreams are one when they cannot be told apart by a connection.
std::string inline_key(const config::Upstream& settings) {
  const config::ServerTls& tls = settings.tls;
  return fmt::format("{}|{}|{}|{}|{}|{}|{}|{}", joined_servers(settings),
                     std::to_underlying(tls.mode), std::to_underlying(tls.negotiation), tls.ca_file,
                     tls.server_name, tls.cert_file, tls.key_file,
                     settings.connect_timeout.count());
}

std::shared_ptr<Health> health_of(const config::ServerAddress& address, const Upstream* previous) {
  if (previous != nullptr) {
    for (const Server& server : previous->servers()) {
      if (server.address.host == address.host && server.address.port == address.port)
        return server.health;
    }
  }
  return std::make_shared<Health>();
}

UpstreamPtr lookup(const std::map<std::string, UpstreamPtr, std::less<>>& in,
                   std::string_view key) {
  auto found = in.find(key);
  return found == in.end() ? nullptr : found->second;
}

}  // namespace

class Set::Builder {
 public:
  Builder(const config::Config& config, const Set* previous, tls::Findings& findings)
      : config_(config), previous_(previous), findings_(findings), set_(new Set) {}

  std::shared_ptr<const Set> build() {
    size_t errors_before = findings_.errors.size();
    for (const auto& [name, settings] : config_.upstreams) {
      UpstreamPtr old = previous_ != nullptr ? lookup(previous_->named_, name) : nullptr;
      set_->named_.emplace(name, compile_one(name, settings, "upstreams." + name, old));
    }
    for (size_t i = 0; i < config_.routes.size(); ++i) set_->of_route_.push_back(of_route(i));
    if (findings_.errors.size() != errors_before) return nullptr;
    share_dynamic();
    return set_;
  }

 private:
  UpstreamPtr compile_one(const std::string& name, const config::Upstream& settings,
                          const std::string& key, const UpstreamPtr& old) {
    // Taken before the files are read: a change in between shows at the next reload.
    CompiledTls tls{.context = {}, .files = stamps_of(settings.tls)};
    if (old != nullptr && same_settings(old->settings(), settings) &&
        old->compiled_tls().files == tls.files) {
      return old;
    }
    tls.context = tls::ServerContext::compile(settings.tls, key + ".tls", findings_);
    if (tls.context == nullptr) return nullptr;
    std::vector<std::shared_ptr<Health>> health;
    health.reserve(settings.servers.size());
    for (const config::ServerAddress& server : settings.servers) {
      health.push_back(health_of(server, old.get()));
    }
    return std::make_shared<const Upstream>(name, settings, std::move(tls), std::move(health));
  }

  UpstreamPtr of_route(size_t index) {
    const config::Route& route = config_.routes[index];
    if (route.reject) return nullptr;
    if (!route.inline_upstream) return of_name(route, index);
    std::string key = inline_key(*route.inline_upstream);
    if (UpstreamPtr same = lookup(set_->inline_, key)) return same;
    UpstreamPtr old = previous_ != nullptr ? lookup(previous_->inline_, key) : nullptr;
    UpstreamPtr made = compile_one(joined_servers(*route.inline_upstream), *route.inline_upstream,
                                   fmt::format("routes[{}].upstream", index), old);
    set_->inline_.emplace(std::move(key), made);
    return made;
  }

  UpstreamPtr of_name(const config::Route& route, size_t index) {
    auto found = set_->named_.find(route.upstream);
    if (found != set_->named_.end()) return found->second;
    findings_.errors.push_back(
        {route.at, fmt::format("routes[{}].upstream", index),
         fmt::format("there is no upstream \"{}\"", printable(route.upstream))});
    return nullptr;
  }

  // The limit is the set's own: a reload that is refused, however late, changes nothing.
  void share_dynamic() {
    set_->dynamic_ =
        previous_ != nullptr ? previous_->dynamic_ : std::make_shared<DynamicUpstreams>();
    set_->dynamic_max_ = config_.max_dynamic_upstreams;
  }

  const config::Config& config_;
  const Set* previous_;
  tls::Findings& findings_;
  std::shared_ptr<Set> set_;
};

std::shared_ptr<const Set> Set::compile(const config::Config& config, const Set* previous,
                                        tls::Findings& findings) {
  return Builder(config, previous, findings).build();
}

UpstreamPtr Set::only() const {
  std::set<UpstreamPtr> all(of_route_.begin(), of_route_.end());
  for (const auto& [name, upstream] : named_) all.insert(upstream);
  all.erase(nullptr);
  if (all.size() != 1) return nullptr;
  const UpstreamPtr& upstream = *all.begin();
  return upstream->servers().size() == 1 && !upstream->is_pattern() ? upstream : nullptr;
}

}  // namespace trunkline::upstream
