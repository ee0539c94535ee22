#include "sql/facts_cache.h"

#include <utility>

#include "sql/text_hash.h"

namespace trunkline::sql {

namespace {

constexpr size_t kBucketsFirst = 64;

uint64_t seed_for(uint64_t seed, Syntax syntax) {
  auto encoding = static_cast<uint64_t>(syntax.encoding);
  return seed + (encoding << 1 | (syntax.standard_conforming_strings ? 1 : 0));
}

}  // namespace

struct FactsCache::Entry : ListNode<> {
  Entry* next = nullptr;  // in its bucket
  uint64_t hash = 0;
  Syntax syntax;
  bool used = false;  // since the hand last came by
  std::string text;
  std::shared_ptr<const TextFacts> facts;

  size_t bytes() const { return sizeof(*this) + text.capacity() + facts->memory_bytes(); }
};

FactsCache::FactsCache(Limits limits, uint64_t seed)
    : limits_(limits), seed_(seed), buckets_(kBucketsFirst) {}

FactsCache::~FactsCache() {
  clear();
}

std::shared_ptr<const TextFacts> FactsCache::get(std::string_view text, Syntax syntax) {
  if (text.size() > limits_.inspect_limit) {
    ++misses_;
    return TextFacts::of(text, syntax);
  }
  uint64_t hash = hash_text(text, seed_for(seed_, syntax));
  if (Entry* entry = find(text, syntax, hash)) {
    ++hits_;
    entry->used = true;
    return entry->facts;
  }
  ++misses_;
  auto entry = std::make_unique<Entry>();
  entry->hash = hash;
  entry->syntax = syntax;
  entry->text = text;
  entry->facts = TextFacts::of(text, syntax);
  auto facts = entry->facts;
  if (entry->bytes() <= limits_.bytes) keep(std::move(entry));
  return facts;
}

void FactsCache::clear() {
  while (!clock_.empty()) remove(clock_.front());
}

FactsCache::Entry* FactsCache::find(std::string_view text, Syntax syntax, uint64_t hash) const {
  Entry* entry = buckets_[hash & (buckets_.size() - 1)];
  while (entry != nullptr &&
         (entry->hash != hash || entry->syntax != syntax || entry->text != text)) {
    entry = entry->next;
  }
  return entry;
}

void FactsCache::keep(std::unique_ptr<Entry> entry) {
  size_t bytes = entry->bytes();
  while (bytes_ + bytes > limits_.bytes) evict();
  if (entries_ == buckets_.size()) grow();
  entry->next = bucket(entry->hash);
  bucket(entry->hash) = entry.get();
  clock_.push_back(*entry.release());
  ++entries_;
  bytes_ += bytes;
}

void FactsCache::evict() {
  for (size_t passed = 0; passed < kPassedOverMax && clock_.front().used; ++passed) {
    Entry& spared = *clock_.pop_front();
    spared.used = false;
    clock_.push_back(spared);
  }
  remove(clock_.front());
}

void FactsCache::remove(Entry& entry) {
  Entry** link = &bucket(entry.hash);
  while (*link != &entry) link = &(*link)->next;
  *link = entry.next;
  --entries_;
  bytes_ -= entry.bytes();
  delete &entry;
}

void FactsCache::grow() {
  std::vector<Entry*> before(buckets_.size() * 2);
  before.swap(buckets_);
  for (Entry* entry : before) {
    while (entry != nullptr) {
      Entry* next = std::exchange(entry->next, bucket(entry->hash));
      bucket(entry->hash) = entry;
      entry = next;
    }
  }
}

}  // namespace trunkline::sql
