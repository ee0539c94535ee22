"""Statements, one function for each kind; `d.n` names what belongs to this client alone.

Names of what belongs to a session (statements, cursors, temporary tables) are the same for all
clients: whoever sees another's is caught. Every statement has one result when its script runs
alone: rows are ordered, nothing depends on the time, statistics or other clients.
"""

from model.grammar import Draw, text

VALUES = {
    "enable_seqscan": ("on", "off", "'0'", "tru"), "work_mem": ("'1MB'", "2048", "'64kB'"),
    "search_path": ("sa", "sb, public", "'sa'", '"$user", public', "nosuch", "''"),
    "DateStyle": ("'ISO, DMY'", "German", "'SQL, MDY'", "dmy"),
    "TimeZone": ("'UTC'", "'Europe/Berlin'", "'America/New_York'", "3", "'+03:30'"),
    "IntervalStyle": ("postgres", "iso_8601", "sql_standard"),
    "extra_float_digits": ("0", "3", "-3"), "bytea_output": ("hex", "escape"),
    "application_name": ("'a1'", "'a2'", "'it''s'", "''"),
    "client_min_messages": ("warning", "notice", "error"),
    "statement_timeout": ("'60s'", "61000", "0"), "lock_timeout": ("'50s'", "0"),
    "standard_conforming_strings": ("on", "off"),
    "default_transaction_isolation": ("serializable", "'repeatable read'", "'read committed'"),
    "default_transaction_read_only": ("on", "off"), "array_nulls": ("on", "off"),
    "row_security": ("on", "off"), "plan_cache_mode": ("auto", "force_generic_plan"),
    "idle_in_transaction_session_timeout": ("'100s'", "0"), "xmloption": ("content", "document"),
}
REFUSED = ("enable_seqscan = maybe", "nosuch_setting = 1", "work_mem = -1", "port = 1",
           "ignore_system_indexes = on", "log_statement = 'all'", "server_version = '1'",
           "TimeZone = 'Nowhere/Land'", "DateStyle = 'ISO, German, x'", "log_connections = on",
           "client_encoding = 'nosuch'", "session_replication_role = replica")
PROBES = ("select '2024-02-03 04:05:06+00'::timestamptz", "select date '2024-02-03'",
          "select date '01/02/2003'", "select timestamptz '2024-02-03 04:05:06'",
          "select interval '1 day 02:03:04'", "select 0.1::float8 * 3", r"select '\x0102ff'::bytea",
          r"select 'a\\b'", "select name from who", "select '{null}'::text[]",
          "select current_schemas(false)")


def setting(d: Draw) -> str:
    """What decides how statements are read, more often than others."""
    favourite = ("search_path", "DateStyle")[d.focus % 2]
    return favourite if d.maybe(0.25) else d.few(VALUES)


def assignment(d: Draw) -> str:
    name = setting(d)
    return f"{name} {d.of('=', 'to')} {d.of(*VALUES[name])}"


@text("base", 2)
def read(d: Draw) -> str:
    if d.maybe(0.01):
        return "select repeat('0123456789', 20000) from generate_series(1, 10)"
    return d.of(f"select k, v from t{d.n} order by k", f"select v from t{d.n} where k = {d.key()}",
                "select 1 as one", f"table t{d.n} order by 1 limit 2", "values (1, 'a'), (2, null)")


@text("base", 2)
def write(d: Draw) -> str:
    k = d.key()
    return d.of(f"insert into t{d.n} values ({k}, 'i{d.number()}') "
                "on conflict (k) do update set v = excluded.v",
                f"update t{d.n} set v = v || 'x' where k = {k}",
                f"delete from t{d.n} where k = {k} returning v", "")


@text("transaction", 4)
def begin(d: Draw) -> str:
    return d.of("begin", "begin", "begin", "start transaction", "begin read only",
                "begin isolation level repeatable read",
                "start transaction isolation level serializable, read write")


@text("transaction", 2)
def finish(d: Draw) -> str:
    return d.of("commit", "rollback", "commit", "rollback", "commit and chain",
                "rollback and chain")


@text("transaction", 1)
def set_transaction(d: Draw) -> str:
    return d.of("set transaction read only", "set transaction isolation level serializable",
                "show transaction_isolation", "show transaction_read_only")


@text("savepoint", 4)
def savepoint(d: Draw) -> str:
    if d.idle and d.maybe(0.8):
        return "begin"
    if "a" not in d.made.get("savepoint", ()):
        return "savepoint " + d.make("savepoint", "a")
    return d.of("savepoint a", "savepoint b", "rollback to a", "rollback to savepoint b",
                "release a", "release savepoint b")


@text("settings", 4)
def set_session(d: Draw) -> str:
    return "set " + d.of("", "session ") + assignment(d)


@text("settings", 1)
def set_refused(d: Draw) -> str:
    return "set " + d.of(*REFUSED)


@text("settings", 4)
def show(d: Draw) -> str:
    if "startup_any" in d.features and d.maybe(0.1):
        return "show ignore_system_indexes"
    return d.of(f"show {setting(d)}", f"select current_setting('{setting(d)}')")


@text("settings", 4)
def probe(d: Draw) -> str:
    return d.of(*PROBES)


@text("settings", 2)
def reset(d: Draw) -> str:
    return d.of(f"reset {setting(d)}", f"set {setting(d)} to default", "reset all",
                "set time zone 'Asia/Tokyo'", "set time zone local")


@text("local", 4)
def set_local(d: Draw) -> str:
    return f"set local {assignment(d)}"


@text("local", 3)
def show_local(d: Draw) -> str:
    return d.of(show(d), probe(d))


@text("set_config", 4)
def set_config(d: Draw) -> str:
    name = setting(d)
    value = d.of(*VALUES[name])
    value = value if value.startswith("'") else f"'{value}'"
    return f"select set_config('{name}', {value}, {d.of('false', 'true')})"


@text("set_config", 3)
def show_config(d: Draw) -> str:
    return d.of(show(d), probe(d))


@text("custom", 5)
def custom(d: Draw) -> str:
    return d.of("set my.tenant = 't1'", "set my.tenant = 't2'", "set local my.tenant = 't3'",
                "reset my.tenant", "select set_config('my.tenant', 't4', false)", *[
                    "select coalesce(nullif(current_setting('my.tenant', true), ''), 'none')"] * 4)


@text("custom_exact", 3)
def custom_exact(d: Draw) -> str:
    return d.of("show my.tenant", "select current_setting('my.tenant', true) is null")


@text("characteristics", 4)
def characteristics(d: Draw) -> str:
    mode = d.of("read only", "read write", "isolation level serializable",
                "isolation level read committed", "isolation level repeatable read")
    return d.of(f"set session characteristics as transaction {mode}", "show transaction_isolation",
                "show transaction_read_only", "show default_transaction_read_only")


@text("encoding", 3)
def encoding(d: Draw) -> str:
    return d.of("set client_encoding = 'LATIN1'", "set client_encoding to 'UTF8'",
                "set names 'LATIN1'", "reset client_encoding", "show client_encoding",
                "set client_encoding = 'SJIS'", "select 'é', length('é')", "select chr(233)",
                "select 'ソ' as \"é\"", "select chr(8364)")


@text("role", 4)
def role(d: Draw) -> str:
    return d.of("set role model_a", "set role model_b", "set role none", "reset role",
                "set local role model_a", "set role postgres", "set role nosuch", "show role",
                "set session authorization model", "set session authorization default",
                "set session authorization postgres", "reset session authorization")


@text("role", 4)
def whoami(d: Draw) -> str:
    return d.of("select current_user, session_user", f"select count(*) from t{d.n}",
                f"update t{d.n} set v = 'role' where k = {d.key()}")


@text("sqlprepare", 3)
def prepare(d: Draw) -> str:
    if d.maybe(0.05):
        return "prepare p1 as selec"
    name = d.make("statement", "p1", "p2", "s1")
    sql, d.arguments[name] = d.of(
        (f"as select k, v from t{d.n} order by k", ""), ("(int) as select $1 + 1", "(5)"),
        ("as select name from who", ""), ("as show timezone", ""),
        (f"(int, text) as update t{d.n} set v = $2 where k = $1 returning v", "(3, 'e')"),
        (f"as select {d.number()} as mine", ""))
    return f"prepare {name} {sql}"


@text("sqlprepare", 5)
def execute(d: Draw) -> str:
    name = d.known("statement", "p1", "p2", "s1")
    if not name:
        return prepare(d)
    fitting = d.arguments.get(name, "")
    return f"execute {name}" + (fitting if isinstance(fitting, str) and d.maybe(0.85)
                                else d.of("", "(5)", f"({d.key()}, 'e')"))


@text("sqlprepare", 1)
def deallocate(d: Draw) -> str:
    return "deallocate " + d.of("p1", "p2", "s1", "prepare p1", "all")


@text("copy", 2)
def copy_out(d: Draw) -> str:
    return d.of(f"copy (select k, v from t{d.n} order by k) to stdout",
                "copy (select generate_series(1, 3)) to stdout with (format csv, header)",
                "copy (select 1, null) to stdout with (format binary)", "copy nosuch to stdout")


@text("error", 3)
def error(d: Draw) -> str:
    return d.of("selec 1", "select 1 / 0", "select * from nosuch", "select nosuch(1)",
                f"insert into t{d.n} values (1, 'd'), (1, 'd')", "select 'x'::int",
                "do $$ begin raise exception 'oops' using errcode = 'P0042', hint = 'h'; end $$",
                "drop table nosuch", "select * from pg_authid", "select 'open", "select $$open",
                f"create table t{d.n} (a int)", "vacuum nosuch", "select \"open",
                "select 1 /* open", "select g / (g - 3) from generate_series(1, 5) g")


@text("error", 1)
def notice(d: Draw) -> str:
    return d.of("do $$ begin raise notice 'hi %', 1; end $$", "drop table if exists nosuch",
                "do $$ begin raise warning 'careful'; end $$", "commit", "rollback")


@text("error", 0.3)
def timeout(d: Draw) -> str:
    # Not a SELECT: on a busy machine its time may be over before its RowDescription.
    return f"set statement_timeout = 250; insert into t{d.n} select 9, 'late' from pg_sleep(5)"


@text("lexis", 2)
def look_alike(d: Draw) -> str:
    """Statements in quotes, and quotes that end elsewhere when backslashes are plain."""
    return d.of(r"select 'a\'; set timezone to 'Asia/Tokyo'; --'",
                r"select E'a\'; set timezone to 5 --'",
                "select $$; set timezone = 5; $$", "select $a$ $$; commit; $a$",
                'select 1 as "; set timezone = 5"', "select 'begin; commit'",
                "select U&'\\0041', U&\"c\" from (select 1 as c) x", "select 'it''s; discard all'",
                'set "TimeZone" = \'UTC\'', "SET timezone = $$Europe/Paris$$", "show TIMEZONE",
                "set standard_conforming_strings = off", "reset standard_conforming_strings",
                "select 1 --\n; set timezone to 'UTC'", "set timezone to /* 3 */ 'Asia/Tokyo'")


@text("commit_error", 4)
def late_error(d: Draw) -> str:
    """One row more than the deferred key allows: COMMIT fails, whatever else it would have done."""
    if d.idle and d.maybe(0.7):
        return "begin"
    insert = f"insert into late values ({d.n})"
    return d.of(insert, insert, "commit", "commit",
                "set constraints all immediate", "set constraints all deferred",
                "set timezone = 'Asia/Tokyo'", "show timezone", f"notify ch{d.n}",
                f"listen ch{d.n}")
