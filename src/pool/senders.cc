#include "pool/senders.h"

#include <functional>

namespace trunkline::pool {

// The servers of a configuration are few: that two of their addresses hash alike in 32 bits, and
// show the same process, is no concern.
uint64_t Senders::key_of(const std::string& server, uint32_t process_id) {
  return std::hash<std::string>{}(server) << 32 | process_id;
}

std::unique_ptr<Senders::Place> Senders::enter(const std::string& server, uint32_t process_id) {
  auto place = std::make_unique<Place>(*this, key_of(server, process_id));
  std::lock_guard lock(mutex_);
  places_[place->key_] = place.get();
  return place;
}

// A process id may have been given out again before we noticed that the connection is gone.
void Senders::leave(const Place& place) {
  std::lock_guard lock(mutex_);
  auto found = places_.find(place.key_);
  if (found != places_.end() && found->second == &place) places_.erase(found);
}

uint32_t Senders::client_of(const std::string& server, uint32_t process_id) const {
  std::lock_guard lock(mutex_);
  auto found = places_.find(key_of(server, process_id));
  uint32_t client = found == places_.end() ? 0 : found->second->client();
  return client == 0 ? process_id : client;
}

}  // namespace trunkline::pool
