#include "sql/parameters.h"

#include <algorithm>
#include <charconv>

namespace trunkline::sql {

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
  Lexer lexer(syntax, highest);
  lexer.feed(text);
  lexer.finish();
  return highest.value;
}

}  // namespace trunkline::sql
