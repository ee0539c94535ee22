#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "observe/metrics.h"
#include "policy/postgres_stats.h"
#include "session/metrics.h"
#include "session/relay_machine.h"
#include "wire/protocol.h"

// For the tests of what crosses the relay.
namespace trunkline::session {

inline std::string header(char type, uint32_t length) {
  std::string bytes(1, type);
  append_big_endian<uint32_t>(bytes, length);
  return bytes;
}

inline std::string msg(char type, std::string_view body) {
  return header(type, static_cast<uint32_t>(body.size()) + wire::kLengthBytes).append(body);
}

// A zero byte; a text with one behind it.
inline std::string z() {
  return std::string(1, '\0');
}
inline std::string c(std::string_view text) {
  return std::string(text) + '\0';
}

inline std::string error(std::string_view severity) {
  return msg('E', "S" + c("ФЕЛЕР") + "V" + c(severity) + "C" + c("XX000") + "M" + c("why") + z());
}

// The counters of one route, and what a relay writes to.
struct TestMetrics {
  observe::Registry registry{1};
  std::shared_ptr<observe::Group> postgres =
      registry.group(policy::kPostgresStats, {"all", "main"});
  std::shared_ptr<observe::Group> route = registry.group(kRouteMetrics, {"all", "main"});
  std::shared_ptr<observe::Group> servers = registry.group(upstream::kServerConnections, {"main"});
  upstream::ServerCount server_count{servers, 0};
  policy::PostgresStats stats{postgres->cells(0)};
  observe::Cell* cells = route->cells(0);
  observe::Cell requests;

  RelayCounters counters() { return {stats, cells, requests}; }

  uint64_t servers_in(upstream::ServerState state) const {
    return servers->total(static_cast<size_t>(state));
  }

  // How often a histogram was recorded, and the sum of it in nanoseconds.
  uint64_t recorded(size_t histogram) const {
    uint64_t count = 0;
    for (size_t i = 0; i <= observe::kLatencyBuckets.count; ++i)
      count += route->total(histogram + i);
    return count;
  }
  uint64_t sum(size_t histogram) const {
    return route->total(histogram + observe::kLatencyBuckets.count + 1U);
  }
};

}  // namespace trunkline::session
