#include <algorithm>
#include <utility>

#include "pool/pool.h"

// What is seen of a pool at a moment.
namespace trunkline::pool {

void Pool::show(observe::Registry& metrics, const observe::Labels& labels,
                std::function<Instant()> now) {
  auto add = [&](const observe::Descriptor& descriptor, std::function<int64_t()> read) {
    gauges_.push_back(metrics.gauge(descriptor, labels, std::move(read)));
  };
  auto add_state = [&](std::string_view state, std::function<int64_t()> read) {
    observe::Labels with_state = labels;
    with_state.emplace_back("state", state);
    gauges_.push_back(metrics.gauge({.name = "pool_connections",
                                     .help = "Server connections of a pool, by state.",
                                     .type = observe::Type::gauge},
                                    std::move(with_state), std::move(read)));
  };
  add_state("login", [this] { return int64_t{opening()}; });
  add_state("idle", [this] { return int64_t{idle()}; });
  // Not all at one moment: never shown as fewer than none.
  add_state("active",
            [this] { return std::max<int64_t>(int64_t{connections()} - idle() - opening(), 0); });
  add({.name = "pool_size", .help = "How many a pool may have.", .type = observe::Type::gauge},
      [this] { return int64_t{destination().settings()->size}; });
  add({.name = "pool_waiting",
       .help = "Sessions in the line for a server connection.",
       .type = observe::Type::gauge},
      [this] { return int64_t{waiting()}; });
  add({.name = "pool_oldest_wait",
       .help = "Since when the first in the line has waited.",
       .type = observe::Type::gauge,
       .unit = observe::Unit::seconds},
      [this, now = std::move(now)] {
        Instant since = first_waits_since();
        return since == Instant::max() ? int64_t{0} : std::max<int64_t>((now() - since).count(), 0);
      });
}

}  // namespace trunkline::pool
