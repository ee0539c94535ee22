#include "upstream/dynamic.h"

#include <cassert>
#include <fmt/format.h>
#include <utility>

namespace trunkline::upstream {

namespace {

UpstreamPtr fill_in(const Upstream& pattern, const std::vector<std::string>& hosts) {
  config::Upstream settings = pattern.settings();
  std::string name;
  std::vector<std::shared_ptr<Health>> health;
  for (size_t i = 0; i < hosts.size(); ++i) {
    settings.servers[i].host = hosts[i];
    if (i > 0) name += ',';
    name += server_name(settings.servers[i]);
    health.push_back(std::make_shared<Health>());
  }
  return std::make_shared<const Upstream>(std::move(name), std::move(settings),
                                          pattern.compiled_tls(), std::move(health),
                                          pattern.name());
}

}  // namespace

Result<UpstreamPtr> DynamicUpstreams::get(const UpstreamPtr& pattern,
                                          const std::vector<std::string>& hosts, uint32_t limit) {
  assert(pattern->is_pattern() && hosts.size() == pattern->servers().size());
  std::string key = fmt::format("{}", static_cast<const void*>(pattern.get()));
  for (const std::string& host : hosts) key.append(1, ',').append(host);

  std::lock_guard lock(mutex_);
  if (auto found = by_key_.find(key); found != by_key_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->upstream;
  }
  if (entries_.size() >= limit && !make_room(limit)) {
    return fail({.reason = Reason::client_limit,
                 .retry = Retry::safe,
                 .sqlstate = sqlstate::kConfigurationLimit,
                 .message = "too many servers are in use at once",
                 .hint = "Raise max_dynamic_upstreams."});
  }
  entries_.push_front({key, pattern, fill_in(*pattern, hosts)});
  by_key_.emplace(std::move(key), entries_.begin());
  return entries_.front().upstream;
}

// An upstream nobody else holds cannot gain a holder while we hold the lock: copies come from here
// or from other copies.
bool DynamicUpstreams::make_room(uint32_t limit) {
  auto candidate = entries_.end();
  while (entries_.size() >= limit && candidate != entries_.begin()) {
    --candidate;
    if (candidate->upstream.use_count() > 1) continue;
    by_key_.erase(candidate->key);
    candidate = entries_.erase(candidate);
  }
  return entries_.size() < limit;
}

size_t DynamicUpstreams::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace trunkline::upstream
