// Must hold: what is said of a text does not depend on how it was cut into pieces; statements stand
// in order, within the text and apart from each other, and between them there is nothing but
// semicolons, white space and comments; what a statement holds lies within it; the summary is the
// sum. A statement alone is what it was among the others.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "sql/facts_cache.h"
#include "sql/statement_scanner.h"
#include "sql/text_facts.h"

using namespace trunkline::sql;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

struct Story final : StatementSink {
  // The facts of a text keep the names of all its statements in one place.
  void on_statement(Statement&& statement) override {
    if (!statements.empty()) names += ',';
    names += std::exchange(statement.names, {});
    statements.push_back(std::move(statement));
  }
  std::vector<Statement> statements;
  std::string names;
  Lexer::Outcome outcome{};
};

Story scan(std::string_view text, Syntax syntax, size_t every) {
  Story story;
  StatementScanner scanner(syntax, story);
  for (; !text.empty(); text.remove_prefix(std::min(every, text.size()))) {
    scanner.feed(text.substr(0, every));
  }
  story.outcome = scanner.finish();
  return story;
}

// Has no statement, whatever stands around it.
bool is_between(std::string_view text, Syntax syntax) {
  return TextFacts::of(text, syntax)->statement_count() == 0;
}

void check_within(Span inner, Span outer) {
  if (inner == Span{}) return;
  must(inner.offset >= outer.offset && inner.length <= outer.length &&
       inner.offset + inner.length <= outer.offset + outer.length);
}

void check_statement(const Statement& statement) {
  must(statement.kind != StatementKind::empty && statement.kind <= StatementKind::other);
  must(statement.span.length > 0);
  check_within(statement.arguments, statement.span);
  check_within(statement.body, statement.span);
  check_within(statement.name_span, statement.span);
  bool is_setting = statement.value.kind != SettingValue::Kind::none ||
                    statement.kind == StatementKind::reset || statement.kind == StatementKind::show;
  bool is_gid = statement.kind == StatementKind::prepare_transaction ||
                statement.kind == StatementKind::commit_prepared ||
                statement.kind == StatementKind::rollback_prepared;
  must(is_setting || is_gid || statement.name.text.size() <= kNameBytesMax);
  must(statement.value.kind == SettingValue::Kind::given || statement.value.text.empty());
}

void check_alone(Statement statement, std::string_view text, Syntax syntax) {
  uint64_t begin = statement.span.offset;
  auto alone = TextFacts::of(text.substr(begin, statement.span.length), syntax);
  must(alone->statement_count() == 1 && alone->outcome() == Lexer::Outcome::complete);
  Statement expected = alone->statements()[0];
  for (Span* span :
       {&statement.span, &statement.arguments, &statement.body, &statement.name_span}) {
    if (*span != Span{}) span->offset -= begin;
  }
  expected.index = statement.index;
  // Where there are none they are at 0 in both.
  must(expected == statement);
}

void check_whole(const Story& story, std::string_view text, Syntax syntax) {
  auto facts = TextFacts::of(text, syntax);
  must(facts->outcome() == story.outcome);
  must(facts->statement_count() == story.statements.size());
  size_t kept = std::min(story.statements.size(), TextFacts::kStatementsMax);
  must(std::ranges::equal(facts->statements(), std::span(story.statements).first(kept)));
  KindSet kinds;
  Suspicions suspicions;
  uint64_t end = 0;
  for (const Statement& statement : story.statements) {
    check_statement(statement);
    kinds.add(statement.kind);
    suspicions.add(statement.suspicions);
    must(statement.span.offset >= end);
    if (story.outcome == Lexer::Outcome::complete) {
      must(is_between(text.substr(end, statement.span.offset - end), syntax));
      check_alone(statement, text, syntax);
    }
    end = statement.span.offset + statement.span.length;
  }
  must(end <= text.size());
  if (story.outcome == Lexer::Outcome::complete) {
    must(is_between(text.substr(end), syntax));
    must(facts->kinds() == kinds && facts->suspicions() == suspicions);
  }
  must(!facts->is_plain() || facts->is_plain(Suspicion::opaque));
  must(facts->names().empty() || (facts->is_plain() && facts->names() == story.names));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Syntax syntax{.encoding = static_cast<Encoding>(data[0] % 5),
                .standard_conforming_strings = (data[0] & 0x80) == 0};
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  Story whole = scan(text, syntax, text.size() + 1);
  check_whole(whole, text, syntax);
  for (size_t every : {size_t{1}, size_t{2}, size_t{5}}) {
    Story pieces = scan(text, syntax, every);
    must(pieces.statements == whole.statements && pieces.outcome == whole.outcome);
    must(pieces.names == whole.names);
  }
  static FactsCache cache({.bytes = size_t{64} << 10}, 42);
  must(std::ranges::equal(cache.get(text, syntax)->statements(),
                          TextFacts::of(text, syntax)->statements()));
  must(cache.bytes() <= size_t{64} << 10);
  return 0;
}
