-- COPY both ways, also wrong.
create table copied (a int primary key, b text);
copy copied from stdin;
1	one
2	two
3	\N
\.
copy copied to stdout;
copy (select a, upper(b) from copied order by a desc) to stdout with (format csv, header);
copy copied from stdin with (format csv);
4,"four, quoted"
5,""
\.
select * from copied order by a;
copy copied from stdin;
6	six
x	not a number
\.
select count(*) from copied;
copy copied from stdin;
1	taken
\.
begin;
copy copied from stdin;
7	seven
\.
rollback;
select count(*) from copied;
begin;
copy copied from stdin;
8	too	many
\.
select 'failed';
rollback;
copy nowhere from stdin;
copy copied (b) to stdout;
copy copied to '/tmp/not/allowed';
drop table copied;
