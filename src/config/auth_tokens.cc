#include "config/auth_tokens.h"

#include <optional>

#include "config/loader.h"

namespace trunkline::config {

namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

// Walks the text; a backslash at the end of a line joins the next one (PostgreSQL 14).
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ == text_.size(); }
  bool at_line_end() const { return at_end() || text_[at_] == '\n'; }
  int line() const { return line_; }
  int column() const { return static_cast<int>(at_ - line_start_) + 1; }

  void next_line() {
    skip_to_line_end();
    if (!at_end()) step();
  }

  void skip_to_line_end() {
    while (!at_line_end()) ++at_;
  }

  void skip_blanks() {
    for (;;) {
      if (joins_lines()) {
        ++at_;
        step();
      } else if (!at_line_end() && is_blank(text_[at_])) {
        ++at_;
      } else {
        return;
      }
    }
  }

  char peek() const { return at_line_end() ? '\n' : text_[at_]; }
  void skip() { ++at_; }

  // A token ends at a blank, a comma or a comment outside of quotes. nullopt: a quote stays open.
  std::optional<AuthToken> token() {
    AuthToken token{.text = {}, .quoted = peek() == '"', .column = column()};
    bool quoted = false;
    for (;; ++at_) {
      if (joins_lines()) {
        if (!quoted) return token;
        ++at_;
        newline();
        continue;
      }
      if (at_line_end()) break;
      char c = text_[at_];
      if (!quoted && (is_blank(c) || c == ',' || c == '#')) break;
      if (c != '"') {
        token.text += c;
      } else if (quoted && at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        token.text += '"';
        ++at_;
      } else {
        quoted = !quoted;
      }
    }
    if (quoted) return std::nullopt;
    return token;
  }

 private:
  bool joins_lines() const {
    return at_ + 1 < text_.size() && text_[at_] == '\\' && text_[at_ + 1] == '\n';
  }
  void newline() {
    ++line_;
    line_start_ = at_ + 1;
  }
  void step() {
    if (text_[at_] == '\n') newline();
    ++at_;
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t line_start_ = 0;
  int line_ = 1;
};

// Returns what is wrong with the line, empty when nothing is; `column` is where.
std::string read_fields(Scanner& scanner, AuthLine& line, int& column) {
  bool in_list = false;
  for (;;) {
    scanner.skip_blanks();
    column = scanner.column();
    char c = scanner.peek();
    if (c == '\n' || c == '#') return in_list ? "the list ends with a comma" : "";
    if (c == ',') return "a comma must follow a name";
    auto token = scanner.token();
    if (!token) return "the quote is not closed on its line";
    if (!in_list) line.fields.emplace_back();
    line.fields.back().push_back(std::move(*token));
    in_list = scanner.peek() == ',';
    if (in_list) scanner.skip();
  }
}

}  // namespace

std::vector<AuthLine> read_auth_lines(std::string_view text, const std::string& file,
                                      std::vector<Problem>& problems) {
  std::vector<AuthLine> lines;
  size_t zero = text.find('\0');
  if (zero != std::string_view::npos) {
    problems.push_back({{file}, "", "the file holds a zero byte: it is not text"});
    return lines;
  }
  Scanner scanner(text);
  for (; !scanner.at_end() && problems.size() < kProblemsMax; scanner.next_line()) {
    AuthLine line{.line = scanner.line(), .fields = {}};
    int column = 1;
    std::string wrong = read_fields(scanner, line, column);
    if (wrong.empty() && !line.fields.empty()) {
      const AuthToken& first = line.fields[0][0];
      if (first.is("include") || first.is("include_if_exists") || first.is("include_dir")) {
        wrong = "`" + first.text + "` is not supported; put the lines of that file here";
        column = first.column;
      }
    }
    if (!wrong.empty()) {
      problems.push_back({{file, scanner.line(), column}, "", std::move(wrong)});
    } else if (!line.fields.empty()) {
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

std::string whole_match_of_search(std::string_view expression) {
  return "(?s:.*?)(?:" + std::string(expression) + ")(?s:.*)";
}

}  // namespace trunkline::config
