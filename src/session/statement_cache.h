#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "pool/statements.h"
#include "sql/facts_cache.h"
#include "sql/lexer.h"

namespace trunkline::session {

// What a worker knows of the texts its clients send: each is looked at once. Bounded by memory; one
// thread.
class StatementCache {
 public:
  StatementCache();

  static constexpr size_t kBytesMax = 16 << 20;

  // Of the text of a Query.
  std::shared_ptr<const sql::TextFacts> facts_of(std::string_view text, sql::Syntax syntax) {
    return facts_.get(text, syntax);
  }
  // Of the text of a Parse and the types behind it, under the settings it is prepared with.
  pool::StatementPtr get(std::string_view body, const pool::SettingsPtr& settings,
                         sql::Syntax syntax);

 private:
  struct Key {
    std::string_view body;  // of the statement
    sql::Syntax syntax;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const;
  };

  sql::FactsCache facts_;
  std::unordered_multimap<Key, pool::StatementPtr, Hash> statements_;
  size_t bytes_ = 0;
};

}  // namespace trunkline::session
