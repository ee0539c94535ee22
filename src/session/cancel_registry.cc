#include "session/cancel_registry.h"

#include <utility>

#include "base/bytes.h"
#include "base/random.h"
#include "wire/cancel_key.h"

namespace trunkline::session {

namespace {

uint64_t random_word() {
  return load_big_endian<uint64_t>(random_bytes(sizeof(uint64_t)).data());
}

}  // namespace

// A random epoch makes the keys of an earlier process worthless, whatever the clock says.
CancelRegistry::CancelRegistry(uint16_t node_id, Secret mac_key)
    : node_id_(node_id), epoch_(random_word()), mac_key_(std::move(mac_key)) {}

server::CancelKey CancelRegistry::issue(Target target, bool long_key) {
  if (long_key) {
    auto process_id =
        static_cast<uint32_t>(random_word() >> 33);  // clients show it as a signed number
    wire::LongCancelKey key{.node = node_id_, .session = target.session, .epoch = epoch_};
    Shard& place = shard(by_session_, target.session);
    std::lock_guard lock(place.mutex);
    place.targets[target.session] = target;
    return {process_id, key.encode(process_id, mac_key_)};
  }
  for (;;) {
    std::string random = random_bytes(wire::ShortCancelKey::kBytes);
    auto key = wire::ShortCancelKey::make(
        std::span<const char, wire::ShortCancelKey::kBytes>(random.data(), random.size()),
        node_id_);
    Shard& place = shard(by_key_, key.hash_key());
    std::lock_guard lock(place.mutex);
    if (place.targets.try_emplace(key.hash_key(), target).second) {
      return {key.process_id(), std::string(key.secret())};
    }
  }
}

CancelRegistry::Place CancelRegistry::place_of(uint32_t process_id, std::string_view key) const {
  wire::CancelRequest request{.process_id = process_id, .key = key};
  if (auto short_key = wire::ShortCancelKey::from(request)) {
    return {short_key->hash_key(), process_id, Place::Kind::of_key};
  }
  auto long_key = wire::LongCancelKey::decode(request, mac_key_);
  if (!long_key || long_key->node != node_id_ || long_key->epoch != epoch_) return {};
  return {long_key->session, process_id, Place::Kind::of_session};
}

std::optional<CancelRegistry::Target> CancelRegistry::find(uint32_t process_id,
                                                           std::string_view key) const {
  Place place = place_of(process_id, key);
  if (place.kind == Place::Kind::none) return std::nullopt;
  Shard& in = shard(place);
  std::lock_guard lock(in.mutex);
  auto found = in.targets.find(place.id);
  return found == in.targets.end() ? std::nullopt : std::optional(found->second);
}

void CancelRegistry::withdraw(const Place& place) {
  if (place.kind == Place::Kind::none) return;
  Shard& in = shard(place);
  std::lock_guard lock(in.mutex);
  in.targets.erase(place.id);
}

size_t CancelRegistry::size() const {
  size_t total = 0;
  for (const Table* table : {&by_key_, &by_session_}) {
    for (const Shard& place : *table) {
      std::lock_guard lock(place.mutex);
      total += place.targets.size();
    }
  }
  return total;
}

}  // namespace trunkline::session
