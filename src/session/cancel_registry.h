#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/secret.h"
#include "server/cancel.h"

namespace trunkline::session {

// Issues the keys that clients cancel with, and finds the session that a key belongs to in O(1).
// One for the process, any thread; its locks are taken at login, close and cancel only. An entry
// for each session that is open, so `max_clients` bounds it.
//
// Protocol 3.0 has room for eight bytes, random but for the node's number and looked up as a
// whole. 3.2 has room for a key that names the session and proves itself with a MAC, so that a
// forged one costs no look-up.
class CancelRegistry {
 public:
  struct Target {
    uint32_t worker;
    uint32_t session;
  };

  CancelRegistry(uint16_t node_id, Secret mac_key);

  // What a key is filed under: all that its session has to keep of it.
  struct Place {
    enum class Kind : uint8_t { none, of_key, of_session };  // by what it is found

    uint64_t id = 0;
    uint32_t process_id = 0;
    Kind kind = Kind::none;
  };

  server::CancelKey issue(Target target, bool long_key);
  Place place_of(const server::CancelKey& key) const {
    return place_of(key.process_id, key.secret);
  }
  void withdraw(const Place& place);
  std::optional<Target> find(uint32_t process_id, std::string_view key) const;
  size_t size() const;

 private:
  static constexpr size_t kShards = 16;
  struct Shard {
    mutable std::mutex mutex;
    boost::unordered_flat_map<uint64_t, Target> targets;
  };
  using Table = std::array<Shard, kShards>;

  // Of `Kind::none`: it cannot be one of ours.
  Place place_of(uint32_t process_id, std::string_view key) const;
  Shard& shard(const Place& place) const {
    return shard(place.kind == Place::Kind::of_session ? by_session_ : by_key_, place.id);
  }
  static Shard& shard(Table& table, uint64_t id) { return table[(id * 0x9e3779b97f4a7c15) >> 60]; }

  const uint16_t node_id_;
  const uint64_t epoch_;
  const Secret mac_key_;
  mutable Table by_key_;
  mutable Table by_session_;
};

}  // namespace trunkline::session
