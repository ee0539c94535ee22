#pragma once

#include <algorithm>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "sql/text_facts.h"

namespace trunkline::sql {

// A text and what is to be said of it.
struct Case {
  std::string text;
  std::string facts;
  Syntax syntax = {};

  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.text; }
};

inline std::string describe_modes(const TransactionModes& modes) {
  static constexpr const char* kLevels[] = {"uncommitted", "committed", "repeatable",
                                            "serializable"};
  std::string out;
  if (modes.isolation) out += std::string(" ") + kLevels[static_cast<int>(*modes.isolation)];
  if (modes.read_only) out += *modes.read_only ? " only" : " write";
  if (modes.deferrable) out += *modes.deferrable ? " deferrable" : " not-deferrable";
  if (modes.has_snapshot) out += " snapshot";
  return out;
}

// All there is but the suspicions and the place: kind, name, value and so on in one line.
inline std::string describe(const Statement& statement, std::string_view text) {
  using Kind = SettingValue::Kind;
  std::string out(name_of(statement.kind));
  if (!statement.name.empty() || !statement.name.is_certain) {
    out += " " + statement.name.text + (statement.name.is_certain ? "" : "~");
  }
  switch (statement.value.kind) {
    case Kind::none:
      break;
    case Kind::given:
      out += " = <" + statement.value.text + ">";
      break;
    case Kind::to_default:
      out += " = DEFAULT";
      break;
    case Kind::from_current:
      out += " = CURRENT";
      break;
    case Kind::unknown:
      out += " = ?";
      break;
  }
  if (statement.is_local) out += " local";
  if (statement.with_hold) out += " hold";
  if (statement.and_chain) out += " chain";
  out += describe_modes(statement.modes);
  auto append = [&](const char* open, Span span, const char* close) {
    if (span.offset == 0) return;
    out += open + to_lower(text.substr(span.offset, span.length)) + close;
  };
  append(" (", statement.arguments, ")");
  append(" {", statement.body, "}");
  if (statement.name_span.length > 0) {
    // It is folded from what stands there.
    std::string_view written = text.substr(statement.name_span.offset, statement.name_span.length);
    bool is_there = written.starts_with('"') || written.contains('&') ||
                    to_lower(written).starts_with(to_lower(statement.name.text));
    if (!is_there) out += " LOST";
  }
  if (statement.is_malformed) out += " malformed";
  return out;
}

inline std::string describe(std::string_view text, Syntax syntax = {}) {
  auto facts = TextFacts::of(text, syntax);
  std::string out;
  for (const Statement& statement : facts->statements()) {
    if (!out.empty()) out += "; ";
    out += describe(statement, text);
  }
  if (facts->outcome() == Lexer::Outcome::unterminated) out += " unterminated";
  if (facts->outcome() == Lexer::Outcome::unclear) out += " unclear";
  return out;
}

// The same text for PostgreSQL: comments and white space between the tokens that had some already,
// words in odd case.
inline constexpr std::string_view kOddGap = " /* ; ' /*\"*/ $$ */--';\n\t";
inline std::string oddly_written(std::string_view text, Syntax syntax) {
  struct Writer final : TokenSink {
    void on_token(const Token& token) override {
      if (token.offset > end && end > 0) out += kOddGap;
      std::string written(text.substr(token.offset, token.length));
      for (size_t i = 0; token.kind == TokenKind::word && i < written.size(); ++i) {
        char& c = written[i];
        if (i % 2 == 0 && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
      }
      out += written;
      end = token.offset + token.length;
    }
    std::string_view text;
    std::string out{kOddGap};
    uint64_t end = 0;
  } writer;
  writer.text = text;
  Lexer lexer(syntax, writer);
  lexer.feed(text);
  if (lexer.finish() != Lexer::Outcome::complete) return std::string(text);
  return writer.out + std::string(kOddGap);
}

inline std::string without_odd_gaps(std::string text) {
  std::string gap = to_lower(kOddGap);
  for (size_t at = 0; (at = text.find(gap, at)) != std::string::npos;) {
    text.replace(at, gap.size(), " ");
  }
  return text;
}

}  // namespace trunkline::sql
