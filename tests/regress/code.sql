-- DO, functions, procedures, triggers, sequences, notices.
do $$ begin raise notice 'said by %', 'DO'; end $$;
create table logged (id serial primary key, what text);
create function log_it() returns trigger language plpgsql as $$
begin
  raise notice '% of %', tg_op, new.what;
  insert into logged_log (what) values (new.what || '!');
  return new;
end $$;
create table logged_log (n serial, what text);
create trigger log_it before insert on logged for each row execute function log_it();
begin;
insert into logged (what) values ('a'), ('b') returning id;
select lastval(), currval('logged_id_seq'), currval('logged_log_n_seq');
commit;
select * from logged_log order by n;
insert into logged (what) values ('c');
select currval('logged_id_seq');
select nextval('logged_id_seq'), setval('logged_id_seq', 40), nextval('logged_id_seq');
create procedure commits(n int) language plpgsql as $$
begin
  for i in 1..n loop
    insert into logged (what) values ('by procedure ' || i);
    if i % 2 = 0 then commit; else rollback; end if;
  end loop;
end $$;
call commits(4);
select what from logged order by id;
begin;
call commits(2);
rollback;
create function fails() returns int language plpgsql as $$
begin
  return 1 / 0;
exception when division_by_zero then
  raise warning 'caught %', sqlerrm;
  return -1;
end $$;
select fails();
do $$ declare r record; begin for r in execute 'select 42 as x' loop raise notice 'x = %', r.x; end loop; end $$;
do $$ begin raise exception 'mine' using errcode = 'P9999', hint = 'a hint', detail = 'a detail'; end $$;
do $$ begin create temp table from_do as select 1 as a; end $$;
select * from from_do;
drop table from_do;
create function sets() returns text language plpgsql set work_mem = '3MB' as $$
begin return current_setting('work_mem'); end $$;
select sets(), current_setting('work_mem');
select pg_advisory_lock(4711), pg_try_advisory_lock(4711);
select count(*) from pg_locks where locktype = 'advisory' and objid = 4711;
select pg_advisory_unlock(4711), pg_advisory_unlock(4711), pg_advisory_unlock(4711);
select 1; select 2; select 1 / 0; select 3;
drop table logged, logged_log;
drop function log_it, fails, sets;
drop procedure commits;
