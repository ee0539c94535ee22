#include "sql/statement.h"

#include <gtest/gtest.h>
#include <string>

#include "sql/facts_for_tests.h"

namespace trunkline::sql {
namespace {

class Read : public testing::TestWithParam<Case> {};

TEST_P(Read, SaysTheSameHoweverItIsWritten) {
  const Case& c = GetParam();
  EXPECT_EQ(describe(c.text, c.syntax), c.facts) << c.text;
  // What is adjacent means something else than what is not.
  std::string odd = oddly_written(c.text, c.syntax);
  EXPECT_EQ(without_odd_gaps(describe(odd, c.syntax)), c.facts) << odd;
}

INSTANTIATE_TEST_SUITE_P(
    Queries, Read,
    testing::Values(Case{"", ""}, Case{" -- nothing\n", ""}, Case{";;", ""},
                    Case{"select 1", "select"}, Case{"select 1;", "select"},
                    Case{"(select 1) union (select 2)", "select"}, Case{"((select 1))", "select"},
                    Case{"table t", "select"}, Case{"values (1), (2)", "values"},
                    Case{"with a as (select 1) select 1", "with"},
                    Case{"insert into t values (1)", "insert"},
                    Case{"update t set a = 1", "update"}, Case{"delete from t", "delete"},
                    Case{"merge into t using s on a = b when matched then delete", "merge"},
                    Case{"select 1; ; select 2;;", "select; select"}, Case{"show all", "show all"},
                    Case{"show time zone", "show timezone"}, Case{"show a.B", "show a.b"},
                    Case{"show transaction isolation level", "show transaction_isolation"},
                    Case{"\"select\" 1", "other"}, Case{"'x'", "other"}, Case{"selec 1", "other"},
                    Case{"select 'a", "select unterminated"},
                    Case{"set a = 1; select 'a", "set a = <1>; select unterminated"}));

INSTANTIATE_TEST_SUITE_P(
    Transactions, Read,
    testing::Values(
        Case{"begin", "begin"}, Case{"begin work", "begin"}, Case{"begin transaction", "begin"},
        Case{"start transaction", "begin"}, Case{"start", "begin malformed"},
        Case{"begin isolation level serializable, read only not deferrable",
             "begin serializable only not-deferrable"},
        Case{"begin read write isolation level read committed deferrable",
             "begin committed write deferrable"},
        Case{"start transaction isolation level read uncommitted", "begin uncommitted"},
        Case{"begin isolation level repeatable read", "begin repeatable"},
        Case{"begin isolation level chaos", "begin malformed"},
        Case{"begin read only, read write", "begin write"}, Case{"commit", "commit"},
        Case{"end", "commit"}, Case{"commit work", "commit"}, Case{"end transaction", "commit"},
        Case{"commit and chain", "commit chain"}, Case{"commit and no chain", "commit"},
        Case{"end work and chain", "commit chain"}, Case{"commit and", "commit chain malformed"},
        Case{"commit x", "commit malformed"}, Case{"rollback", "rollback"},
        Case{"abort", "rollback"}, Case{"abort work and chain", "rollback chain"},
        Case{"rollback transaction and no chain", "rollback"},
        Case{"rollback to a", "rollback_to a"},
        Case{"rollback to savepoint \"A b\"", "rollback_to A b"},
        Case{"rollback work to savepoint a", "rollback_to a"},
        Case{"rollback to savepoint", "rollback_to savepoint"},
        Case{"abort to a", "rollback malformed"}, Case{"savepoint ABC", "savepoint abc"},
        Case{"savepoint", "savepoint malformed"}, Case{"savepoint 'a'", "savepoint malformed"},
        Case{"release a", "release a"}, Case{"release savepoint a", "release a"},
        Case{"release savepoint", "release savepoint"},
        Case{"prepare transaction 'x y'", "prepare_transaction x y"},
        Case{"commit prepared 'x'", "commit_prepared x"},
        Case{"rollback prepared E'\\x41'", "rollback_prepared A"},
        Case{"begin; set local a to b; commit", "begin; set a = <b> local; commit"}));

INSTANTIATE_TEST_SUITE_P(
    Statements, Read,
    testing::Values(
        Case{"prepare p as select 1", "prepare p { select 1}"},
        Case{"prepare \"P\" (int, numeric(10,2)) as select $1",
             "prepare P (int, numeric(10,2)) { select $1}"},
        Case{"prepare transaction as select 1", "prepare transaction { select 1}"},
        Case{"prepare transaction (int) as select 1", "prepare transaction (int) { select 1}"},
        Case{"prepare p (int", "prepare p malformed"}, Case{"prepare p", "prepare p malformed"},
        Case{"prepare p as select 1; execute p", "prepare p { select 1}; execute p"},
        Case{"execute p", "execute p"}, Case{"execute p (1, 'a)')", "execute p (1, 'a)')"},
        Case{"execute U&\"\\0070q\"(f(1))", "execute pq (f(1))"},
        Case{"execute U&\"!0070q\" uescape '!' (1)", "execute pq (1)"},
        Case{"explain execute p", "explain p {execute p}"},
        Case{"explain analyze execute \"P\" (1)", "explain_analyze P (1) {execute \"p\" (1)}"},
        Case{"create table t as execute p (1) with no data", "ddl p (1)"},
        Case{"explain create temp table s.t as execute p",
             "explain p {create temp table s.t as execute p}"},
        Case{"grant execute on function f to u", "ddl"}, Case{"execute p 1", "execute p malformed"},
        Case{"deallocate p", "deallocate p"}, Case{"deallocate prepare p", "deallocate p"},
        Case{"deallocate prepare", "deallocate prepare"}, Case{"deallocate all", "deallocate_all"},
        Case{"deallocate prepare all", "deallocate_all"},
        Case{"deallocate \"all\"", "deallocate all"}, Case{"deallocate", "deallocate malformed"}));

INSTANTIATE_TEST_SUITE_P(
    Cursors, Read,
    testing::Values(Case{"declare c cursor for select 1", "declare c { select 1}"},
                    Case{"declare c binary insensitive no scroll cursor with hold for select 1",
                         "declare c hold { select 1}"},
                    Case{"declare c asensitive scroll cursor without hold for select 1",
                         "declare c { select 1}"},
                    Case{"declare c", "declare c malformed"}, Case{"fetch c", "fetch c"},
                    Case{"fetch all in c", "fetch c"},
                    Case{"fetch backward 3 from \"C\"", "fetch C"}, Case{"fetch -1 c", "fetch c"},
                    Case{"fetch", "fetch malformed"}, Case{"move forward all in c", "move c"},
                    Case{"close c", "close c"}, Case{"close all", "close_all"},
                    Case{"close \"all\"", "close all"}));

INSTANTIATE_TEST_SUITE_P(
    Session, Read,
    testing::Values(Case{"listen a", "listen a"}, Case{"listen \"A\"\"b\"", "listen A\"b"},
                    Case{"listen 'a'", "listen malformed"}, Case{"unlisten a", "unlisten a"},
                    Case{"unlisten *", "unlisten_all"}, Case{"notify a", "notify a"},
                    Case{"notify a, 'it''s'", "notify a = <it's>"},
                    Case{"notify a,", "notify a = ? malformed"}, Case{"discard all", "discard_all"},
                    Case{"discard plans", "discard_plans"},
                    Case{"discard sequences", "discard_sequences"},
                    Case{"discard temp", "discard_temp"}, Case{"discard temporary", "discard_temp"},
                    Case{"discard", "other"}, Case{"load 'x'", "load"},
                    Case{"checkpoint", "checkpoint"}, Case{"do $$begin; end$$", "do"},
                    Case{"call p(1)", "call"}, Case{"lock table t in share mode", "lock"},
                    Case{"set constraints all deferred", "set_constraints"}));

INSTANTIATE_TEST_SUITE_P(
    Copies, Read,
    testing::Values(Case{"copy t from stdin", "copy_in"}, Case{"copy t to stdout", "copy_out"},
                    Case{"copy \"s\".t (a, b) from stdin with (format csv)", "copy_in"},
                    Case{"copy binary t from stdin", "copy_in"},
                    Case{"copy t from stdout", "copy_in"}, Case{"copy t to stdin", "copy_out"},
                    Case{"copy (select 1 from t) to stdout", "copy_out"},
                    Case{"copy (select ')' from t) to '/x'", "copy_server"},
                    Case{"copy t from program 'x'", "copy_server"},
                    Case{"copy t from '/x'", "copy_server"}, Case{"copy t", "other"},
                    Case{"copy (select 1", "other"}));

INSTANTIATE_TEST_SUITE_P(
    Explained, Read,
    testing::Values(Case{"explain select 1", "explain {select 1}"},
                    Case{"explain analyze select 1", "explain_analyze {select 1}"},
                    Case{"explain analyse verbose select 1", "explain_analyze {select 1}"},
                    Case{"explain verbose select 1", "explain {select 1}"},
                    Case{"explain (costs off) select 1", "explain {select 1}"},
                    Case{"explain (costs off, analyze) select 1", "explain_analyze {select 1}"},
                    Case{"explain (analyze true, format json) delete from t",
                         "explain_analyze {delete from t}"},
                    Case{"explain (analyze off) select 1", "explain {select 1}"},
                    Case{"explain (analyze 0, buffers) select 1", "explain {select 1}"},
                    Case{"explain (select 1)", "explain {(select 1)}"},
                    Case{"explain (analyze", "explain_analyze {(analyze} malformed"}));

INSTANTIATE_TEST_SUITE_P(
    Definitions, Read,
    testing::Values(
        Case{"create table t (a int)", "ddl"}, Case{"create temp table t (a int)", "create_temp"},
        Case{"create local temporary table t (a int)", "create_temp"},
        Case{"create or replace temp view v as select 1", "create_temp"},
        Case{"create global temp sequence s", "create_temp"}, Case{"drop table t", "ddl"},
        Case{"create index on t (a)", "ddl"},
        Case{"create unique index concurrently i on t (a)", "vacuum_like"},
        Case{"create index concurrently on t (a)", "vacuum_like"},
        Case{"drop index concurrently i", "vacuum_like"}, Case{"drop index i", "ddl"},
        Case{"create database d", "vacuum_like"}, Case{"drop database d", "vacuum_like"},
        Case{"alter database d set a = 1", "alter_role_or_database"},
        Case{"alter database d set tablespace s", "vacuum_like"},
        Case{"alter role r set a = 1", "alter_role_or_database"},
        Case{"alter user u set a = 1", "alter_role_or_database"},
        Case{"alter user mapping for u server s options (a 'b')", "ddl"},
        Case{"alter system set a = 1", "vacuum_like"},
        Case{"alter table t add column a int", "ddl"},
        Case{"alter table t detach partition p concurrently", "vacuum_like"},
        Case{"create tablespace s location '/x'", "vacuum_like"},
        Case{"create subscription s connection '' publication p", "vacuum_like"},
        Case{"vacuum", "vacuum_like"}, Case{"vacuum (full) t", "vacuum_like"},
        Case{"reindex table t", "vacuum_like"}, Case{"cluster", "vacuum_like"},
        Case{"analyze t", "ddl"}, Case{"grant select on t to u", "ddl"}, Case{"truncate t", "ddl"},
        Case{"comment on table t is 'x'", "ddl"}, Case{"refresh materialized view v", "ddl"}));

INSTANTIATE_TEST_SUITE_P(
    Cuts, Read,
    testing::Values(
        Case{"create function f() returns int begin atomic select 1; select 2; end; select 3",
             "ddl; select"},
        Case{"create or replace procedure p(begin int) begin atomic insert into t values "
             "(case when true then 1 end); end; select 3",
             "ddl; select"},
        Case{"create function f() returns int begin atomic select case when a then b else c end, "
             "t.end, 1 as case from t; end; select 3",
             "ddl; select"},
        // Labels without AS, too.
        Case{"create function f() returns int begin atomic select 1 case; select a end from t; "
             "end; select 3",
             "ddl; select"},
        Case{"create function f() returns int begin atomic end; select 3", "ddl; select"},
        Case{"create function f() returns int return 1; select 3", "ddl; select"},
        Case{"create function f() returns int as 'begin atomic' language sql; select 3",
             "ddl; select"},
        Case{"create table begin_atomic (a int); begin; end", "ddl; begin; commit"},
        Case{"create rule r as on insert to t do also (delete from s; delete from u); select 3",
             "ddl; select"},
        Case{"select (1; select 2", "select"}, Case{"select 1); select 2", "select; select"},
        Case{"create function f() returns int begin atomic select 1; set a = 1", "ddl"}));

constexpr Syntax kSjis{.encoding = Encoding::sjis};
INSTANTIATE_TEST_SUITE_P(
    Encodings, Read,
    testing::Values(
        // Second bytes that look like a backslash, a letter and a quote's neighbour.
        Case{"set a = E'\x83\x5c'; listen b", "set a = <\x83\x5c>; listen b", kSjis},
        Case{"listen \x83\x41", "listen \x83\x41", kSjis},
        Case{"set a = '\x83\x5c'; listen b",
             "set a = <\x83\x5c>; listen b",
             {.encoding = Encoding::sjis, .standard_conforming_strings = false}},
        Case{"set a = '\x81\x30\x81\x30\x5c''; listen b'",
             "set a = <\x81\x30\x81\x30\x5c'; listen b>",
             {.encoding = Encoding::gb18030}},
        Case{"set a = '\\'; listen b'",
             "set a = <'; listen b>",
             {.standard_conforming_strings = false}},
        Case{"savepoint ÄB", "savepoint Äb"}));

}  // namespace
}  // namespace trunkline::sql
