#include "sql/text_facts.h"

#include <utility>

namespace trunkline::sql {

void TextFactsReader::on_statement(Statement&& statement) {
  ++facts_->count_;
  facts_->kinds_.add(statement.kind);
  facts_->suspicions_.add(statement.suspicions);
  facts_->malformed_ |= statement.is_malformed;
  add_names(std::exchange(statement.names, {}));
  if (facts_->statements_.size() < TextFacts::kStatementsMax) {
    facts_->statements_.push_back(std::move(statement));
  }
}

void TextFactsReader::add_names(std::string names) {
  constexpr size_t kBytesMax = 4000;
  names_all_ = names_all_ && !names.empty() && facts_->names_.size() + names.size() < kBytesMax;
  if (!facts_->names_.empty()) facts_->names_ += ',';
  facts_->names_ += names;
}

std::shared_ptr<const TextFacts> TextFactsReader::finish() {
  facts_->outcome_ = scanner_.finish();
  if (facts_->outcome_ == Lexer::Outcome::unclear) {
    facts_->suspicions_ = kAllSuspicions;
    facts_->kinds_.add(StatementKind::other);
  }
  facts_->sum_up();
  bool names_tell = names_all_ && facts_->is_plain() && !facts_->malformed_ && !facts_->is_cut() &&
                    facts_->outcome_ == Lexer::Outcome::complete &&
                    facts_->has(Suspicion::reads_relations);
  if (!names_tell) facts_->names_.clear();
  facts_->names_.shrink_to_fit();
  facts_->statements_.shrink_to_fit();
  return std::move(facts_);
}

std::shared_ptr<const TextFacts> TextFacts::of(std::string_view text, Syntax syntax) {
  TextFactsReader reader(syntax);
  reader.feed(text);
  return reader.finish();
}

void TextFacts::sum_up() {
  plain_kinds_ = kinds_.is_within(kPlainKinds);
  plain_suspicions_ = suspicions_.without(kHarmlessSuspicions).none();
}

std::span<const uint16_t> TextFacts::bound_settings() const {
  // Whoever binds parameters binds those of one statement.
  if (count_ != 1 || malformed_ || outcome_ != Lexer::Outcome::complete) return {};
  return statements_.front().bound_settings;
}

std::shared_ptr<const TextFacts> TextFacts::with_settings(
    std::span<const std::string> names) const {
  auto made = std::make_shared<TextFacts>();
  made->statements_ = statements_;
  made->count_ = count_;
  made->kinds_ = kinds_;
  Statement& statement = made->statements_.front();
  statement.bound_settings.clear();
  Suspicions suspicions = statement.suspicions.without(Suspicion::set_config);
  for (const std::string& name : names) {
    statement.settings.push_back(name);
    suspicions.add(name == "seed" ? Suspicion::setseed : Suspicion::set_config_named);
  }
  statement.suspicions = made->suspicions_ = suspicions;
  made->sum_up();
  return made;
}

size_t TextFacts::memory_bytes() const {
  // A string beyond its own room has an allocation of its own; what that costs besides is guessed.
  constexpr size_t kAllocationBytes = 16;
  static const size_t kOwnRoom = std::string().capacity();
  size_t bytes = sizeof(*this) + 2 * kAllocationBytes + statements_.size() * sizeof(Statement);
  if (names_.capacity() > kOwnRoom) bytes += names_.capacity() + kAllocationBytes;
  for (const Statement& statement : statements_) {
    for (const std::string* text : {&statement.name.text, &statement.value.text}) {
      if (text->capacity() > kOwnRoom) bytes += text->capacity() + kAllocationBytes;
    }
    bytes += statement.bound_settings.capacity() * sizeof(uint16_t);
    for (const auto* settings : {&statement.settings, &statement.asked_settings}) {
      for (const std::string& setting : *settings) {
        bytes += sizeof(std::string) + setting.capacity() + kAllocationBytes;
      }
    }
  }
  return bytes;
}

}  // namespace trunkline::sql
