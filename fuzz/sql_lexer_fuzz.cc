// Must hold: the tokens do not depend on how the text was cut into pieces; they stand in order,
// within the text and apart from each other; what they hold is what the text has there, unless a
// string was continued.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "sql/lexer.h"

using namespace trunkline::sql;

namespace {

struct Kept {
  TokenKind kind;
  uint64_t offset;
  uint64_t length;
  std::string text;
  bool is_cut;

  bool operator==(const Kept&) const = default;
};

struct Story final : TokenSink {
  void on_token(const Token& token) override {
    tokens.push_back(
        {token.kind, token.offset, token.length, std::string(token.text), token.is_cut});
  }
  std::vector<Kept> tokens;
  Lexer::Outcome outcome{};
};

Story lex(std::string_view text, Syntax syntax, size_t every) {
  Story story;
  Lexer lexer(syntax, story);
  for (; !text.empty(); text.remove_prefix(std::min(every, text.size()))) {
    lexer.feed(text.substr(0, every));
  }
  story.outcome = lexer.finish();
  return story;
}

void check_places(const Story& story, std::string_view text) {
  uint64_t end = 0;
  for (const Kept& token : story.tokens) {
    if (token.offset < end || token.length == 0) std::abort();
    end = token.offset + token.length;
    if (end > text.size()) std::abort();
    std::string_view there = text.substr(token.offset, token.length);
    bool may_differ = token.kind == TokenKind::string;
    if (!may_differ && !token.is_cut && token.text != there) std::abort();
    if (token.text.size() > token.length || token.text.size() > Lexer::kTextBytesMax) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Syntax syntax{.encoding = static_cast<Encoding>(data[0] % 5),
                .standard_conforming_strings = (data[0] & 0x80) == 0};
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  Story whole = lex(text, syntax, text.size() + 1);
  check_places(whole, text);
  for (size_t every : {size_t{1}, size_t{2}, size_t{5}}) {
    Story pieces = lex(text, syntax, every);
    if (pieces.tokens != whole.tokens || pieces.outcome != whole.outcome) std::abort();
  }
  return 0;
}
