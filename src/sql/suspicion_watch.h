#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sql/lexer.h"
#include "sql/suspicions.h"
#include "sql/watched_word.h"

namespace trunkline::sql {

// Follows the tokens of one statement and tells what it may do unseen, see `Suspicion`. Knows no
// grammar: a name before a parenthesis is a call unless the words around it rule that out. Keeps a
// few names, whatever the length of the statement. One thread.
class SuspicionWatch {
 public:
  explicit SuspicionWatch(Syntax syntax) : syntax_(syntax) {}

  void on_token(const Token& token);
  // Known in another way, of the statement at hand.
  void suspect(Suspicions more) {
    suspicions_.add(more);
    sets_unnamed_ |= more.has(Suspicion::set_config);
  }
  // The end of the statement; ready for the next one.
  Suspicions take();
  // Of what was `set_config_named`; to be taken first.
  std::vector<std::string> take_settings() { return std::exchange(settings_, {}); }
  // Those that applications make up and the statement reads; to be taken first.
  std::vector<std::string> take_asked_settings() { return std::exchange(asked_settings_, {}); }
  // All names of the statement, folded, each once, with commas between them. Empty if there are too
  // many, or some that are not written in plain letters. To be taken first, too.
  std::string take_names();
  // The parameters that name what set_config() sets; none when something else may name it, too. To
  // be taken first.
  std::vector<uint16_t> take_bound_settings();

 private:
  using Word = WatchedWord;
  struct Seen {
    TokenKind kind = TokenKind::symbol;
    char symbol = '\0';  // also zero at the beginning of the statement
    Word word = Word::other;
    bool unquoted = false;

    bool is_symbol() const { return kind == TokenKind::symbol; }
    bool is(char c) const { return kind == TokenKind::symbol && symbol == c; }
  };
  // Of a parenthesis that is open.
  enum Level : uint8_t {
    kPlain = 0,
    kAliasMayFollow = 1,  // name(…) once it is closed would name columns, not call
    kCast = 2,
    kFromIsSyntax = 4,  // EXTRACT(… FROM …)
    kOperator = 8,
  };
  static constexpr size_t kLevelsMax = 64;
  static constexpr size_t kNamesBytesMax = 1000;

  void on_name(const Token& token);
  void collect_name(bool unquoted);
  void on_word(Word word);
  void on_string(const Token& token);
  void on_parameter(const Token& token);
  void ask_for(std::string setting);
  void on_symbol(const Token& token);
  void open();
  void close_set_config();
  void end_cast();
  void end_type();
  // The name at hand is the statement's first word.
  bool is_first() const { return before_name_.is('\0'); }
  bool is_call() const;
  bool is_syntax() const;
  bool is_type() const;
  uint8_t level() const { return depth_ > 0 && depth_ <= kLevelsMax ? levels_[depth_ - 1] : 0; }

  const Syntax syntax_;
  Suspicions suspicions_;
  Seen last_;
  Seen before_last_;
  Seen before_name_;          // what stood before the first part of the name at hand
  Seen before_name_further_;  // and before that
  std::string before_text_;   // if that was a name
  bool in_name_ = false;      // the last token was a name, or the dot behind it
  std::string name_;          // its last part, folded
  std::string qualifier_;     // the part before that
  bool closed_before_alias_ = false;
  bool explains_ = false;
  // Within a call of set_config(): how deep its arguments are, and how many commas between them.
  uint64_t set_config_depth_ = 0;
  uint64_t commas_ = 0;
  std::string setting_;  // that it names, if the text says so
  std::vector<std::string> settings_;
  std::vector<std::string> asked_settings_;
  std::string names_;
  bool names_all_ = true;
  uint16_t bound_setting_ = 0;  // the parameter that names it, likewise
  std::vector<uint16_t> bound_settings_;
  bool sets_unnamed_ = false;
  bool names_seed_ = false;
  uint64_t depth_ = 0;
  std::array<uint8_t, kLevelsMax> levels_{};
};

}  // namespace trunkline::sql
