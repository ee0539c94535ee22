#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "session/pooled_relay.h"

namespace trunkline::session {

// The relays of those sessions of a worker that have something to do. One at rest has none: its
// memory serves the next session that wakes up, which so allocates nothing. As many spare ones are
// kept as are in use at the same time where few server connections serve many clients. One thread.
class PooledRelays {
 public:
  static constexpr size_t kSpareMax = 128;

  // A relay, and the memory that the next one uses again.
  struct Place {
    PooledRelay::Buffers buffers;
    std::optional<PooledRelay> relay;
  };
  using PlacePtr = std::unique_ptr<Place>;

  PlacePtr take() {
    if (spare_.empty()) return std::make_unique<Place>();
    PlacePtr place = std::move(spare_.back());
    spare_.pop_back();
    return place;
  }
  void give_back(PlacePtr place) {
    place->relay.reset();
    if (spare_.size() < kSpareMax) spare_.push_back(std::move(place));
  }
  size_t spare() const { return spare_.size(); }

 private:
  std::vector<PlacePtr> spare_;
};

}  // namespace trunkline::session
