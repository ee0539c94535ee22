#include "sql/text_facts.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace trunkline::sql {
namespace {

using Outcome = Lexer::Outcome;

TEST(TextFacts, SumUpAllStatements) {
  auto facts = TextFacts::of("select 1; /* ; */ set a = b ;; select nextval('s')", {});
  EXPECT_EQ(facts->statement_count(), 3);
  EXPECT_EQ(facts->kinds(), (KindSet{StatementKind::select, StatementKind::set}));
  EXPECT_TRUE(facts->has(Suspicion::moves_sequence));
  EXPECT_FALSE(facts->is_plain());
  EXPECT_FALSE(facts->is_read_only());
  EXPECT_FALSE(facts->needs_rewrite());
  EXPECT_FALSE(facts->is_malformed());
  EXPECT_EQ(facts->outcome(), Outcome::complete);
}

TEST(TextFacts, TellWhereStatementsStand) {
  std::string text = " /* a */ select 1 /* b */ ; \n prepare p as  select 2 ;select 3 -- c";
  auto facts = TextFacts::of(text, {});
  std::vector<std::string> parts;
  for (const Statement& statement : facts->statements()) {
    EXPECT_EQ(statement.index, parts.size());
    parts.push_back(text.substr(statement.span.offset, statement.span.length));
  }
  EXPECT_EQ(parts, (std::vector<std::string>{"select 1", "prepare p as  select 2", "select 3"}));
  Span name = facts->statements()[1].name_span;
  EXPECT_EQ(text.substr(name.offset, name.length), "p");
  Span body = facts->statements()[1].body;
  EXPECT_EQ(text.substr(body.offset, body.length), "  select 2");
}

TEST(TextFacts, ArePlainWhenThereIsNothingToDo) {
  for (const char* text : {"", ";", "select lower(a) from t", "values (1)", "show a", "table t",
                           "explain analyze select 1", "checkpoint", "lock t", "select 1; select 2",
                           "select 1 from t for update"}) {
    EXPECT_TRUE(TextFacts::of(text, {})->is_plain()) << text;
  }
  for (const char* text : {"set a = b", "begin", "select f()", "insert into t values (1)",
                           "select 1; discard all", "execute p", "vacuum", "nonsense"}) {
    EXPECT_FALSE(TextFacts::of(text, {})->is_plain()) << text;
  }
}

TEST(TextFacts, ArePlainForWhoTrusts) {
  Suspicions opaque = Suspicion::opaque | Suspicion::may_fire_triggers;
  EXPECT_TRUE(TextFacts::of("insert into t values (f())", {})->is_plain(opaque));
  EXPECT_TRUE(TextFacts::of("select 1", {})->is_plain(opaque));
  EXPECT_FALSE(TextFacts::of("insert into t values (nextval('s'))", {})->is_plain(opaque));
  EXPECT_FALSE(TextFacts::of("create table t ()", {})->is_plain(opaque));
}

TEST(TextFacts, NameAllThatAPlainReadMayMean) {
  auto names = [](std::string_view text) { return TextFacts::of(text, {})->names(); };
  EXPECT_EQ(names("SELECT Id, \"Na$me\", lower(id) FROM s.Product p WHERE p.id = $1"),
            "id,Na$me,lower,s,product,p");
  EXPECT_EQ(names("table t"), "t");
  EXPECT_EQ(names("select a from t; select b from t for update"), "a,t,b,t,update");
  EXPECT_EQ(names("select 1"), "") << "reads nothing";
  for (const char* text :
       {"select f() from t", "insert into t select a from u", "select a::mine from t",
        "select \"null\" from t", "select \"a,b\" from t", "select \"\" from t",
        "select \xc3\xa4 from t", "select a from t; set b = c", "select a from t where 'x"}) {
    EXPECT_EQ(names(text), "") << text;
  }
  std::string many = "select a";
  for (int i = 0; i < 300; ++i) many += ", column" + std::to_string(i);
  EXPECT_EQ(names(many + " from t"), "");
  EXPECT_EQ(names("select 1; select a from t"), "") << "also where a statement names nothing";
}

TEST(TextFacts, SayWhatMustBeRewritten) {
  for (const char* text :
       {"prepare p as select 1", "execute p", "deallocate p", "deallocate all", "reset a",
        "select 1; reset all", "discard all", "explain execute p", "create table t as execute p"}) {
    EXPECT_TRUE(TextFacts::of(text, {})->needs_rewrite()) << text;
  }
}

TEST(TextFacts, SayOfATextWithoutAnEndThatTheServerRefusesIt) {
  for (const char* text : {"select 1; select '", "set a = $$", "/* ", "select \"a"}) {
    EXPECT_EQ(TextFacts::of(text, {})->outcome(), Outcome::unterminated) << text;
  }
}

TEST(TextFacts, KeepABoundedNumberOfStatements) {
  std::string text;
  for (size_t i = 0; i < TextFacts::kStatementsMax; ++i) text += "select 1;";
  auto most = TextFacts::of(text, {});
  EXPECT_EQ(most->statements().size(), TextFacts::kStatementsMax);
  EXPECT_FALSE(most->is_cut());
  auto more = TextFacts::of(text + "listen a", {});
  EXPECT_EQ(more->statements().size(), TextFacts::kStatementsMax);
  EXPECT_EQ(more->statement_count(), TextFacts::kStatementsMax + 1);
  EXPECT_TRUE(more->is_cut());
  EXPECT_TRUE(more->has(StatementKind::listen));
  EXPECT_GT(more->memory_bytes(), TextFacts::kStatementsMax * sizeof(Statement));
}

TEST(StatementScanner, TellsOfAStatementAsSoonAsItsSemicolonIsSeen) {
  struct Sink final : StatementSink {
    void on_statement(Statement&& statement) override { kinds.push_back(statement.kind); }
    std::vector<StatementKind> kinds;
  } sink;
  StatementScanner scanner({}, sink);
  scanner.feed("listen a");
  EXPECT_EQ(sink.kinds.size(), 0);
  scanner.feed("; insert into t values (");
  EXPECT_EQ(sink.kinds.size(), 1);
  std::string values = "('; select 1'), ";
  for (int i = 0; i < 100000; ++i) scanner.feed(values);
  EXPECT_EQ(sink.kinds.size(), 1);
  scanner.feed("1) ;");
  EXPECT_EQ(sink.kinds.size(), 2);
  EXPECT_EQ(scanner.finish(), Outcome::complete);
  EXPECT_EQ(sink.kinds, (std::vector{StatementKind::listen, StatementKind::insert}));
}

TEST(StatementScanner, SaysTheSameOfPiecesAsOfTheWhole) {
  struct Sink final : StatementSink {
    void on_statement(Statement&& statement) override { all.push_back(std::move(statement)); }
    std::vector<Statement> all;
  };
  std::string text =
      "set local a = E'x\\'y' /* ; */; prepare p (int) as select $1::mood; begin read only;"
      "create function f() returns int begin atomic select case when a then set_config(1) end; "
      "end; execute p (U&'x' uescape '!'); select $t$;$t$; notify a, 'b'";
  for (size_t every : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, size_t{50}}) {
    Sink sink;
    StatementScanner scanner({}, sink);
    for (size_t at = 0; at < text.size(); at += every) {
      scanner.feed(std::string_view(text).substr(at, every));
    }
    EXPECT_EQ(scanner.finish(), Outcome::complete);
    auto facts = TextFacts::of(text, {});
    for (Statement& each : sink.all) each.names.clear();  // now the text's
    EXPECT_TRUE(std::ranges::equal(sink.all, facts->statements())) << every;
  }
}

TEST(StatementScanner, ReadsBeyondALongListInParentheses) {
  std::string columns = "a";
  for (int i = 0; i < 1000; ++i) columns += ", \"" + std::string(60, 'x') + "\"";
  EXPECT_TRUE(
      TextFacts::of("copy t (" + columns + ") from stdin", {})->has(StatementKind::copy_in));
  auto facts = TextFacts::of("prepare p (" + columns + ") as select 1", {});
  EXPECT_EQ(facts->statements()[0].arguments.length, columns.size());
  EXPECT_FALSE(facts->is_malformed());
}

TEST(KindSet, IsASet) {
  KindSet set{StatementKind::empty, StatementKind::other};
  EXPECT_TRUE(set.has(StatementKind::other));
  EXPECT_FALSE(set.has(StatementKind::select));
  EXPECT_TRUE(set.has_any_of({StatementKind::other, StatementKind::select}));
  EXPECT_TRUE(set.is_within(set | KindSet{StatementKind::select}));
  EXPECT_FALSE((set | KindSet{StatementKind::select}).is_within(set));
  EXPECT_EQ(name_of(StatementKind::empty), "empty");
  EXPECT_EQ(name_of(StatementKind::ddl), "ddl");
  EXPECT_EQ(name_of(StatementKind::other), "other");
}

}  // namespace
}  // namespace trunkline::sql
