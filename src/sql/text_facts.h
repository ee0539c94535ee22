#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sql/statement.h"
#include "sql/statement_scanner.h"

namespace trunkline::sql {

// What a whole text, of a Query or a Parse, is about. Never changed once it is made, but for the
// note of a proof, so any thread may read it.
class TextFacts {
 public:
  // What is kept one by one; the summary counts the others as well.
  static constexpr size_t kStatementsMax = 1000;

  static std::shared_ptr<const TextFacts> of(std::string_view text, Syntax syntax);

  // Those that are not empty: what the server answers with one CommandComplete each. There may be
  // none: the answer is EmptyQueryResponse.
  std::span<const Statement> statements() const { return statements_; }
  uint64_t statement_count() const { return count_; }
  // Some statements are missing above: treat the text like one that is too long to be inspected.
  bool is_cut() const { return count_ > statements_.size(); }

  // Of all of them.
  KindSet kinds() const { return kinds_; }
  Suspicions suspicions() const { return suspicions_; }
  bool has(StatementKind kind) const { return kinds_.has(kind); }
  bool has(Suspicion suspicion) const { return suspicions_.has(suspicion); }
  Lexer::Outcome outcome() const { return outcome_; }
  // A statement was not understood; it may well be a syntax error.
  bool is_malformed() const { return malformed_; }

  // The pooler has nothing to do before, with or after it, but for what it is told to trust.
  bool is_plain(Suspicions trusted = {}) const {
    return plain_kinds_ &&
           (trusted.none() ? plain_suspicions_
                           : suspicions_.without(trusted | kHarmlessSuspicions).none());
  }
  bool is_read_only() const { return !suspicions_.has(Suspicion::may_write); }
  // It can not be forwarded as it stands, if prepared statements and settings are the proxy's.
  bool needs_rewrite() const {
    return kinds_.has_any_of(kRewrittenKinds) || suspicions_.has(Suspicion::runs_prepared);
  }

  // Of a text that is plain but for the tables it reads, with commas between them: all names in it,
  // folded, of whatever. Who knows of all of them that they are no views, functions and the like
  // knows that the text is harmless. Empty if that cannot be told from them.
  const std::string& names() const { return names_; }
  // A note to himself of him who has found out, for as long as his number for it is the same.
  void note_proof(uint64_t number) const { proof_.store(number, std::memory_order_relaxed); }
  uint64_t proof() const { return proof_.load(std::memory_order_relaxed); }

  // The parameters that name what is set; none when their values alone do not tell.
  std::span<const uint16_t> bound_settings() const;
  // The same with those names in place of the parameters.
  std::shared_ptr<const TextFacts> with_settings(std::span<const std::string> names) const;

  size_t memory_bytes() const;

 private:
  friend class TextFactsReader;

  void sum_up();

  std::vector<Statement> statements_;
  uint64_t count_ = 0;
  KindSet kinds_;
  Suspicions suspicions_;
  Lexer::Outcome outcome_ = Lexer::Outcome::complete;
  bool malformed_ = false;
  bool plain_kinds_ = true;
  bool plain_suspicions_ = true;
  std::string names_;
  mutable std::atomic<uint64_t> proof_ = 0;
};

// The facts of a text of any size, in any pieces. One thread.
class TextFactsReader final : StatementSink {
 public:
  explicit TextFactsReader(Syntax syntax) : scanner_(syntax, *this) {}

  void feed(std::string_view text) { scanner_.feed(text); }
  // The end of the text; nothing more may be asked.
  std::shared_ptr<const TextFacts> finish();

 private:
  void on_statement(Statement&& statement) override;

  void add_names(std::string names);

  std::shared_ptr<TextFacts> facts_ = std::make_shared<TextFacts>();
  bool names_all_ = true;
  StatementScanner scanner_;
};

}  // namespace trunkline::sql
