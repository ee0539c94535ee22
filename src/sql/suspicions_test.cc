#include "sql/suspicions.h"

#include <gtest/gtest.h>
#include <ostream>
#include <string>

#include "sql/facts_for_tests.h"
#include "sql/functions.h"

namespace trunkline::sql {
namespace {

std::string list(Suspicions suspicions) {
  static constexpr const char* kNames[] = {
      "set_config", "session_lock", "setseed",    "moves_sequence", "reads_sequence", "notifies",
      "temp",       "opaque",       "triggers",   "write",          "dblink",         "pg_catalog",
      "relations",  "prepared",     "types",      "define",         "set_local",      "unlock",
      "channels",   "set_named",    "statements", "asks",           "unlistens",      "moment",
      "process",    "local_meaning"};
  std::string out;
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (!suspicions.has(static_cast<Suspicion>(1U << i))) continue;
    out += (out.empty() ? "" : " ") + std::string(kNames[i]);
  }
  return out;
}

class Suspected : public testing::TestWithParam<Case> {};

TEST_P(Suspected, IsWhatTheWordsSay) {
  const Case& c = GetParam();
  EXPECT_EQ(list(TextFacts::of(c.text, c.syntax)->suspicions()), c.facts) << c.text;
  std::string odd = oddly_written(c.text, c.syntax);
  EXPECT_EQ(list(TextFacts::of(odd, c.syntax)->suspicions()), c.facts) << odd;
}

INSTANTIATE_TEST_SUITE_P(Moments, Suspected,
                         testing::Values(Case{"select 'now'::timestamptz, 'today'::date", "moment"},
                                         Case{"select date 'Tomorrow 12:00'", "moment"},
                                         Case{"select timestamp $$yesterday$$", "moment"},
                                         Case{"select e'n\\x6fw'::timestamptz", "moment"},
                                         Case{"select 'known', 'snow', 'nowhere', now()", ""},
                                         Case{"select pg_backup_start('x')", "process"}));

INSTANTIATE_TEST_SUITE_P(
    Plain, Suspected,
    testing::Values(
        Case{"select 1", ""}, Case{"select a from t where b = $1", "relations"},
        Case{"select lower(a), count(*) from t group by 1", "relations"},
        Case{"select coalesce(a, b), nullif(a, 1), greatest(1, 2)", ""},
        Case{"select extract(epoch from now())", ""},
        Case{"select substring(a from 1 for 2), trim(both from a), overlay(a placing b from 3)",
             ""},
        Case{"select 1 where a is distinct from b", ""},
        Case{"select a in (1), b and (c), not (d)", ""},
        Case{"select sum(a) over (partition by (b) order by (c)), count(*) filter (where d)", ""},
        Case{"select * from generate_series(1, 2) g(i)", "relations"},
        Case{"select * from unnest($1::int[]) as x(a)", "relations"},
        Case{"with a(b) as (select 1), recursive as materialized (select 2) select 3", ""},
        Case{"with x as not materialized (select 2) select 3", ""},
        Case{"select 1 group by grouping sets ((a), (b), ())", ""},
        // Not worth following: it could be a function within ORDER BY.
        Case{"select 1 group by a, cube (b)", "opaque write"},
        Case{"select 1 group by rollup (a)", ""},
        Case{"select * from t tablesample bernoulli (3) repeatable (1)", "relations"},
        Case{"select a at time zone (b)", ""},
        Case{"select a from t order by (b) fetch first (1) rows only", "relations"},
        Case{"select array[1]::int[], 'a'::text, 1::numeric(10, 2), a::double precision", ""},
        Case{"select cast(a as varchar(10)), cast(b as pg_catalog.int4)", "pg_catalog"},
        Case{"select date '2020-01-01', interval '1' day, timestamp with time zone 'now'",
             "moment"},
        Case{"select a like 'x' escape 'y', b ilike (c), d similar to 'e'", ""},
        Case{"select left(a, 1), right(b, 1) from t left join (select 1) u on (true)", "relations"},
        Case{"select 'set_config(1)', $$nextval('x')$$ -- setval()", ""},
        Case{"select \"set_config\" from t", "relations"}, Case{"select a.setval", ""},
        Case{"select pg_advisory_xact_lock(1), pg_try_advisory_xact_lock_shared(2)", ""},
        Case{"select pg_catalog.now()", "pg_catalog"}, Case{"select pg_stat_get_numscans(1)", ""},
        Case{"show all", ""}, Case{"explain select lower(a) from t", "relations"},
        Case{"values (1), (2)", ""}, Case{"begin", ""}, Case{"rollback", ""}, Case{"set a = b", ""},
        Case{"declare c cursor for select 1", ""}));

INSTANTIATE_TEST_SUITE_P(
    Calls, Suspected,
    testing::Values(
        Case{"select set_config('a', 'b', false)", "set_named"},
        Case{"select SET_CONFIG ('a', 'b', false)", "set_named"},
        Case{"select \"set_config\"('a', f(b), c)", "opaque write set_named"},
        Case{"select set_config('a' || b, 'b', false)", "set_config"},
        Case{"select set_config('a'::text, 'b', false)", "set_config"},
        Case{"select set_config(('a'), 'b', false)", "set_config"},
        Case{"select set_config(E'a', 'b', false)", "set_named"},
        Case{"select set_config('a b', 'b', false)", "set_config"},
        Case{"select set_config('', 'b', false)", "set_config"},
        Case{"select set_config('a''b', 'b', false)", "set_config"},
        Case{"select set_config(a, 'b', false)", "set_config"},
        Case{"select set_config($1, 'b', false)", "set_config"},
        Case{"select U&\"\\0073et_config\"('a')", "set_config"},
        Case{"select pg_catalog.set_config('a')", "set_config pg_catalog"},
        Case{"select \"pg_catalog\" . \"set_config\"('a')", "set_config pg_catalog"},
        Case{"select d.pg_catalog.set_config('a')", "set_config pg_catalog"},
        Case{"select a from t where set_config('a') is null", "set_config relations"},
        Case{"select distinct on (a) set_config(b)", "set_config"},
        Case{"select a operator(pg_catalog.+) set_config(b)", "set_config pg_catalog"},
        Case{"select a[1:set_config(b)]", "set_config"},
        Case{"select case when a then set_config(b) end", "set_config"},
        Case{"select * from (values (1)) v, lateral set_config(b) c(d)", "set_config relations"},
        Case{"select * from rows from (set_config(b)) c(d)", "set_config relations"},
        Case{"select set_config (a) , setseed(0.5)", "set_config setseed"},
        Case{"select set_config('a', $1, true)", "set_local local_meaning"},
        Case{"select set_config('my.tenant', $1, true)", "set_local"},
        Case{"select set_config('a', f(1, 2), true), b(3)", "opaque write set_local local_meaning"},
        Case{"select set_config('a', 'b', true), set_config('c', 'd', false)",
             "set_local set_named local_meaning"},
        Case{"select set_config('a', 'b', true), set_config('c', 'd', true)",
             "set_local local_meaning"},
        Case{"select set_config('a', set_config('b', 'c', true), true)",
             "set_config set_local local_meaning"},
        Case{"select set_config('a', 'b', not true)", "set_named"},
        Case{"select set_config('a', 'b', a.true)", "set_named"},
        Case{"select set_config('a', 'b', \"true\")", "set_named"},
        Case{"select set_config('a', 'b', false or true)", "set_named"},
        Case{"select set_config('a', 'b', true and false)", "set_named"},
        Case{"select set_config('a', ('b', true)", "set_config"},
        Case{"select set_config('a', 'b', is_local => true)", "set_named"},
        Case{"select set_config('seed', '0.5', true)", "setseed set_local local_meaning"},
        Case{"select s.set_config('a', 'b', true)", "set_config opaque write"},
        Case{"select pg_advisory_lock(1)", "session_lock"},
        Case{"select pg_try_advisory_lock_shared(1)", "session_lock"},
        Case{"select pg_advisory_unlock_all()", "unlock"},
        Case{"select nextval('s')", "moves_sequence write"},
        Case{"select setval('s', 1)", "moves_sequence write"},
        Case{"select currval('s'), lastval()", "reads_sequence"},
        Case{"select pg_notify('a', 'b')", "notifies write"},
        Case{"select * from pg_listening_channels()", "relations channels"},
        Case{"select * from pg_prepared_statements", "relations statements"},
        Case{"select * from pg_catalog.pg_prepared_statement()", "pg_catalog relations statements"},
        Case{"select query_to_xml('table pg_prepared_statements')", "opaque write statements"},
        Case{"select current_setting('my.tenant', true)", "asks"},
        Case{"select pg_catalog.current_setting('My.Tenant')", "pg_catalog asks"},
        Case{"show my.tenant", "asks"}, Case{"select current_setting('work_mem'), 'a.b'", ""},
        Case{"prepare p as select current_setting('my.tenant')", ""},
        Case{"select f(1)", "opaque write"}, Case{"select s.lower(a)", "opaque write"},
        Case{"select \"Lower\"(a)", "opaque write"}, Case{"select lo_create(1)", "opaque write"},
        Case{"select dblink_exec('x')", "opaque write dblink"},
        Case{"select query_to_xml('x')", "opaque write"},
        Case{"select a operator(s.+) b", "opaque write"}, Case{"select over(1)", "opaque write"},
        Case{"select filter(1)", "opaque write"}, Case{"select json_value(a, '$')", "opaque write"},
        Case{"select pg_terminate_backend(1)", "opaque write"},
        Case{"execute p(nextval('s'))", "moves_sequence write prepared"},
        Case{"select set_config('seed', '0.5', false)", "setseed set_named"},
        Case{"select 'seed'", ""}, Case{"set seed = 0.5", "setseed"},
        Case{"set local SEED to 1", "setseed"},
        Case{"declare c cursor for select nextval('s')", "moves_sequence write"},
        Case{"select \x83\x41(1)", "opaque write", {.encoding = Encoding::sjis}}));

INSTANTIATE_TEST_SUITE_P(
    Writes, Suspected,
    testing::Values(
        Case{"insert into t (a, b) values (1, 2)", "triggers write"},
        Case{"insert into s.t as x (a) values (1) on conflict (a) do update set (a, b) = (1, 2)",
             "triggers write"},
        Case{"update t set a = lower(b)", "triggers write"},
        Case{"delete from t using u", "triggers write relations"},
        Case{"merge into t using s on true when matched then delete", "triggers write"},
        Case{"merge into t using s on true when not matched then insert (a) values (1)",
             "triggers write"},
        Case{"with x as (insert into t values (1) returning *) select * from x",
             "triggers write relations"},
        Case{"with x as (select 1) update t set a = 1", "triggers write"},
        Case{"explain analyze delete from t", "triggers write relations"},
        Case{"explain analyze create table a as select 1", "triggers write define"},
        Case{"explain (analyze) refresh materialized view v", "triggers write define"},
        Case{"explain analyze execute p", "triggers write prepared"},
        Case{"select 1 from t for update", "write relations"},
        Case{"select 1 from t for no key update of t", "write relations"},
        Case{"select 1 from t for key share", "write relations"},
        Case{"select 1 from t for share nowait", "write relations"},
        Case{"select 1 into t", "write define"},
        Case{"copy t from stdin", "triggers write relations"},
        Case{"copy t (a, b) to stdout", "relations"},
        Case{"copy (delete from t returning a) to stdout", "triggers write relations"},
        Case{"copy t to '/x'", "triggers write"}, Case{"copy t to stdout", "relations"},
        Case{"table v", "relations"}, Case{"with a as (table v) values (1)", "relations"},
        Case{"create table t (a int)", "triggers write define"}, Case{"commit", "write"},
        Case{"fetch c", "write"}, Case{"notify a", "notifies write"},
        Case{"create table t (a int)", "triggers write define"},
        Case{"truncate t", "triggers write define"}, Case{"do $$x$$", "opaque write"},
        Case{"call p()", "opaque write"}, Case{"execute p", "write prepared"},
        Case{"load 'x'", "opaque write"}, Case{"nonsense", "opaque write"},
        Case{"prepare p as insert into t values (f())", ""},
        Case{"with x as (select 1) select 1 into t", "write define"},
        Case{"grant execute on function f to u", "triggers write define"},
        Case{"explain (verbose) execute p", "write prepared"}, Case{"discard temp", "define"},
        Case{"discard plans", ""},
        Case{"create table t as execute p", "triggers write prepared define"}));

INSTANTIATE_TEST_SUITE_P(
    TemporaryObjects, Suspected,
    testing::Values(
        Case{"create temp table t (a int)", "temp triggers write define"},
        Case{"create table pg_temp.t (a int)", "temp triggers write define"},
        Case{"create table PG_TEMP_3 . t (a int)", "temp triggers write define"},
        Case{"create function \"pg_temp\".f() returns int return 1", "temp triggers write define"},
        Case{"select 1 into temp t", "temp write define"},
        Case{"select 1 into temporary table t", "temp write define"},
        Case{"select 1 into local temp t", "temp write define"},
        Case{"explain analyze create temp table t as select 1", "temp triggers write define"},
        Case{"set search_path = 'pg_temp, public'", "temp"},
        Case{"set search_path = public, pg_temp", "temp"},
        Case{"select set_config('search_path', 'PG_TEMP', true)", "temp set_local local_meaning"},
        Case{"select temp from t", "relations"}));

INSTANTIATE_TEST_SUITE_P(
    Types, Suspected,
    testing::Values(Case{"select 'a'::mood", "types"}, Case{"select 'a'::s.text", "types"},
                    Case{"select a::public.mood[]", "types"},
                    Case{"select cast(a as mood)", "types"},
                    Case{"select cast(a as mood(3)), 1", "types"},
                    Case{"select mood 'happy'", "types"},
                    Case{"select a::geometry(point, 4326)", "types"},
                    Case{"select a::\"char\", b::\"Text\"", "types"},
                    Case{"select * from jsonb_to_recordset($1) as x(a mood)", "relations types"},
                    Case{"select a as mood", ""}, Case{"select a::int as mood", ""}));

TEST(Suspected, OfAMisreadNameIsEverything) {
  EXPECT_EQ(TextFacts::of("select U&\"!0073et_config\" uescape '!' ('a')", {})->suspicions(),
            kAllSuspicions);
  std::string tag(Lexer::kTagBytesMax + 1, 't');
  auto facts = TextFacts::of("select $" + tag + "$ $" + tag + "$", {});
  EXPECT_EQ(facts->outcome(), Lexer::Outcome::unclear);
  EXPECT_EQ(facts->suspicions(), kAllSuspicions);
  EXPECT_FALSE(facts->is_plain());
}

TEST(Suspected, NamesTheSettings) {
  auto facts = TextFacts::of(
      "select set_config('My.Tenant', $1, false), set_config('work_mem', f('a.b', 'c'), x); "
      "select set_config('a.b', 'c', true); prepare p as select set_config('d.e', $1, false)",
      {});
  using Names = std::vector<std::string>;
  EXPECT_EQ(facts->statements()[0].settings, (Names{"my.tenant", "work_mem"}));
  EXPECT_EQ(facts->statements()[1].settings, Names{});
  EXPECT_EQ(facts->statements()[2].settings, Names{});
}

TEST(Suspected, NamesTheSettingsThatAreAskedFor) {
  auto facts = TextFacts::of(
      "select current_setting('My.Tenant', true), current_setting('a.b'), current_setting($1); "
      "show a.B; select f('c.d'), 'e.f'",
      {});
  using Names = std::vector<std::string>;
  EXPECT_EQ(facts->statements()[0].asked_settings, (Names{"my.tenant", "a.b"}));
  EXPECT_EQ(facts->statements()[1].asked_settings, Names{"a.b"});
  EXPECT_EQ(facts->statements()[2].asked_settings, Names{});
}

TEST(Suspected, NamesTheParametersThatNameSettings) {
  auto bound = [](std::string_view text) {
    auto facts = TextFacts::of(text, {});
    auto found = facts->bound_settings();
    return std::vector<uint16_t>(found.begin(), found.end());
  };
  using Numbers = std::vector<uint16_t>;
  EXPECT_EQ(bound("select set_config($1, $2, false)"), Numbers{1});
  EXPECT_EQ(bound("select set_config($3, $1, $2), set_config('a.b', $4, $2)"), Numbers{3});
  EXPECT_EQ(bound("select set_config($2, f($1, 2), x), set_config($1, a, b)"), (Numbers{2, 1}));
  for (std::string_view text :
       {"select set_config($1 || 'a', $2, false)", "select set_config(a, b, c), set_config($1, d)",
        "select set_config($1)", "select set_config($1, 'b', true)", "select set_config('a', $1)",
        "select set_config($1, set_config($2, 'c', false), false)", "select set_config(f($1), 'b')",
        "select set_config($1, 'a', x); select 1", "prepare p as select set_config($1, 'a', x)",
        "select s.set_config(a, b, c), set_config($1, 'a', x)", "select set_config($99999, 'b', c)",
        "select set_config($1, 'a', false", "select set_config(($1), 'a', false)"}) {
    EXPECT_EQ(bound(text), Numbers{}) << text;
  }
}

TEST(Suspected, KnowsTheSettingsThatParametersName) {
  auto facts = TextFacts::of("select set_config($1, $2, x), set_config('c', $3, x), f(y)", {});
  std::vector<std::string> names = {"my.tenant"};
  auto known = facts->with_settings(names);
  EXPECT_EQ(known->statements()[0].settings, (std::vector<std::string>{"c", "my.tenant"}));
  EXPECT_EQ(list(known->suspicions()), "opaque write set_named");
  EXPECT_FALSE(known->is_plain());
  EXPECT_TRUE(known->bound_settings().empty());
  EXPECT_TRUE(facts->has(Suspicion::set_config));
  names = {"seed"};
  EXPECT_TRUE(facts->with_settings(names)->has(Suspicion::setseed));
}

TEST(Suspected, NamesWhatMayBeSettingsInTheCodeOfDo) {
  auto facts = TextFacts::of(
      "do $$ begin execute 'SET My.Tenant = 42'; perform set_config('a.b.c', f.g(1.5), false); "
      "update t.x set y = my.tenant; end. $$; select 'x.y'",
      {});
  using Names = std::vector<std::string>;
  EXPECT_EQ(facts->statements()[0].settings, (Names{"my.tenant", "a.b.c", "f.g", "t.x"}));
  EXPECT_EQ(facts->statements()[1].settings, Names{});
  EXPECT_FALSE(facts->has(Suspicion::moves_sequence));
  EXPECT_TRUE(
      TextFacts::of("do 'begin perform NextVal(''s''); end'", {})->has(Suspicion::moves_sequence));
  std::string many = "do '";
  for (int i = 0; i < 100; ++i) many += " a.b" + std::to_string(i);
  EXPECT_EQ(TextFacts::of(many + "'", {})->statements()[0].settings.size(), 32U);
}

TEST(Suspected, AtAnyDepth) {
  for (size_t depth : {size_t{1}, size_t{63}, size_t{64}, size_t{65}, size_t{1000}}) {
    std::string text = "select " + std::string(depth, '(') + "set_config('a')";
    text += std::string(depth, ')') + ", extract(a from b)";
    EXPECT_EQ(list(TextFacts::of(text, {})->suspicions()), "set_config") << depth;
  }
}

TEST(Suspected, KnowsFunctionsByTheirWholeName) {
  EXPECT_TRUE(is_known_harmless("now"));
  EXPECT_FALSE(is_known_harmless("no"));
  EXPECT_FALSE(is_known_harmless(""));
  EXPECT_FALSE(is_known_harmless("nextval"));
  EXPECT_EQ(suspicions_of_call("pg_advisory_lockx"), Suspicion::opaque | Suspicion::may_write);
}

}  // namespace
}  // namespace trunkline::sql
