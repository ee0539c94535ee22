#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "config/model.h"
#include "tls/context.h"
#include "upstream/file_stamp.h"
#include "upstream/health.h"

namespace trunkline::upstream {

struct Server {
  config::ServerAddress address;
  std::shared_ptr<Health> health;
};

// TLS towards the servers, and the state of the files it was made from.
struct CompiledTls {
  std::shared_ptr<const tls::ServerContext> context;
  std::vector<FileStamp> files;
};

// "host:port", or the path of a unix socket.
std::string server_name(const config::ServerAddress& address);

// An inline upstream whose hosts hold captures.
bool is_pattern(const config::Upstream& settings);

// A named set of servers that hold the same data, tried in order. Immutable but for the health of
// its servers; made by `Set`, shared by the configuration snapshot and by every session that uses
// it. Any thread.
class Upstream {
 public:
  // `pattern_name`: of the pattern whose captures have been filled in, or empty.
  Upstream(std::string name, config::Upstream settings, CompiledTls tls,
           std::vector<std::shared_ptr<Health>> health, std::string pattern_name = "");

  // A name of `upstreams`; for an inline upstream its servers ("db1.internal:5432").
  const std::string& name() const { return name_; }
  // Of two upstreams of one name the later one has the larger number.
  uint64_t serial() const { return serial_; }
  // Its name, or that of the pattern it was made from: never of a client's words.
  const std::string& configured_name() const {
    return pattern_name_.empty() ? name_ : pattern_name_;
  }
  // Of one of the many that a pattern stands for.
  bool is_filled_in() const { return !pattern_name_.empty(); }
  std::span<const Server> servers() const { return servers_; }
  Duration connect_timeout() const { return settings_.connect_timeout; }
  // Never null; its mode may be `disable`.
  const std::shared_ptr<const tls::ServerContext>& tls() const { return tls_.context; }
  const CompiledTls& compiled_tls() const { return tls_; }
  const config::Upstream& settings() const { return settings_; }

  // An inline upstream whose hosts hold captures: no server yet, see `DynamicUpstreams`.
  bool is_pattern() const { return upstream::is_pattern(settings_); }

 private:
  const uint64_t serial_;
  std::string name_;
  std::string pattern_name_;
  config::Upstream settings_;
  CompiledTls tls_;
  std::vector<Server> servers_;
};

using UpstreamPtr = std::shared_ptr<const Upstream>;

// Equal in all that matters to a connection, wherever in the file they stand.
bool same_settings(const config::Upstream& a, const config::Upstream& b);

}  // namespace trunkline::upstream
