#include "lookup/directories.h"

#include <algorithm>

namespace trunkline::lookup {

namespace {

// Equal in all that matters, wherever in the file they stand.
bool same_settings(const config::AuthQuery& a, const config::AuthQuery& b) {
  if (&a == &b) return true;
  auto revealed = [](const config::AuthQuery& query) {
    return query.password ? query.password->reveal() : std::string_view();
  };
  return a.user == b.user && a.password.has_value() == b.password.has_value() &&
         equal_in_constant_time(revealed(a), revealed(b)) && a.database == b.database &&
         a.query == b.query && a.max_connections == b.max_connections && a.timeout == b.timeout &&
         a.cache_ttl == b.cache_ttl && a.negative_cache_ttl == b.negative_cache_ttl &&
         a.idle_timeout == b.idle_timeout;
}

}  // namespace

DirectoryPtr Directories::get(const upstream::UpstreamPtr& upstream,
                              const std::shared_ptr<const config::AuthQuery>& settings) {
  std::lock_guard lock(mutex_);
  auto found = std::ranges::find_if(all_, [&](const DirectoryPtr& directory) {
    return directory->upstream() == upstream && same_settings(*directory->settings(), *settings);
  });
  if (found != all_.end()) return *found;
  all_.push_back(std::make_shared<Directory>(upstream, settings, metrics_));
  return all_.back();
}

// One that only this list knows has nobody who asks it, and nobody else can give it to somebody.
void Directories::tend(const Context& context) {
  std::lock_guard lock(mutex_);
  std::erase_if(all_, [&](const DirectoryPtr& directory) {
    return !directory->tend(context) && directory.use_count() == 1;
  });
}

}  // namespace trunkline::lookup
