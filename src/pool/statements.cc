#include "pool/statements.h"

#include <array>
#include <atomic>
#include <charconv>
#include <utility>

namespace trunkline::pool {

StatementPtr apart(Statement statement) {
  static std::atomic<uint64_t> next = uint64_t{1} << 63;
  statement.hash = next.fetch_add(1, std::memory_order_relaxed);
  return std::make_shared<const Statement>(std::move(statement));
}

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

void ServerStatements::put(const StatementPtr& statement, Number number, uint64_t epoch) {
  retire(*statement);
  entries_.push_front({statement, number, epoch});
  by_content_.insert_or_assign(statement.get(), entries_.begin());
}

void ServerStatements::erase(const Statement& statement) {
  auto found = by_content_.find(&statement);
  if (found == by_content_.end()) return;
  auto entry = found->second;
  by_content_.erase(found);  // its key is the entry's
  entries_.erase(entry);
}

void ServerStatements::erase(const Statement& statement, Number number) {
  auto found = by_content_.find(&statement);
  if (found != by_content_.end() && found->second->number == number) erase(statement);
}

void ServerStatements::retire(const Statement& statement) {
  auto found = by_content_.find(&statement);
  if (found == by_content_.end()) return;
  replaced_.push_back(found->second->number);
  erase(statement);
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
