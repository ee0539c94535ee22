#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pool/settings.h"
#include "sql/text_facts.h"

namespace trunkline::pool {

// A statement as clients prepare it. Shared by all sessions of a worker that prepare the same text,
// and immutable; any thread.
struct Statement {
  // The body of Parse behind the name: the text, a zero byte, and the declared types. Of one that
  // was prepared by SQL the text alone.
  std::string parse;
  // Of one that was prepared by SQL: the declared types as they were written, or none.
  std::optional<std::string> sql_types = {};
  // Likewise what its text had before and behind the body: `PREPARE name AS`.
  std::string sql_before = {};
  std::string sql_after = {};
  // Those that decide what the text means; the same text under others is another statement.
  SettingsPtr settings;
  std::shared_ptr<const sql::TextFacts> facts;
  uint64_t hash = 0;
  // Its text was too long to be kept: it is on the connection it was prepared on, or nowhere.
  bool is_long = false;

  std::string_view text() const { return std::string_view(parse).substr(0, parse.find('\0')); }
  friend bool operator==(const Statement& a, const Statement& b) {
    if (&a == &b) return true;
    return a.hash == b.hash && a.parse == b.parse && a.sql_types == b.sql_types &&
           same(a.settings, b.settings);
  }
};
using StatementPtr = std::shared_ptr<const Statement>;

// One that is like no other: what it means was decided when this client prepared it.
StatementPtr apart(Statement statement);

// What a server connection has prepared for sessions, under names of ours. Moves with the
// connection; one thread. Bounded: whoever adds drops the one that was used least lately.
class ServerStatements {
 public:
  static constexpr size_t kMax = 500;

  using Number = uint32_t;
  static constexpr Number kNone = 0;

  // "trunkline_1f", as the server knows it.
  static std::string name_of(Number number);

  // kNone when the server does not know it. `epoch_min`: or has known it for too long.
  Number find(const Statement& statement, uint64_t epoch_min = 0);
  // In place of one that is the same and older, which `evict` then tells.
  Number add(const StatementPtr& statement, uint64_t epoch = 0) {
    Number number = reserve();
    put(statement, number, epoch);
    return number;
  }
  // The same in two steps: a number that nothing has yet.
  Number reserve() { return next_++; }
  void put(const StatementPtr& statement, Number number, uint64_t epoch);
  // It was refused.
  void erase(const Statement& statement);
  // If it still has this number.
  void erase(const Statement& statement, Number number);
  // Nobody needs it: `evict` tells it.
  void retire(const Statement& statement);
  // The server has dropped what was retired with this number.
  void was_dropped(Number number) { std::erase(replaced_, number); }
  void clear();
  // Names mean something else from now on: all are to be prepared again.
  void expire();
  // Who must go, because there are too many or a newer one has come; kNone: nobody. The server is
  // to be told.
  Number evict();

  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    StatementPtr statement;
    Number number;
    uint64_t epoch;
  };
  struct ByContent {
    size_t operator()(const Statement* each) const { return each->hash; }
    bool operator()(const Statement* a, const Statement* b) const { return *a == *b; }
  };

  std::list<Entry> entries_;  // the one used last in front
  std::unordered_map<const Statement*, std::list<Entry>::iterator, ByContent, ByContent>
      by_content_;
  std::vector<Number> replaced_;
  Number next_ = 1;
};

}  // namespace trunkline::pool
