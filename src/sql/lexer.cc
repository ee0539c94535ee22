#include "sql/lexer.h"

#include <algorithm>

namespace trunkline::sql {

namespace {

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool begins_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & '\x80') != 0;
}
constexpr bool continues_word(char c) {
  return begins_word(c) || is_digit(c) || c == '$';
}
// Vertical tab since PostgreSQL 16; before it is a syntax error.
constexpr bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
constexpr bool is_newline(char c) {
  return c == '\n' || c == '\r';
}

}  // namespace

void Lexer::feed(std::string_view text) {
  while (!text.empty()) {
    if (size_t dull = dull_bytes(text); dull > 0) {
      keep(text.substr(0, dull));
      at_ += dull;
      text.remove_prefix(dull);
      continue;
    }
    step(text.front());
    ++at_;
    text.remove_prefix(1);
  }
}

// How many bytes from here on nothing happens with, but that they are part of what we are in.
size_t Lexer::dull_bytes(std::string_view rest) const {
  if (syntax_.encoding != Encoding::ascii_safe) return 0;
  size_t end = 0;
  switch (state_) {
    case State::quoted:
      if (escaped_) return 0;
      end = backslashes_ ? rest.find_first_of("'\\") : rest.find('\'');
      break;
    case State::dollar_body:
      if (tag_match_ > 0) return 0;
      end = rest.find('$');
      break;
    default:
      return 0;
  }
  return std::min(end, rest.size());
}

void Lexer::step(char c) {
  auto byte = static_cast<unsigned char>(c);
  if (lead_ != 0) {
    trailing_ = trailing_bytes(syntax_.encoding, lead_, byte);
    lead_ = 0;
  }
  if (trailing_ > 0) {
    --trailing_;
    step_inside_character(c);
    return;
  }
  if (needs_second(syntax_.encoding) && byte >= 0x80) {
    lead_ = byte;
  } else {
    trailing_ = trailing_bytes(syntax_.encoding, byte);
  }
  again(c);
}

// Whatever the byte would mean alone.
void Lexer::step_inside_character(char c) {
  switch (state_) {
    case State::word:
    case State::quoted:
    case State::identifier:
      keep(c);
      break;
    case State::dollar_tag:
      tag_ += c;  // at most three bytes past the bound
      break;
    case State::dollar_body:
      step_dollar_body(c);
      break;
    default:
      break;
  }
}

void Lexer::again(char c) {
  switch (state_) {
    case State::between:
      return step_between(c);
    case State::word:
      return step_word(c);
    case State::unicode_prefix:
      return step_unicode_prefix(c);
    case State::number:
      if (is_digit(c) || c == '.') return keep(c);
      break;
    case State::parameter:
      if (is_digit(c)) return keep(c);
      break;
    case State::quoted:
      return step_string(c);
    case State::quote_seen:
    case State::separation:
    case State::separation_dash:
    case State::separation_comment:
      return step_separation(c);
    case State::identifier:
    case State::double_quote_seen:
      return step_identifier(c);
    case State::dollar:
      return step_dollar(c);
    case State::dollar_tag:
      return step_dollar_tag(c);
    case State::dollar_body:
      return step_dollar_body(c);
    default:
      return step_comment(c);
  }
  end_token(at_);
  step_between(c);
}

void Lexer::step_between(char c) {
  if (is_space(c)) return;
  if (begins_word(c)) return begin(TokenKind::word, State::word, c);
  if (is_digit(c)) return begin(TokenKind::number, State::number, c);
  switch (c) {
    case '\'':
      begin(TokenKind::string, State::quoted, c);
      return begin_string(!syntax_.standard_conforming_strings, true);
    case '"':
      return begin(TokenKind::quoted_identifier, State::identifier, c);
    case '-':
      state_ = State::dash;
      return;
    case '/':
      state_ = State::slash;
      return;
    case '$':
      begin(TokenKind::parameter, State::dollar, c);
      return;
    default:
      symbol(at_, c);
  }
}

void Lexer::step_word(char c) {
  if (continues_word(c)) return keep(c);
  char letter = text_.size() == 1 ? static_cast<char>(text_[0] | 0x20) : '\0';  // in lower case
  if (c == '\'' && std::string_view("ebxn").contains(letter)) {
    keep(c);
    kind_ = TokenKind::string;
    bool bits = letter == 'b' || letter == 'x';
    bool backslashes = letter == 'e' || (letter == 'n' && !syntax_.standard_conforming_strings);
    return begin_string(backslashes, !bits);
  }
  if (c == '&' && letter == 'u') {
    state_ = State::unicode_prefix;
    return;
  }
  end_token(at_);
  step_between(c);
}

void Lexer::step_unicode_prefix(char c) {
  if (c == '\'' || c == '"') {
    keep('&');
    keep(c);
    if (c == '\'') {
      kind_ = TokenKind::string;
      begin_string(false, true);
    } else {
      kind_ = TokenKind::quoted_identifier;
      state_ = State::identifier;
    }
    return;
  }
  end_token(at_ - 1);
  symbol(at_ - 1, '&');
  step_between(c);
}

void Lexer::begin_string(bool backslashes, bool doubles) {
  state_ = State::quoted;
  backslashes_ = backslashes;
  doubles_ = doubles;
  escaped_ = newline_seen_ = false;
}

void Lexer::step_string(char c) {
  keep(c);
  if (escaped_) {
    escaped_ = false;
  } else if (c == '\\' && backslashes_) {
    escaped_ = true;
  } else if (c == '\'') {
    state_ = State::quote_seen;
    string_end_ = at_ + 1;
    newline_seen_ = false;
  }
}

// Behind the quote that may end a string: two strings with nothing but white space and line
// comments between them, and a line's end among it, are one (documentation 4.1.2.1).
void Lexer::step_separation(char c) {
  if (state_ == State::separation_comment) {
    if (!is_newline(c)) return;
    state_ = State::separation;
  }
  if (state_ == State::separation_dash) {
    if (c == '-') {
      state_ = State::separation_comment;
      return;
    }
    end_token(string_end_);
    symbol(at_ - 1, '-');
    return step_between(c);
  }
  if (c == '\'' && state_ == State::quote_seen && doubles_) {
    keep(c);
    state_ = State::quoted;
    return;
  }
  if (c == '\'' && newline_seen_) {
    if (!cut_) text_.pop_back();
    state_ = State::quoted;
    return;
  }
  if (is_space(c)) {
    newline_seen_ |= is_newline(c);
    state_ = State::separation;
    return;
  }
  if (c == '-') {
    state_ = State::separation_dash;
    return;
  }
  end_token(string_end_);
  step_between(c);
}

void Lexer::step_identifier(char c) {
  if (state_ == State::double_quote_seen && c != '"') {
    end_token(at_);
    return step_between(c);
  }
  keep(c);
  if (state_ == State::double_quote_seen) {
    state_ = State::identifier;
  } else if (c == '"') {
    state_ = State::double_quote_seen;
  }
}

void Lexer::step_comment(char c) {
  switch (state_) {
    case State::dash:
      if (c == '-') {
        state_ = State::line_comment;
        return;
      }
      symbol(at_ - 1, '-');
      return step_between(c);
    case State::line_comment:
      if (is_newline(c)) state_ = State::between;
      return;
    case State::slash:
      if (c == '*') {
        comment_depth_ = 1;
        state_ = State::block_comment;
        return;
      }
      symbol(at_ - 1, '/');
      return step_between(c);
    case State::block_comment_slash:
      if (c == '*') ++comment_depth_;
      break;
    case State::block_comment_star:
      if (c == '/') {
        state_ = --comment_depth_ == 0 ? State::between : State::block_comment;
        return;
      }
      break;
    default:
      break;
  }
  // In a block comment; they nest.
  bool opened = state_ == State::block_comment_slash && c == '*';
  state_ = c == '/'              ? State::block_comment_slash
           : c == '*' && !opened ? State::block_comment_star
                                 : State::block_comment;
}

void Lexer::step_dollar(char c) {
  if (is_digit(c)) {
    state_ = State::parameter;
    return keep(c);
  }
  tag_ = "$";
  step_dollar_tag(c);
}

void Lexer::step_dollar_tag(char c) {
  if (c == '$') {
    tag_ += c;
    tag_match_ = 0;
    kind_ = TokenKind::string;
    text_ = tag_;
    cut_ = false;
    state_ = State::dollar_body;
    return;
  }
  bool fits = begins_word(c) || (tag_.size() > 1 && is_digit(c));
  unclear_ |= fits && tag_.size() == kTagBytesMax;
  if (fits && tag_.size() < kTagBytesMax) {
    tag_ += c;
    state_ = State::dollar_tag;
    return;
  }
  end_dollar_tag();
  again(c);
}

// It was none: a dollar sign, and the rest as if it had not been there.
void Lexer::end_dollar_tag() {
  symbol(begin_, '$');
  if (tag_.size() == 1) return;
  begin_ += 1;
  kind_ = TokenKind::word;
  text_ = tag_.substr(1);
  cut_ = false;
  state_ = State::word;
}

// The tag holds dollars at its ends only, so a mismatch can begin a new match with a dollar only.
void Lexer::step_dollar_body(char c) {
  keep(c);
  tag_match_ = c == tag_[tag_match_] ? tag_match_ + 1 : c == '$' ? 1 : 0;
  if (tag_match_ == tag_.size()) end_token(at_ + 1);
}

void Lexer::begin(TokenKind kind, State state, char c) {
  kind_ = kind;
  state_ = state;
  begin_ = at_;
  text_.assign(1, c);
  cut_ = false;
}

void Lexer::keep(std::string_view bytes) {
  size_t room = kTextBytesMax - text_.size();
  text_.append(bytes.substr(0, room));
  cut_ |= bytes.size() > room;
}

void Lexer::end_token(uint64_t end) {
  state_ = State::between;
  sink_->on_token(
      {.kind = kind_, .offset = begin_, .length = end - begin_, .text = text_, .is_cut = cut_});
}

void Lexer::symbol(uint64_t offset, char c) {
  state_ = State::between;
  sink_->on_token({.kind = TokenKind::symbol, .offset = offset, .length = 1, .text = {&c, 1}});
}

Lexer::Outcome Lexer::finish() {
  bool in_character = trailing_ > 0 || lead_ != 0;
  switch (state_) {
    case State::quoted:
    case State::identifier:
    case State::dollar_body:
    case State::block_comment:
    case State::block_comment_slash:
    case State::block_comment_star:
      return Outcome::unterminated;
    case State::between:
    case State::line_comment:
      break;
    default:
      // What stands at the end is ended by what would follow it.
      again(' ');
  }
  if (state_ == State::separation || state_ == State::separation_comment) end_token(string_end_);
  if (unclear_) return Outcome::unclear;
  return in_character ? Outcome::unterminated : Outcome::complete;
}

}  // namespace trunkline::sql
