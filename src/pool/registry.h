#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pool/pool.h"
#include "pool/query_rate.h"

namespace trunkline::pool {

// What tells one pool from another. `database` and `user` are those at the server.
struct Key {
  std::string route;
  std::string database;
  std::string user;
  // The servers, where the client's words say which of many they are; otherwise the route tells.
  std::string servers = {};

  auto operator<=>(const Key&) const = default;
};

// Limits that pools share, by the configuration.
struct Shares {
  std::map<std::string, uint32_t> per_upstream;  // by name
  std::optional<uint32_t> per_database;
  std::optional<uint32_t> per_user;
  std::optional<uint32_t> per_server;
};

// The pools of the process. They come with the first session that needs them and go when they have
// been empty for a while. Any thread; asked at logins, never for a transaction.
class Registry {
 public:
  // Without `metrics` nobody sees what the pools count.
  Registry(Ledger& ledger, uint32_t workers, observe::Registry* metrics = nullptr)
      : ledger_(ledger), workers_(workers), metrics_(metrics) {}

  // The pool of this key, made anew when there is none or when the old one leads elsewhere by now.
  // An upstream that a reload has changed is the same one still: those who use the old pool go over
  // to the new one. Where the route leads to another upstream they go on with what they have until
  // their next login. `credentials` are what has just proven to be right.
  PoolPtr get(const Key& key, const upstream::UpstreamPtr& upstream, const config::Pool& settings,
              const auth::Credentials& credentials);

  void set_shares(Shares shares);
  // Of the pools of a route, after a reload. `upstream`: where it leads now; null when that is not
  // known before a client comes.
  void apply(const std::string& route, const config::Pool& settings,
             const upstream::UpstreamPtr& upstream);

  // The servers give new connections other settings than before: those that are open are replaced
  // as they come free, and what clients are told at login is asked anew.
  void renew(const upstream::UpstreamPtr& upstream, Desk& desk);

  // Of the connections of all pools.
  Senders& senders() { return senders_; }

  std::vector<PoolPtr> all() const;
  // Drops those that nobody has a use for: no session, no connection. Every second or so.
  void forget_unused(Instant now);

 private:
  // A pool that others have replaced, and the one whom its sessions go over to.
  struct Move {
    PoolPtr from;
    PoolPtr to;
  };
  struct Replaced {
    Key key;
    PoolPtr pool;
  };

  static Limits limits_of(const config::Pool& settings);
  static void let_run_out(const config::Pool& settings, Pool& replaced);
  void limit(const std::vector<CapName>& caps);
  std::optional<uint32_t> max_of(const CapName& cap) const;
  void show(const CapName& server);
  void stop_showing_unused();
  PoolPtr make(const Key& key, const upstream::UpstreamPtr& upstream, const config::Pool& settings,
               const auth::Credentials& credentials);
  // The lock is held.
  std::optional<Move> replace(const Key& key, PoolPtr& pool, const upstream::UpstreamPtr& upstream,
                              const config::Pool& settings, const auth::Credentials& credentials);

  void apply(const Key& key, const config::Pool& settings, Pool& pool);
  void show(const Key& key, Pool& pool) const;

  // Beyond so many pools at the same time the gauges of further ones are not shown: databases are
  // named by clients.
  static constexpr size_t kShownMax = 1000;

  Ledger& ledger_;
  const uint32_t workers_;
  observe::Registry* const metrics_;
  QueryRates rates_;
  Senders senders_;  // outlives the pools
  mutable std::mutex mutex_;
  Shares shares_;
  std::map<Key, PoolPtr> pools_;
  // Replaced while sessions still used them.
  std::vector<Replaced> replaced_;
  std::map<std::string, observe::GaugeHandle> of_servers_;
};

}  // namespace trunkline::pool
