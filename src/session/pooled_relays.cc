#include "session/pooled_relays.h"

#include <memory>
#include <new>
#include <sys/mman.h>

namespace trunkline::session {

PooledRelays::~PooledRelays() {
  while (!with_room_.empty()) remove(&with_room_.front());
  while (!full_.empty()) remove(&full_.front());
}

PooledRelays::Block* PooledRelays::add_block() {
  static_assert(sizeof(Block) <= kBlockBytes);
  void* pages =
      mmap(nullptr, kBlockBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  auto* block = new (pages) Block;
  ++blocks_;
  with_room_.push_front(*block);
  return block;
}

void PooledRelays::remove(Block* block) {
  spare_ -= block->made - block->in_use;
  --blocks_;
  std::destroy_n(block->at(0), block->made);
  std::destroy_at(block);
  munmap(block, kBlockBytes);
}

PooledRelays::Place* PooledRelays::take() {
  Block* block = with_room_.empty() ? add_block() : &with_room_.front();
  Place* place = block->first_spare;
  if (place != nullptr) {
    block->first_spare = place->next_spare;
    --spare_;
  } else {
    place = std::construct_at(block->at(block->made++));
    place->block = block;
  }
  ++block->in_use;
  if (block->is_full()) {
    block->unlink();
    full_.push_back(*block);
  }
  return place;
}

// A block that was full is filled last: others so become empty.
void PooledRelays::give_back(Place* place) {
  place->relay.reset();
  Block* block = place->block;
  if (block->is_full()) {
    block->unlink();
    with_room_.push_back(*block);
  }
  place->next_spare = block->first_spare;
  block->first_spare = place;
  --block->in_use;
  ++spare_;
  if (block->in_use == 0 && spare_ - block->made >= kSpareMax) remove(block);
}

}  // namespace trunkline::session
