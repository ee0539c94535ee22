#include "sql/text_facts.h"

#include <utility>

namespace trunkline::sql {

class FactsBuilder final : public StatementSink {
 public:
  explicit FactsBuilder(TextFacts& facts) : facts_(&facts) {}

  void on_statement(Statement&& statement) override {
    ++facts_->count_;
    facts_->kinds_.add(statement.kind);
    facts_->suspicions_.add(statement.suspicions);
    facts_->malformed_ |= statement.is_malformed;
    if (facts_->statements_.size() < TextFacts::kStatementsMax) {
      facts_->statements_.push_back(std::move(statement));
    }
  }

  void finish(Lexer::Outcome outcome) {
    facts_->outcome_ = outcome;
    if (outcome == Lexer::Outcome::unclear) {
      facts_->suspicions_ = kAllSuspicions;
      facts_->kinds_.add(StatementKind::other);
    }
    facts_->plain_kinds_ = facts_->kinds_.is_within(kPlainKinds);
    facts_->plain_suspicions_ = facts_->suspicions_.without(kHarmlessSuspicions).none();
    facts_->statements_.shrink_to_fit();
  }

 private:
  TextFacts* facts_;
};

std::shared_ptr<const TextFacts> TextFacts::of(std::string_view text, Syntax syntax) {
  auto facts = std::make_shared<TextFacts>();
  FactsBuilder builder(*facts);
  StatementScanner scanner(syntax, builder);
  scanner.feed(text);
  builder.finish(scanner.finish());
  return facts;
}

size_t TextFacts::memory_bytes() const {
  // A string beyond its own room has an allocation of its own; what that costs besides is guessed.
  constexpr size_t kAllocationBytes = 16;
  static const size_t kOwnRoom = std::string().capacity();
  size_t bytes = sizeof(*this) + 2 * kAllocationBytes + statements_.size() * sizeof(Statement);
  for (const Statement& statement : statements_) {
    for (const std::string* text : {&statement.name.text, &statement.value.text}) {
      if (text->capacity() > kOwnRoom) bytes += text->capacity() + kAllocationBytes;
    }
  }
  return bytes;
}

}  // namespace trunkline::sql
