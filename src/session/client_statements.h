#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include "base/short_string.h"
#include "pool/statements.h"

namespace trunkline::session {

// The prepared statements of a session, by the client's names. One table for all of them, and none
// while there are none: what they are is shared by all who have prepared the same. One thread.
class ClientStatements {
 public:
  // Null when there is none of that name.
  const pool::StatementPtr* find(std::string_view name) const {
    if (!table_) return nullptr;
    auto found = table_->find(name);
    return found == table_->end() ? nullptr : &found->second;
  }
  void set(std::string_view name, pool::StatementPtr statement) {
    if (!table_) table_ = std::make_unique<Table>();
    if (auto found = table_->find(name); found != table_->end()) {
      found->second = std::move(statement);
    } else {
      table_->emplace(name, std::move(statement));
    }
  }
  void erase(std::string_view name) {
    if (table_) table_->erase(name);
  }
  // Null when there was none of that name.
  pool::StatementPtr take(std::string_view name) {
    if (!table_) return nullptr;
    auto found = table_->find(name);
    if (found == table_->end()) return nullptr;
    pool::StatementPtr taken = std::move(found->second);
    table_->erase(found);
    return taken;
  }
  // `visit(name, statement)`, in no order.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    if (!table_) return;
    for (const auto& [name, statement] : *table_) visit(name.view(), statement);
  }
  void clear() { table_.reset(); }
  size_t size() const { return table_ ? table_->size() : 0; }

 private:
  using Table = boost::unordered_flat_map<ShortString, pool::StatementPtr, ShortString::Hash,
                                          ShortString::Equal>;

  std::unique_ptr<Table> table_;
};

}  // namespace trunkline::session
