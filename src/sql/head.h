#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sql/identifier.h"
#include "sql/lexer.h"
#include "sql/statement.h"

namespace trunkline::sql {

struct HeadToken {
  TokenKind kind;
  bool is_cut;
  uint64_t depth;  // how many parentheses are open around it; a parenthesis itself is outside
  uint64_t offset;
  uint64_t length;
  size_t text_offset;  // in the head's own text
  size_t text_length;

  uint64_t end() const { return offset + length; }
};

// The first tokens of a statement, kept so that it can be read with looking ahead. Bounded; of a
// long statement what is outside parentheses is kept for longer.
class Head {
 public:
  static constexpr size_t kTokensMax = 64;
  static constexpr size_t kOuterTokensMax = 128;
  static constexpr size_t kTextBytesMax = 16 * 1024;

  void add(const Token& token, uint64_t depth, Encoding encoding);
  void clear();

  std::span<const HeadToken> tokens() const { return tokens_; }
  // Words are in lower case.
  std::string_view text(const HeadToken& token) const {
    return std::string_view(text_).substr(token.text_offset, token.text_length);
  }
  // Something was left out.
  bool is_cut() const { return is_cut_; }

 private:
  std::vector<HeadToken> tokens_;
  std::string text_;
  bool is_cut_ = false;
};

// Reads a head front to back. Lives as long as it.
class HeadReader {
 public:
  HeadReader(const Head& head, Syntax syntax)
      : head_(&head), rest_(head.tokens()), syntax_(syntax) {}

  bool at_end() const { return rest_.empty(); }
  // Behind what was taken last.
  uint64_t taken_end() const { return taken_end_; }
  // There is nothing more, nor was anything left out.
  bool at_true_end() const { return rest_.empty() && !head_->is_cut(); }
  Syntax syntax() const { return syntax_; }

  bool is_word(std::string_view lower, size_t ahead = 0) const;
  bool is_symbol(char c, size_t ahead = 0) const;
  bool is_string(size_t ahead = 0) const {
    return ahead < rest_.size() && rest_[ahead].kind == TokenKind::string;
  }
  bool is_number() const { return !rest_.empty() && rest_[0].kind == TokenKind::number; }

  // They take what is next if it is that.
  bool word(std::string_view lower);
  bool any_word_of(std::initializer_list<std::string_view> lower);
  bool symbol(char c);
  std::optional<Name> name();
  // The value of a string token; `known` is false when there is one whose value is not certain.
  struct String {
    std::string text;
    bool known = true;
  };
  std::optional<String> string();
  // From a parenthesis that opens to behind the one that closes it: what is between them.
  std::optional<Span> parenthesis();

  // The next unquoted word, or nothing.
  std::string_view next_word() const;
  const HeadToken* next() const { return rest_.empty() ? nullptr : rest_.data(); }
  std::string_view text(const HeadToken& token) const { return head_->text(token); }
  void skip() {
    if (rest_.empty()) return;
    taken_end_ = rest_[0].end();
    rest_ = rest_.subspan(1);
  }
  void skip_to_last();

 private:
  char unicode_escape() const;

  const Head* head_;
  std::span<const HeadToken> rest_;
  Syntax syntax_;
  uint64_t taken_end_ = 0;
};

}  // namespace trunkline::sql
