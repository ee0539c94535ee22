#include "pool/statements.h"

#include <array>
#include <charconv>

namespace trunkline::pool {

std::string ServerStatements::name_of(Number number) {
  std::array<char, 2 * sizeof number> digits;
  char* end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
  return std::string("trunkline_").append(digits.data(), end);
}

ServerStatements::Number ServerStatements::find(const Statement& statement, uint64_t epoch_min) {
  auto found = by_content_.find(&statement);
  if (found == by_content_.end() || found->second->epoch < epoch_min) return kNone;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->number;
}

ServerStatements::Number ServerStatements::add(const StatementPtr& statement, uint64_t epoch) {
  if (auto found = by_content_.find(statement.get()); found != by_content_.end()) {
    auto old = found->second;
    by_content_.erase(found);  // its key is the old one's
    replaced_.push_back(old->number);
    entries_.erase(old);
  }
  entries_.push_front({statement, next_, epoch});
  by_content_.insert_or_assign(statement.get(), entries_.begin());
  return next_++;
}

void ServerStatements::erase(const Statement& statement) {
  auto found = by_content_.find(&statement);
  if (found == by_content_.end()) return;
  auto entry = found->second;
  by_content_.erase(found);
  entries_.erase(entry);
}

void ServerStatements::clear() {
  by_content_.clear();
  entries_.clear();
  replaced_.clear();
}

void ServerStatements::expire() {
  for (const Entry& entry : entries_) replaced_.push_back(entry.number);
  by_content_.clear();
  entries_.clear();
}

ServerStatements::Number ServerStatements::evict() {
  if (!replaced_.empty()) {
    Number number = replaced_.back();
    replaced_.pop_back();
    return number;
  }
  if (entries_.size() <= kMax) return kNone;
  Entry& last = entries_.back();
  Number number = last.number;
  by_content_.erase(last.statement.get());
  entries_.pop_back();
  return number;
}

}  // namespace trunkline::pool
