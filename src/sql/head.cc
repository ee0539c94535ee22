#include "sql/head.h"

#include <algorithm>

namespace trunkline::sql {

void Head::add(const Token& token, uint64_t depth, Encoding encoding) {
  bool fits = tokens_.size() < (depth == 0 ? kOuterTokensMax : kTokensMax) &&
              text_.size() + token.text.size() <= kTextBytesMax;
  if (!fits) {
    is_cut_ = true;
    return;
  }
  size_t begin = text_.size();
  if (token.kind == TokenKind::word) {
    append_lower(text_, token.text, encoding);
  } else {
    text_ += token.text;
  }
  tokens_.push_back({.kind = token.kind,
                     .is_cut = token.is_cut,
                     .depth = depth,
                     .offset = token.offset,
                     .length = token.length,
                     .text_offset = begin,
                     .text_length = text_.size() - begin});
}

void Head::clear() {
  tokens_.clear();
  text_.clear();
  is_cut_ = false;
}

bool HeadReader::is_word(std::string_view lower, size_t ahead) const {
  return ahead < rest_.size() && rest_[ahead].kind == TokenKind::word &&
         head_->text(rest_[ahead]) == lower;
}

bool HeadReader::is_symbol(char c, size_t ahead) const {
  return ahead < rest_.size() && rest_[ahead].kind == TokenKind::symbol &&
         head_->text(rest_[ahead])[0] == c;
}

bool HeadReader::word(std::string_view lower) {
  bool found = is_word(lower);
  if (found) skip();
  return found;
}

bool HeadReader::any_word_of(std::initializer_list<std::string_view> lower) {
  return std::ranges::any_of(lower, [this](std::string_view one) { return word(one); });
}

bool HeadReader::symbol(char c) {
  bool found = is_symbol(c);
  if (found) skip();
  return found;
}

std::string_view HeadReader::next_word() const {
  if (rest_.empty() || rest_[0].kind != TokenKind::word) return {};
  return head_->text(rest_[0]);
}

// Of the U& token that is next: what UESCAPE behind it says. Zero when that can not be followed.
char HeadReader::unicode_escape() const {
  if (!is_word("uescape", 1)) return '\\';
  if (!is_string(2)) return '\0';
  std::string_view quoted = head_->text(rest_[2]);
  return quoted.size() == 3 && quoted[0] == '\'' ? quoted[1] : '\0';
}

std::optional<Name> HeadReader::name() {
  if (rest_.empty()) return std::nullopt;
  const HeadToken& token = rest_[0];
  if (token.kind != TokenKind::word && token.kind != TokenKind::quoted_identifier) {
    return std::nullopt;
  }
  bool unicode = token.kind == TokenKind::quoted_identifier && text(token)[0] != '"';
  char escape = unicode ? unicode_escape() : '\\';
  Name name = fold_identifier(text(token), syntax_, escape);
  name.is_certain &= escape != '\0';
  bool has_escape = unicode && is_word("uescape", 1);
  skip();
  if (has_escape) {
    skip();
    skip();
  }
  return name;
}

std::optional<HeadReader::String> HeadReader::string() {
  if (!is_string()) return std::nullopt;
  const HeadToken& token = rest_[0];
  std::string_view quoted = text(token);
  bool unicode = quoted.size() > 1 && quoted[1] == '&';
  char escape = unicode ? unicode_escape() : '\\';
  std::optional<std::string> value;
  if (!token.is_cut && escape != '\0') value = string_value(quoted, syntax_, escape);
  bool has_escape = unicode && is_word("uescape", 1);
  skip();
  if (has_escape) {
    skip();
    skip();
  }
  if (!value) return String{.text = {}, .known = false};
  return String{.text = *std::move(value)};
}

std::optional<Span> HeadReader::parenthesis() {
  if (!is_symbol('(')) return std::nullopt;
  uint64_t depth = rest_[0].depth;
  uint64_t begin = rest_[0].end();
  skip();
  while (!rest_.empty() && !(is_symbol(')') && rest_[0].depth == depth)) skip();
  if (rest_.empty()) return std::nullopt;
  Span inner{.offset = begin, .length = rest_[0].offset - begin};
  skip();
  return inner;
}

void HeadReader::skip_to_last() {
  if (!rest_.empty()) rest_ = rest_.last(1);
}

}  // namespace trunkline::sql
