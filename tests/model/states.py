"""Statements about what a session has beside its settings: listens, temporary objects, cursors,
locks, sequences, random numbers; and what functions change in it unseen. Rules as in texts.py.
"""

from model.grammar import Draw, text


@text("listen", 4)
def listen(d: Draw) -> str:
    return d.of(*[f"listen ch{d.n}"] * 3, f"listen other{d.n}", f"unlisten ch{d.n}", "unlisten *")


@text("listen", 5)
def notify(d: Draw) -> str:
    return d.of(f"notify ch{d.n}", f"notify ch{d.n}, 'n{d.number(3)}'",
                f"select pg_notify('{d.of('ch', 'other')}{d.n}', 'p{d.number(3)}')")


@text("temp", 2)
def make_temporary(d: Draw) -> str:
    d.make("temporary", "any")
    return "create temp " + d.of(
        "table tmp1 (a int)", "table tmp1 as select g as a from generate_series(1, 3) g",
        "table tmp2 (a int primary key) on commit drop", "table tmp2 (a int) on commit delete rows",
        "view tv as select 11 as x", "sequence ts", f"table t{d.n} (k int, v text)") \
        if d.maybe(0.8) else d.of(
            "create function pg_temp.f() returns int language sql as 'select 7'",
            "create type pg_temp.mood as enum ('sad', 'ok')",
            "select 21 as a into temp tmp1", "create table pg_temp.tmp1 (a int)")


@text("temp", 4)
def use_temporary(d: Draw) -> str:
    if not d.known("temporary", "any"):
        d.make("temporary", "any")
        return "create temp table tmp1 as select g as a from generate_series(1, 3) g"
    return d.of("insert into tmp1 values (5)", "select a from tmp1 order by a", "table tmp2",
                "select a from tmp1 order by a", "insert into tmp2 values (1)", "select x from tv",
                "select nextval('ts')",
                "drop table tmp1", "drop table if exists tmp2", "truncate tmp1", "drop view tv")


@text("temp_exact", 3)
def name_temporary_schema(d: Draw) -> str:
    """PostgreSQL tells whether the session ever had a temporary object."""
    return d.of("select pg_temp.f()", "select 'ok'::pg_temp.mood")


@text("discard", 1)
def discard(d: Draw) -> str:
    return "discard " + d.of("all", "all", "plans", "sequences", "temp")


@text("cursor", 2)
def declare(d: Draw) -> str:
    if d.idle and d.maybe(0.8):
        return "begin"
    return f"declare {d.make('cursor', 'c1', 'c2')} " + d.of(
        "cursor for select g from generate_series(1, 9) g",
        f"scroll cursor for select k, v from t{d.n} order by k", "no scroll cursor for table who")


@text("cursor", 4)
def fetch(d: Draw) -> str:
    name = d.known("cursor", "c1", "c2")
    if not name:
        return declare(d)
    return d.of(f"fetch 2 from {name}", f"fetch all from {name}", f"move 1 in {name}",
                f"fetch backward 1 from {name}", f"close {name}", "close all")


@text("hold", 2)
def declare_held(d: Draw) -> str:
    d.make("held", "any")
    return d.of("declare h1 cursor with hold for select g from generate_series(1, 9) g",
                f"declare h1 scroll cursor with hold for select k from t{d.n} order by k",
                f"declare h2 binary cursor with hold for select {d.number()}")


@text("hold", 4)
def fetch_held(d: Draw) -> str:
    if not d.known("held", "any"):
        return declare_held(d)
    return d.of("fetch 2 from h1", "fetch 1 from h1", "fetch all from h2", "move 1 in h1",
                "close h1", "close h2", "close all")


COUNT_LOCKS = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"


@text("lock", 6)
def lock(d: Draw) -> str:
    return d.of(f"select pg_try_advisory_lock({d.n})", f"select pg_try_advisory_lock({d.n}, 1)",
                f"select pg_advisory_lock_shared({d.n})", f"select pg_advisory_lock({d.n})",
                f"select pg_advisory_unlock({d.n})", f"select pg_advisory_unlock({d.n}, 1)",
                "select pg_advisory_unlock_all()", COUNT_LOCKS, COUNT_LOCKS)


@text("xactlock", 4)
def transaction_lock(d: Draw) -> str:
    return d.of(f"select pg_try_advisory_xact_lock(10{d.n})", COUNT_LOCKS,
                f"select pg_advisory_xact_lock_shared(10{d.n})",
                f"select pg_advisory_xact_lock(10{d.n})", f"select pg_advisory_unlock(10{d.n})")


@text("sequence", 5)
def sequence(d: Draw) -> str:
    return d.of(f"select nextval('s{d.n}')", f"select nextval('s{d.n}')", "select lastval()",
                f"select currval('s{d.n}')", f"select setval('s{d.n}', {d.number()} + 1)")


@text("random", 4)
def random_number(d: Draw) -> str:
    return d.of("select random()", "select floor(random() * 100) from generate_series(1, 3)") \
        if d.seeded else "select 'not seeded'"


@text("opaque", 6)
def opaque(d: Draw) -> str:
    inner = d.of("perform set_config('application_name', 'from do', false)",
                 f"execute 'listen ch{d.n}'", f"execute 'notify ch{d.n}'",
                 "execute 'create temp table tmp1 as select 3 as a'", "execute 'set timezone = 5'",
                 f"perform pg_advisory_lock({d.n})", f"perform nextval('s{d.n}')",
                 "execute 'prepare p1 as select 33 as from_do'", "execute 'set role model_a'",
                 "perform set_config('search_path', 'sb', true)")
    return d.of(f"do $$ begin {inner}; end $$", f"do $$ begin {inner}; end $$",
                f"select opaque_set('{d.of('TimeZone', 'DateStyle')}', '{d.of('German', 'UTC')}')",
                "select opaque_path()", "insert into hooked values (1)",
                "select * from opaque_view", f"call opaque_commit('t{d.n}', {d.key()})",
                "do $$ begin begin perform set_config('TimeZone', 'UTC', false); "
                "raise exception 'x'; exception when others then null; end; end $$")


@text("opaque", 6)
def after_opaque(d: Draw) -> str:
    return d.of("show timezone", "show application_name", "select lastval()", "execute p1",
                "select a from tmp1", COUNT_LOCKS, f"notify ch{d.n}", "select current_user",
                "select name from who", "show datestyle", f"select pg_advisory_unlock({d.n})")


@text("ddl", 3)
def alter(d: Draw) -> str:
    return d.of(f"alter table d{d.n} add column c{d.of(1, 2)} int default 4",
                f"alter table d{d.n} drop column if exists c{d.of(1, 2)}",
                f"alter table d{d.n} alter column a type {d.of('int', 'bigint', 'text')}",
                f"select * from d{d.n} order by a", f"insert into d{d.n} default values")


@text("views", 2)
def views(d: Draw) -> str:
    return d.of("select name, statement, from_sql from pg_prepared_statements order by 1",
                "select name, is_holdable from pg_cursors where name <> '' order by 1",
                "select pg_listening_channels() order by 1")
