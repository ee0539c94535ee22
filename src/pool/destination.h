#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "auth/credentials.h"
#include "base/time.h"
#include "config/model.h"
#include "pool/greetings.h"
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
        credentials_(credentials.clone()) {}

  const upstream::UpstreamPtr& upstream() const { return upstream_; }
  const std::string& database() const { return database_; }

  std::shared_ptr<const config::Pool> settings() const { return settings_.load(); }
  void set_settings(const config::Pool& settings) {
    settings_.store(std::make_shared<const config::Pool>(settings));
    wait_timeout_.store(settings.wait_timeout, std::memory_order_relaxed);
  }
  // Of `settings`, which are dear to ask for each time that somebody waits.
  Duration wait_timeout() const { return wait_timeout_.load(std::memory_order_relaxed); }

  auth::Credentials credentials() const {
    std::lock_guard lock(mutex_);
    return credentials_.clone();
  }
  // What a client has shown last: passwords change.
  void set_credentials(const auth::Credentials& credentials);

  Greetings& greetings() { return greetings_; }

  // Counts the times that somebody has changed what statements may mean (DDL). A statement that was
  // prepared before the last of them must not pass for one that is prepared now.
  uint64_t ddl_epoch() const { return ddl_epoch_.load(std::memory_order_relaxed); }
  void on_ddl() { ddl_epoch_.fetch_add(1, std::memory_order_relaxed); }

 private:
  const upstream::UpstreamPtr upstream_;
  const std::string database_;
  std::atomic<std::shared_ptr<const config::Pool>> settings_;
  std::atomic<Duration> wait_timeout_;
  mutable std::mutex mutex_;
  auth::Credentials credentials_;
  Greetings greetings_;
  std::atomic<uint64_t> ddl_epoch_ = 0;
};

}  // namespace trunkline::pool
