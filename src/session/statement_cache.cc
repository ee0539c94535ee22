#include "session/statement_cache.h"

#include "base/random.h"
#include "sql/text_hash.h"

namespace trunkline::session {

namespace {

// One for the process: connections move between workers, and what is known on them with them.
uint64_t seed() {
  static const uint64_t drawn = random_number();
  return drawn;
}

}  // namespace

StatementCache::StatementCache() : facts_({}, seed()) {}

size_t StatementCache::Hash::operator()(const Key& key) const {
  size_t syntax = static_cast<size_t>(key.syntax.encoding) * 2 +
                  static_cast<size_t>(key.syntax.standard_conforming_strings);
  return sql::hash_text(key.body, seed()) ^ syntax;
}

pool::StatementPtr StatementCache::get(std::string_view body, const pool::SettingsPtr& settings,
                                       sql::Syntax syntax) {
  Key key{body, syntax};
  auto [first, last] = statements_.equal_range(key);
  for (; first != last; ++first) {
    if (pool::same(first->second->settings, settings)) return first->second;
  }
  auto statement = std::make_shared<pool::Statement>();
  statement->parse = body;
  statement->settings = settings;
  statement->hash = Hash{}(key);
  statement->facts = facts_.get(statement->text(), syntax);
  size_t bytes = body.size() + statement->facts->memory_bytes() + sizeof(pool::Statement);
  // All at once: what is in use is kept by those who use it.
  if (bytes_ + bytes > kBytesMax) {
    statements_.clear();
    bytes_ = 0;
  }
  bytes_ += bytes;
  statements_.emplace(Key{statement->parse, syntax}, statement);
  return statement;
}

}  // namespace trunkline::session
