#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "observe/metrics.h"
#include "route/decision.h"
#include "session/pins.h"
#include "upstream/upstream.h"

namespace trunkline::session {

// What all sessions of a worker share that go by one route to one upstream: both of them, and where
// they count. Immutable; the worker's thread.
struct RouteUse {
  std::shared_ptr<const route::Route> route;
  upstream::UpstreamPtr upstream;
  std::shared_ptr<observe::Group> postgres_group;
  std::shared_ptr<observe::Group> route_group;
  observe::Cell* postgres_cells;  // of `policy::kPostgresStats`
  observe::Cell* cells;           // of `kRouteMetrics`
  Pins rejects;                   // `pool.unmovable_state`
};
using RouteUsePtr = std::shared_ptr<const RouteUse>;

// Those of a worker that some session has. One thread; outlives them.
class RouteUses {
 public:
  RouteUses(observe::Registry& metrics, uint32_t worker) : metrics_(metrics), worker_(worker) {}
  RouteUses(const RouteUses&) = delete;
  RouteUses& operator=(const RouteUses&) = delete;

  // Of one that forwards.
  RouteUsePtr get(const route::Decision& decision);
  size_t in_use() const { return in_use_.size(); }

 private:
  using Key = std::pair<const route::Route*, const upstream::Upstream*>;

  observe::Registry& metrics_;
  const uint32_t worker_;
  std::map<Key, std::weak_ptr<const RouteUse>> in_use_;
};

}  // namespace trunkline::session
