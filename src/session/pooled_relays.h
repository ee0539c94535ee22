#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "base/intrusive_list.h"
#include "session/pooled_relay.h"

namespace trunkline::session {

// The relays of those sessions of a worker that have something to do. One at rest has none: its
// memory serves the next session that wakes up, which so allocates nothing. As many spare ones are
// kept as are in use at the same time where few server connections serve many clients. One thread.
//
// They lie in blocks of pages of their own, which go back to the system: among what lives longer on
// the heap, the relays of thousands that have waited once would leave holes for good.
class PooledRelays {
  struct Block;

 public:
  static constexpr size_t kSpareMax = 64;
  static constexpr size_t kBlockBytes = 64 * 1024;

  // A relay, and the memory that the next one uses again.
  struct Place {
    PooledRelay::Buffers buffers;
    std::optional<PooledRelay> relay;

   private:
    friend class PooledRelays;
    Block* block = nullptr;
    Place* next_spare = nullptr;  // of its block
  };

  PooledRelays() = default;
  PooledRelays(const PooledRelays&) = delete;
  PooledRelays& operator=(const PooledRelays&) = delete;
  ~PooledRelays();

  // To be given back.
  Place* take();
  void give_back(Place* place);

  size_t spare() const { return spare_; }
  size_t bytes() const { return blocks_ * kBlockBytes; }
  static size_t places_of_block() { return Block::kPlaces; }

 private:
  struct Block : ListNode<> {
    static constexpr size_t kHeaderBytes = 64;
    static constexpr size_t kPlaces = (kBlockBytes - kHeaderBytes) / sizeof(Place);

    // Made one by one: what is not used yet costs no memory.
    Place* at(size_t index) { return reinterpret_cast<Place*>(room.data()) + index; }
    bool is_full() const { return first_spare == nullptr && made == kPlaces; }

    Place* first_spare = nullptr;
    size_t made = 0;
    size_t in_use = 0;
    alignas(Place) std::array<std::byte, kPlaces * sizeof(Place)> room;
  };

  Block* add_block();
  void remove(Block* block);

  IntrusiveList<Block, void> with_room_;  // the one that is filled first in front
  IntrusiveList<Block, void> full_;
  size_t spare_ = 0;
  size_t blocks_ = 0;
};

}  // namespace trunkline::session
