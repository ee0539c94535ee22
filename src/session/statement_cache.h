#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "pool/statements.h"
#include "sql/lexer.h"

namespace trunkline::session {

// What a worker knows of the texts its clients send: each is looked at once. Bounded by memory; one
// thread.
class StatementCache {
 public:
  static constexpr size_t kBytesMax = 16 << 20;

  // Of a text, with what stands behind it in the message (of a Parse: the types), under the
  // settings it is prepared with (null for a Query, which is not kept).
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

  std::unordered_multimap<Key, pool::StatementPtr, Hash> statements_;
  size_t bytes_ = 0;
};

}  // namespace trunkline::session
