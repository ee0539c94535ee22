#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "upstream/upstream.h"

namespace trunkline::upstream {

// Upstreams made while serving, from an inline upstream whose host holds captures. One for the
// process, handed on from each configuration to the next. Bounded by the `max_dynamic_upstreams` of
// the configuration that asks: the one longest unused makes room; when all are in use, a new one is
// refused, so that clients who invent names cannot grow the proxy. Any thread; one lock, taken at
// login only.
class DynamicUpstreams {
 public:
  // The pattern's upstream with `hosts` in the place of its servers' hosts, in their order. What is
  // in use stays beyond a lowered limit until its sessions end.
  Result<UpstreamPtr> get(const UpstreamPtr& pattern, const std::vector<std::string>& hosts,
                          uint32_t limit);

  size_t size() const;

 private:
  struct Entry {
    std::string key;
    UpstreamPtr pattern;  // its settings decide the entry; another pattern, another entry
    UpstreamPtr upstream;
  };
  using Entries = std::list<Entry>;  // the most recently used first

  bool make_room(uint32_t limit);

  mutable std::mutex mutex_;
  Entries entries_;
  std::unordered_map<std::string, Entries::iterator> by_key_;
};

}  // namespace trunkline::upstream
