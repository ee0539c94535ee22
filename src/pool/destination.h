#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "auth/credentials.h"
#include "base/time.h"
#include "config/model.h"
#include "pool/greetings.h"
#include "pool/listener.h"
#include "pool/plain_names.h"
#include "pool/server_defaults.h"
#include "upstream/upstream.h"

namespace trunkline::pool {

// Where the connections of a pool lead, as whom, and what is known of the other end. Any thread.
class Destination {
 public:
  Destination(upstream::UpstreamPtr upstream, std::string database, const config::Pool& settings,
              const auth::Credentials& credentials)
      : upstream_(std::move(upstream)),
        database_(std::move(database)),
        settings_(std::make_shared<const config::Pool>(settings)),
        wait_timeout_(settings.wait_timeout),
        max_lifetime_(settings.max_lifetime),
        credentials_(credentials.clone()) {}

  const upstream::UpstreamPtr& upstream() const { return upstream_; }
  const std::string& database() const { return database_; }

  std::shared_ptr<const config::Pool> settings() const { return settings_.load(); }
  void set_settings(const config::Pool& settings) {
    settings_.store(std::make_shared<const config::Pool>(settings));
    wait_timeout_.store(settings.wait_timeout, std::memory_order_relaxed);
    max_lifetime_.store(settings.max_lifetime, std::memory_order_relaxed);
    settings_version_.fetch_add(1, std::memory_order_release);
  }
  // Another number when `settings` has changed: cheap to ask for each transaction.
  uint32_t settings_version() const { return settings_version_.load(std::memory_order_acquire); }
  // Of `settings`, which are dear to ask for each time that somebody waits or leaves.
  Duration wait_timeout() const { return wait_timeout_.load(std::memory_order_relaxed); }
  Duration max_lifetime() const { return max_lifetime_.load(std::memory_order_relaxed); }

  auth::Credentials credentials() const {
    std::lock_guard lock(mutex_);
    return credentials_.clone();
  }
  // What a client has shown last: passwords change.
  void set_credentials(const auth::Credentials& credentials);

  Greetings& greetings() { return greetings_; }
  ServerDefaults& defaults() { return defaults_; }

  // Who listens for the clients of this encoding; made with the first of them, kept with the pool.
  ListenerPtr listener(const std::string& encoding) {
    std::lock_guard lock(mutex_);
    ListenerPtr& found = listeners_[encoding];
    if (found == nullptr) found = std::make_shared<Listener>(encoding);
    return found;
  }
  std::vector<ListenerPtr> listeners() const {
    std::lock_guard lock(mutex_);
    std::vector<ListenerPtr> found;
    found.reserve(listeners_.size());
    for (const auto& [encoding, listener] : listeners_) found.push_back(listener);
    return found;
  }

  // Counts the times that somebody has changed what statements may mean (DDL). A statement that was
  // prepared before the last of them must not pass for one that is prepared now.
  uint64_t ddl_epoch() const { return ddl_epoch_.load(std::memory_order_relaxed); }
  void on_ddl() { ddl_epoch_.fetch_add(1, std::memory_order_relaxed); }

  PlainNames& plain_names() { return *plain_names_; }

  // Somebody asks currval() or lastval() for what an earlier transaction has written.
  bool asks_for_sequences() const { return asks_for_sequences_.load(std::memory_order_relaxed); }
  // True the first time.
  bool on_sequence_asked() {
    return !asks_for_sequences() && !asks_for_sequences_.exchange(true, std::memory_order_relaxed);
  }

 private:
  const upstream::UpstreamPtr upstream_;
  const std::string database_;
  std::atomic<std::shared_ptr<const config::Pool>> settings_;
  std::atomic<uint32_t> settings_version_ = 0;
  std::atomic<Duration> wait_timeout_;
  std::atomic<Duration> max_lifetime_;
  mutable std::mutex mutex_;
  auth::Credentials credentials_;
  std::map<std::string, ListenerPtr> listeners_;  // by encoding: there are about forty
  Greetings greetings_;
  const std::shared_ptr<PlainNames> plain_names_ = std::make_shared<PlainNames>();
  ServerDefaults defaults_;
  std::atomic<uint64_t> ddl_epoch_ = 0;
  std::atomic<bool> asks_for_sequences_ = false;
};

}  // namespace trunkline::pool
