#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sql/encoding.h"

namespace trunkline::sql {

// What decides where PostgreSQL's own lexer sees the end of a string.
struct Syntax {
  Encoding encoding = Encoding::ascii_safe;  // of client_encoding
  bool standard_conforming_strings = true;

  bool operator==(const Syntax&) const = default;
};

enum class TokenKind : uint8_t {
  word,               // a keyword or an identifier without quotes
  quoted_identifier,  // "…", U&"…"
  string,             // '…', E'…', B'…', X'…', N'…', U&'…', $tag$…$tag$; continued ones as one
  number,
  parameter,  // $1
  symbol,     // one character: of an operator, a bracket, a comma, a semicolon
};

struct Token {
  TokenKind kind;
  uint64_t offset;  // of its first byte in the whole text
  uint64_t length;  // as it was written, quotes included
  // As it was written, the separation between the parts of a continued string left out. Lives as
  // long as the call.
  std::string_view text;
  bool is_cut = false;  // `text` holds only its first `Lexer::kTextBytesMax` bytes

  bool is_symbol(char c) const { return kind == TokenKind::symbol && text[0] == c; }
};

class TokenSink {
 public:
  virtual void on_token(const Token& token) = 0;

 protected:
  ~TokenSink() = default;
};

// Cuts SQL text into tokens as PostgreSQL's lexer does (documentation 4.1, backend/parser/scan.l),
// as far as where they begin and end. Takes the text in any pieces and keeps at most
// `kTextBytesMax` bytes of the token at hand, so a text of any size streams through it. Whatever
// the text, it goes on to its end; what PostgreSQL would refuse ("123abc") gives some tokens, too,
// and `finish` tells how the text ended. One thread.
class Lexer {
 public:
  // Longer than any name or keyword, and than what a setting is usually set to.
  static constexpr size_t kTextBytesMax = 4096;
  static constexpr size_t kTagBytesMax = 1024;

  Lexer(Syntax syntax, TokenSink& sink) : syntax_(syntax), sink_(&sink) {}
  Lexer(const Lexer&) = delete;
  Lexer& operator=(const Lexer&) = delete;

  void feed(std::string_view text);
  enum class Outcome : uint8_t {
    complete,
    // It ends inside a string, a quoted identifier, a block comment or a character: PostgreSQL runs
    // nothing of it.
    unterminated,
    // It held a dollar quote with a longer tag than is followed: the tokens may be wrong.
    unclear,
  };
  // The end of the text.
  Outcome finish();

 private:
  enum class State : uint8_t {
    between,  // tokens
    word,
    unicode_prefix,  // U&
    number,
    quoted,      // within '…'
    quote_seen,  // in or behind '…': doubled, the end, or the string is continued
    separation,  // white space behind '…'
    separation_dash,
    separation_comment,
    identifier,  // within "…"
    double_quote_seen,
    dash,  // one, perhaps of a comment
    line_comment,
    slash,  // perhaps of a comment
    block_comment,
    block_comment_slash,
    block_comment_star,
    dollar,  // $ that may begin a parameter or a dollar quote
    parameter,
    dollar_tag,
    dollar_body,
  };

  void step(char c);
  void step_between(char c);
  void step_word(char c);
  void step_unicode_prefix(char c);
  void step_string(char c);
  void step_separation(char c);
  void step_identifier(char c);
  void step_comment(char c);
  void step_dollar(char c);
  void step_dollar_tag(char c);
  void step_dollar_body(char c);
  void step_inside_character(char c);
  void begin(TokenKind kind, State state, char c);
  void keep(std::string_view bytes);
  void keep(char c) { keep(std::string_view(&c, 1)); }
  void end_token(uint64_t end);
  void symbol(uint64_t offset, char c);
  void begin_string(bool backslashes, bool doubles);
  void end_dollar_tag();
  void again(char c);
  size_t dull_bytes(std::string_view rest) const;

  const Syntax syntax_;
  TokenSink* sink_;
  State state_ = State::between;
  uint64_t at_ = 0;  // offset of the byte at hand

  // The token at hand.
  TokenKind kind_ = TokenKind::symbol;
  uint64_t begin_ = 0;
  std::string text_;
  bool cut_ = false;

  // Of a string: whether a backslash escapes and a doubled quote is one; whether the byte before
  // was an escaping backslash; where it ended so far.
  bool backslashes_ = false;
  bool doubles_ = false;
  bool escaped_ = false;
  bool newline_seen_ = false;
  uint64_t string_end_ = 0;

  unsigned comment_depth_ = 0;
  bool unclear_ = false;
  std::string tag_;       // $tag$
  size_t tag_match_ = 0;  // how much of it the last bytes of the body are

  // The rest of a character of several bytes.
  unsigned trailing_ = 0;
  unsigned char lead_ = 0;  // waits for its second byte
};

}  // namespace trunkline::sql
