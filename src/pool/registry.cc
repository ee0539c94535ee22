#include "pool/registry.h"

#include <utility>

namespace trunkline::pool {

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
}

void Registry::show(const Key& key, Pool& pool) const {
  if (metrics_ == nullptr || pools_.size() > kShownMax) return;
  pool.show(*metrics_, {{"route", key.route}, {"database", key.database}, {"user", key.user}},
            [] { return Instant(Clock::now()); });
}

namespace {

// A login that began before a reload brings the upstream of its time along.
bool is_older(const upstream::UpstreamPtr& upstream, const upstream::UpstreamPtr& than) {
  return upstream->name() == than->name() && upstream->serial() < than->serial();
}

}  // namespace

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
  std::vector<CapName> caps = {{CapName::Kind::upstream, upstream->name()},
                               {CapName::Kind::database, key.database},
                               {CapName::Kind::user, key.user}};
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
  auto of_upstream = shares_.per_upstream.find(upstream->name());
  if (of_upstream != shares_.per_upstream.end()) ledger_.set_cap(caps[0], of_upstream->second);
  if (shares_.per_database) ledger_.set_cap(caps[1], shares_.per_database);
  if (shares_.per_user) ledger_.set_cap(caps[2], shares_.per_user);
  return pool;
}

std::optional<Registry::Move> Registry::replace(const Key& key, PoolPtr& pool,
                                                const upstream::UpstreamPtr& upstream,
                                                const config::Pool& settings,
                                                const auth::Credentials& credentials) {
  pool->stop_showing();  // the new one has its names
  PoolPtr before = std::exchange(pool, make(key, upstream, settings, credentials));
  // What is there serves to its end, and nothing is opened that nobody waits for.
  config::Pool without_minimum = *before->destination().settings();
  without_minimum.min_size = 0;
  before->destination().set_settings(without_minimum);
  replaced_.push_back(before);
  if (before->destination().upstream()->name() != upstream->name()) return std::nullopt;
  return Move{.from = std::move(before), .to = pool};
}

void Registry::set_shares(Shares shares) {
  std::lock_guard lock(mutex_);
  shares_ = std::move(shares);
  for (const auto& [key, pool] : pools_) {
    const std::string& upstream = pool->destination().upstream()->name();
    auto found = shares_.per_upstream.find(upstream);
    std::optional<uint32_t> per_upstream;
    if (found != shares_.per_upstream.end()) per_upstream = found->second;
    ledger_.set_cap({CapName::Kind::upstream, upstream}, per_upstream);
    ledger_.set_cap({CapName::Kind::database, key.database}, shares_.per_database);
    ledger_.set_cap({CapName::Kind::user, key.user}, shares_.per_user);
  }
}

void Registry::apply(const std::string& route, const config::Pool& settings,
                     const upstream::UpstreamPtr& upstream) {
  std::vector<Move> moves;
  {
    std::lock_guard lock(mutex_);
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
  std::vector<PoolPtr> pools = replaced_;
  for (const auto& [key, pool] : pools_) pools.push_back(pool);
  return pools;
}

// A pool that only the registry knows has no session, no login in progress and no mail under way,
// and nobody but the registry can give it to somebody.
void Registry::forget_unused() {
  std::vector<PoolPtr> unused;  // leave the ledger without our lock
  std::lock_guard lock(mutex_);
  auto is_unused = [](const PoolPtr& pool) {
    return pool.use_count() == 1 && pool->connections() == 0;
  };
  for (auto each = pools_.begin(); each != pools_.end();) {
    if (is_unused(each->second)) {
      unused.push_back(std::move(each->second));
      each = pools_.erase(each);
    } else {
      ++each;
    }
  }
  std::erase_if(replaced_, [&](PoolPtr& pool) {
    if (!is_unused(pool)) return false;
    unused.push_back(std::move(pool));
    return true;
  });
}

}  // namespace trunkline::pool
