#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/intrusive_list.h"
#include "sql/text_facts.h"

namespace trunkline::sql {

// The facts about texts seen before. One for each worker, without locks; what it gives out may be
// kept, and read by any thread. Bounded by bytes: the clock's hand passes over what was used since
// it last came by, and removes what was not.
class FactsCache {
 public:
  struct Limits {
    size_t bytes = size_t{8} << 20;
    // Longer texts are not kept. Better not ask for them here but have a StatementScanner look at
    // them as they come.
    size_t inspect_limit = size_t{256} << 10;
  };
  // So many in a row are passed over for having been used; the next one has to go.
  static constexpr size_t kPassedOverMax = 64;

  // `seed` decides the order of the table, see `hash_text`: a random number.
  FactsCache(Limits limits, uint64_t seed);
  FactsCache(const FactsCache&) = delete;
  FactsCache& operator=(const FactsCache&) = delete;
  ~FactsCache();

  // Of the table, or made and, if it fits, kept.
  std::shared_ptr<const TextFacts> get(std::string_view text, Syntax syntax);
  void clear();

  size_t entries() const { return entries_; }
  size_t bytes() const { return bytes_; }
  uint64_t hits() const { return hits_; }
  uint64_t misses() const { return misses_; }

 private:
  struct Entry;

  Entry* find(std::string_view text, Syntax syntax, uint64_t hash) const;
  void keep(std::unique_ptr<Entry> entry);
  void evict();
  void remove(Entry& entry);
  void grow();
  Entry*& bucket(uint64_t hash) { return buckets_[hash & (buckets_.size() - 1)]; }

  const Limits limits_;
  const uint64_t seed_;
  std::vector<Entry*> buckets_;  // a power of two of them
  IntrusiveList<Entry> clock_;   // owns the entries; the hand is at its front
  size_t entries_ = 0;
  size_t bytes_ = 0;
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
};

}  // namespace trunkline::sql
