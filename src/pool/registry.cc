#include "pool/registry.h"

#include <algorithm>
#include <set>
#include <utility>

namespace trunkline::pool {

namespace {

// A server that an upstream names twice counts once.
std::vector<CapName> servers_of(const upstream::Upstream& upstream) {
  std::vector<CapName> servers;
  for (const upstream::Server& server : upstream.servers()) {
    servers.push_back({CapName::Kind::server, upstream::server_name(server.address)});
  }
  std::ranges::sort(servers);
  servers.erase(std::ranges::unique(servers).begin(), servers.end());
  return servers;
}

CapName cap_of(const Key& key, const upstream::Upstream& upstream) {
  std::string name;
  for (const std::string* part : {&key.route, &key.database, &key.user}) {
    name.append(*part).append(1, '\0');
  }
  for (const CapName& server : servers_of(upstream)) name.append(server.name).append(1, ',');
  return {CapName::Kind::pool, std::move(name)};
}

// Which of its servers a connection leads to is not known before it is there, and the next one may
// lead to another: so it counts for all of them, and none ever has more than it may.
std::vector<CapName> caps_of(const Key& key, const upstream::Upstream& upstream) {
  std::vector<CapName> caps = servers_of(upstream);
  caps.push_back({CapName::Kind::upstream, upstream.name()});
  caps.push_back({CapName::Kind::database, key.database});
  caps.push_back({CapName::Kind::user, key.user});
  caps.push_back(cap_of(key, upstream));
  return caps;
}

// A login that began before a reload brings the upstream of its time along.
bool is_older(const upstream::UpstreamPtr& upstream, const upstream::UpstreamPtr& than) {
  return upstream->name() == than->name() && upstream->serial() < than->serial();
}

}  // namespace

Limits Registry::limits_of(const config::Pool& settings) {
  return {.size = settings.size,
          .reserve = settings.reserve_size,
          .guaranteed = settings.guaranteed_size};
}

// What sessions look at when they see that the settings are new comes first.
void Registry::apply(const Key& key, const config::Pool& settings, Pool& pool) {
  auto rate = [&](const std::string& user, std::optional<uint32_t> per_second) {
    return per_second ? rates_.get(key.route, user, *per_second) : nullptr;
  };
  pool.set_query_rates({.route = rate("", settings.max_queries_per_second),
                        .user = rate(key.user, settings.max_queries_per_second_per_user)});
  pool.pin_places().set_max(settings.max_pinned.value_or(settings.size));
  pool.destination().set_settings(settings);
  ledger_.set_cap(cap_of(key, *pool.destination().upstream()),
                  settings.size + settings.reserve_size);
}

void Registry::show(const Key& key, Pool& pool) const {
  if (metrics_ == nullptr || pools_.size() > kShownMax) return;
  observe::Labels labels = {{"route", key.route}, {"database", key.database}, {"user", key.user}};
  if (!key.servers.empty()) labels.emplace_back("servers", key.servers);
  pool.show(*metrics_, labels, [] { return Instant(Clock::now()); });
}

PoolPtr Registry::get(const Key& key, const upstream::UpstreamPtr& upstream,
                      const config::Pool& settings, const auth::Credentials& credentials) {
  PoolPtr found;
  std::optional<Move> move;
  {
    std::lock_guard lock(mutex_);
    PoolPtr& pool = pools_[key];
    if (pool == nullptr) {
      pool = make(key, upstream, settings, credentials);
    } else if (const auto& of_pool = pool->destination().upstream();
               of_pool == upstream || is_older(upstream, of_pool)) {
      pool->destination().set_credentials(credentials);
    } else {
      move = replace(key, pool, upstream, settings, credentials);
    }
    found = pool;
  }
  if (move) move->from->retire(std::move(move->to));
  return found;
}

PoolPtr Registry::make(const Key& key, const upstream::UpstreamPtr& upstream,
                       const config::Pool& settings, const auth::Credentials& credentials) {
  std::vector<CapName> caps = caps_of(key, *upstream);
  auto destination = std::make_unique<Destination>(upstream, key.database, settings, credentials);
  std::shared_ptr<observe::Group> cells;
  if (metrics_ != nullptr) {
    cells = metrics_->group(kPoolMetrics, {key.route, key.database, key.user});
  }
  PoolPtr pool = Pool::make(ledger_, limits_of(settings), caps, workers_, std::move(destination),
                            std::move(cells));
  apply(key, settings, *pool);
  show(key, *pool);
  // Only now do the ledger's caps of these names exist for sure.
  limit(caps);
  for (const CapName& cap : caps) {
    if (cap.kind == CapName::Kind::server) show(cap);
  }
  return pool;
}

// By the limits that pools share; that of the pool itself goes by its settings.
void Registry::limit(const std::vector<CapName>& caps) {
  for (const CapName& cap : caps) {
    if (cap.kind != CapName::Kind::pool) ledger_.set_cap(cap, max_of(cap));
  }
}

std::optional<uint32_t> Registry::max_of(const CapName& cap) const {
  switch (cap.kind) {
    case CapName::Kind::database:
      return shares_.per_database;
    case CapName::Kind::user:
      return shares_.per_user;
    case CapName::Kind::server:
      return shares_.per_server;
    case CapName::Kind::pool:
      return std::nullopt;
    case CapName::Kind::upstream:
      break;
  }
  auto found = shares_.per_upstream.find(cap.name);
  return found == shares_.per_upstream.end() ? std::nullopt : std::optional(found->second);
}

void Registry::show(const CapName& server) {
  if (metrics_ == nullptr || of_servers_.size() >= kShownMax) return;
  observe::GaugeHandle& shown = of_servers_[server.name];
  if (shown.is_registered()) return;
  shown = metrics_->gauge({.name = "pool_server_connections",
                           .help = "Server connections of all pools, by server.",
                           .type = observe::Type::gauge},
                          {{"server", server.name}},
                          [this, server] { return int64_t{ledger_.used(server)}; });
}

void Registry::stop_showing_unused() {
  std::set<std::string> in_use;
  auto note = [&](const Pool& pool) {
    for (CapName& cap : servers_of(*pool.destination().upstream())) {
      in_use.insert(std::move(cap.name));
    }
  };
  for (const auto& [key, pool] : pools_) note(*pool);
  for (const Replaced& each : replaced_) note(*each.pool);
  std::erase_if(of_servers_, [&](const auto& shown) { return !in_use.contains(shown.first); });
}

std::optional<Registry::Move> Registry::replace(const Key& key, PoolPtr& pool,
                                                const upstream::UpstreamPtr& upstream,
                                                const config::Pool& settings,
                                                const auth::Credentials& credentials) {
  pool->stop_showing();  // the new one has its names
  PoolPtr before = std::exchange(pool, make(key, upstream, settings, credentials));
  if (before->destination().asks_for_sequences()) pool->destination().on_sequence_asked();
  let_run_out(settings, *before);
  replaced_.push_back({key, before});
  if (before->destination().upstream()->name() != upstream->name()) return std::nullopt;
  return Move{.from = std::move(before), .to = pool};
}

// What is there serves to its end, nothing is opened that nobody waits for, and nothing is kept
// free for it.
void Registry::let_run_out(const config::Pool& settings, Pool& replaced) {
  config::Pool without_minimum = settings;
  without_minimum.min_size = 0;
  replaced.destination().set_settings(without_minimum);
  Limits limits = limits_of(settings);
  limits.guaranteed = 0;
  replaced.set_limits(limits);
}

void Registry::set_shares(Shares shares) {
  std::lock_guard lock(mutex_);
  shares_ = std::move(shares);
  for (const auto& [key, pool] : pools_) limit(caps_of(key, *pool->destination().upstream()));
  for (const Replaced& each : replaced_) {
    limit(caps_of(each.key, *each.pool->destination().upstream()));
  }
}

void Registry::apply(const std::string& route, const config::Pool& settings,
                     const upstream::UpstreamPtr& upstream) {
  std::vector<Move> moves;
  {
    std::lock_guard lock(mutex_);
    for (const Replaced& each : replaced_) {
      if (each.key.route == route) let_run_out(settings, *each.pool);
    }
    for (auto& [key, pool] : pools_) {
      if (key.route != route) continue;
      const pool::Destination& destination = pool->destination();
      bool is_changed = upstream != nullptr && is_older(destination.upstream(), upstream);
      if (is_changed) {
        auto move = replace(key, pool, upstream, settings, destination.credentials());
        if (move) moves.push_back(std::move(*move));
        continue;
      }
      pool->set_limits(limits_of(settings));
      apply(key, settings, *pool);
    }
  }
  for (Move& move : moves) move.from->retire(std::move(move.to));
}

void Registry::renew(const upstream::UpstreamPtr& upstream, Desk& desk) {
  for (const PoolPtr& pool : all()) {
    if (pool->destination().upstream() != upstream) continue;
    pool->destination().greetings().forget();
    pool->renew(desk);
  }
}

std::vector<PoolPtr> Registry::all() const {
  std::lock_guard lock(mutex_);
  std::vector<PoolPtr> pools;
  for (const Replaced& each : replaced_) pools.push_back(each.pool);
  for (const auto& [key, pool] : pools_) pools.push_back(pool);
  return pools;
}

// A pool that only the registry knows has no session, no login in progress and no mail under way,
// and nobody but the registry can give it to somebody.
void Registry::forget_unused(Instant now) {
  std::vector<PoolPtr> unused;  // leave the ledger without our lock
  std::lock_guard lock(mutex_);
  auto is_unused = [&](const PoolPtr& pool) {
    pool->note_use(pool.use_count() > 1, now);
    return pool.use_count() == 1 && pool->connections() == 0;
  };
  for (auto each = pools_.begin(); each != pools_.end();) {
    if (!is_unused(each->second)) {
      ++each;
      continue;
    }
    unused.push_back(std::move(each->second));
    each = pools_.erase(each);
  }
  std::erase_if(replaced_, [&](Replaced& each) {
    if (!is_unused(each.pool)) return false;
    unused.push_back(std::move(each.pool));
    return true;
  });
  if (!unused.empty()) stop_showing_unused();
}

}  // namespace trunkline::pool
