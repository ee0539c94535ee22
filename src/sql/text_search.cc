#include "sql/text_search.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace trunkline::sql {

namespace {

void read(std::string_view text, Syntax syntax, TokenSink& sink) {
  Lexer lexer(syntax, sink);
  lexer.feed(text);
  lexer.finish();
}

}  // namespace

uint32_t highest_parameter(std::string_view text, Syntax syntax) {
  struct Highest final : TokenSink {
    void on_token(const Token& token) override {
      if (token.kind != TokenKind::parameter) return;
      uint32_t number = 0;
      std::string_view digits = token.text.substr(1);
      std::from_chars(digits.data(), digits.data() + digits.size(), number);
      value = std::max(value, number);
    }
    uint32_t value = 0;
  } highest;
  read(text, syntax, highest);
  return highest.value;
}

bool has_word(std::string_view text, Syntax syntax, std::string_view lower) {
  struct Sought final : TokenSink {
    explicit Sought(std::string_view lower) : word(lower) {}
    void on_token(const Token& token) override {
      found |= token.kind == TokenKind::word && equal_ignoring_case(token.text, word);
    }
    std::string_view word;
    bool found = false;
  } sought(lower);
  read(text, syntax, sought);
  return sought.found;
}

}  // namespace trunkline::sql
