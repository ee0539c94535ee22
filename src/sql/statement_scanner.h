#pragma once

#include <cstdint>

#include "sql/head.h"
#include "sql/lexer.h"
#include "sql/statement.h"
#include "sql/suspicion_watch.h"

namespace trunkline::sql {

class StatementSink {
 public:
  virtual void on_statement(Statement&& statement) = 0;

 protected:
  ~StatementSink() = default;
};

// Cuts a text of any size, in any pieces, into its statements, and tells of each as soon as the
// semicolon behind it is seen: the server does the same cutting, but runs nothing before it has
// seen the end. A semicolon ends a statement where it is outside parentheses (of a rule), and
// outside the BEGIN ATOMIC … END of a CREATE FUNCTION or PROCEDURE. Keeps a head of bounded size
// of the statement at hand. One thread.
class StatementScanner final : TokenSink {
 public:
  StatementScanner(Syntax syntax, StatementSink& sink)
      : syntax_(syntax), sink_(&sink), lexer_(syntax, *this), watch_(syntax) {}

  void feed(std::string_view text) { lexer_.feed(text); }
  // The end of the text, and of its last statement. If the outcome is not `complete`, then of the
  // whole text: if it is `unterminated`, the server refuses all of it; if it is `unclear`, the
  // statements may be others than it says.
  Lexer::Outcome finish();

 private:
  void on_token(const Token& token) override;
  void follow_routine(const Token& token);
  void look_at_code(std::string_view code);
  void end_statement();

  const Syntax syntax_;
  StatementSink* sink_;
  Lexer lexer_;
  SuspicionWatch watch_;
  Head head_;
  bool keeps_head_ = true;

  // Of the statement at hand.
  uint64_t tokens_ = 0;
  Span span_;
  uint64_t depth_ = 0;  // of parentheses
  // CREATE [OR REPLACE] FUNCTION | PROCEDURE: how many of these words stand at the beginning.
  unsigned routine_words_ = 0;
  bool is_routine_ = false;
  bool in_body_ = false;  // between BEGIN ATOMIC and END
  bool is_do_ = false;
  std::vector<std::string> custom_settings_;
  std::string previous_;  // the token before, if it was a short word, in lower case, or ";"
  std::string lower_;     // scratch

  uint64_t statements_ = 0;
};

}  // namespace trunkline::sql
