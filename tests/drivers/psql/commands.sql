\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
select 'ok connect';
select 'ok simple' where 'äöü' = 'äöü';
prepare p as select $1::int + 1 as n;
execute p(41) \gset
select 'ok prepared' where :n = 42;
begin;
create temp table t (a int, b text);
savepoint s;
insert into t values (0, 'gone');
rollback to s;
commit;
select 'ok transaction' where not exists (select from t);
\copy t from pstdin
1	one
2	two
\.
\copy (select b from t order by a) to '/dev/null'
select 'ok copy' where (select count(*) from t) = 2;
listen psql_channel;
notify psql_channel, 'hello';
\echo ok listen
