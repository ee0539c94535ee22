"""How statements are sent: simple, extended, in pipelines, prepared; and COPY, which is both."""

from typing import List, Tuple

from model.grammar import Draw, steps
from model.steps import Operation, Step, step

SYNC: Operation = ("S",)
NAMES = ("s1", "s2", "p1")


def results(d: Draw) -> Tuple[int, ...]:
    """Result formats: text mostly, binary sometimes."""
    return (1,) if d.maybe(0.15) else ()


def run_unnamed(d: Draw, sql: str, portal: str = "", rows: int = 0) -> List[Operation]:
    """Parse, Bind, perhaps Describe, Execute."""
    found: List[Operation] = [("P", "", sql), ("B", portal, "", (), (), results(d))]
    if d.maybe(0.7):
        found.append(("D", "P", portal))
    return found + [("E", portal, rows)]


def parameterised(d: Draw) -> Tuple[str, Tuple[object, ...]]:
    """A text for Parse and values for one Bind; both by themselves may be wrong."""
    found = [(f"select k, v from t{d.n} where k = $1", (str(d.key()),)),
             (f"select k, v from t{d.n} order by k", ()),
             ("select $1::int + $2::int", (str(d.number()), d.of("1", "x", None))),
             ("select name from who", ()), ("show timezone", ()),
             (f"update t{d.n} set v = $2 where k = $1 returning k", (str(d.key()), "b")),
             (f"select {d.number()} as mine", ()), ("select 1 / $1::int", (d.of("0", "1"),)),
             ("select nosuch", ())]
    if "ddl" in d.features:
        found.append((f"select * from d{d.n} order by a", ()))
    if "settings" in d.features:
        found += [("select date '01/02/2003' as day", ())] * 2
    return d.of(*found)


# -- Envelopes of statements ----------------------------------------------------------------------

@steps("base", 12)
def simple(d: Draw) -> List[Step]:
    sql, feature = d.statement()
    d.note_simple(sql)
    return [step(("Q", sql), feature=feature)]


@steps("multi", 3)
def several(d: Draw) -> List[Step]:
    found = [d.statement() for _ in range(d.of(2, 2, 3))]
    text = "; ".join(sql for sql, _ in found) + d.of("", ";", "; ")
    d.note(text)
    return [step(("Q", text), feature=found[-1][1])]


@steps("extended", 5)
def extended(d: Draw) -> List[Step]:
    sql, feature = d.statement()
    d.note(sql)
    return [step(*run_unnamed(d, sql), SYNC, feature=feature)]


@steps("pipeline", 4)
def pipeline(d: Draw) -> List[Step]:
    """Up to four batches in one write, some with several statements, some empty."""
    operations: List[Operation] = []
    for _ in range(d.of(2, 3, 4)):
        for _ in range(d.of(0, 1, 1, 2)):
            sql, _ = d.statement()
            d.note(sql)
            operations += run_unnamed(d, sql)
        operations.append(SYNC)
        if d.maybe(0.2):
            sql, _ = d.statement()
            d.note(sql)
            operations.append(("Q", sql))
    return [step(*operations, feature="pipeline")]


@steps("pipeline", 0.1)
def long_pipeline(d: Draw) -> List[Step]:
    """More than a socket buffer holds, each way."""
    text = f"select v, repeat('y', 300) from t{d.n} order by k"
    batch = (("P", "", text + " -- " + "z" * 300), ("B", "", ""), ("E", "", 0), SYNC)
    return [step(*batch * d.of(100, 300), feature="pipeline")]


# -- Statements that outlive their Sync -----------------------------------------------------------

@steps("unnamed", 3)
def parse_unnamed(d: Draw) -> List[Step]:
    text, values = parameterised(d)
    later = step(("B", "", "", values, (), results(d)), ("D", "P", ""), ("E", "", 0), SYNC,
                 feature="unnamed")
    first = step(("P", "", text), *([("D", "S", "")] if d.maybe(0.5) else []), SYNC,
                 feature="unnamed")
    return [first] + [later] * d.of(1, 2)


@steps("unnamed", 1)
def describe_unnamed(d: Draw) -> List[Step]:
    return [step(("D", "S", ""), SYNC, ("B", "", ""), ("E", "", 0), SYNC, feature="unnamed")]


@steps("prepared", 3)
def parse_named(d: Draw) -> List[Step]:
    name = d.make("statement", *NAMES)
    any_text = d.statement()[0] if d.maybe(0.3) else ""
    # SQL's EXECUTE of an EXECUTE of itself ends with the server's stack.
    if any_text.startswith(("prepare", "execute", "deallocate")):
        any_text = ""
    text, d.arguments[name] = (any_text, ()) if any_text else parameterised(d)
    d.note(text)
    before = [("C", "S", name)] if d.maybe(0.6) else []
    after = [("D", "S", name)] if d.maybe(0.4) else []
    return [step(*before, ("P", name, text), *after, SYNC, feature="prepared")]


@steps("prepared", 5)
def use_named(d: Draw) -> List[Step]:
    name = d.known("statement", *NAMES)
    if not name:
        return parse_named(d)
    fitting = d.arguments.get(name, ())
    values = fitting if isinstance(fitting, tuple) and d.maybe(0.85) else parameterised(d)[1]
    d.idle = False  # it may be a BEGIN
    found: List[Operation] = []
    for _ in range(d.of(1, 1, 2)):
        found += [("B", "", name, values, (), results(d)), ("D", "P", ""), ("E", "", 0)]
        if d.maybe(0.3):
            found.append(SYNC)
    return [step(*found, SYNC, feature="prepared")]


@steps("prepared", 1)
def close_named(d: Draw) -> List[Step]:
    return [step(d.of(("C", "S", d.of(*NAMES)), ("D", "S", d.of(*NAMES))), SYNC,
                 feature="prepared")]


@steps("sqlprepare", 1)
def bind_sql_prepared(d: Draw) -> List[Step]:
    """SQL's PREPARE and the protocol's Parse share their names."""
    name = d.known("statement", "p1", "p2", "s1") or "p1"
    return [step(("B", "", name), ("D", "P", ""), ("E", "", 0), SYNC,
                 feature="sqlprepare")]


# -- Portals --------------------------------------------------------------------------------------

@steps("portal", 3)
def suspend(d: Draw) -> List[Step]:
    """Rows in parts: each part is a write of its own, before the Sync."""
    portal = d.of("", "pt")
    rows = d.of("select g from generate_series(1, 7) g", f"select k, v from t{d.n} order by k",
                "select 6 / (4 - g) from generate_series(1, 6) g", d.statement()[0])
    d.note(rows)
    first = step(*run_unnamed(d, rows, portal, 2), ("H",), feature="portal", until="sCI")
    more = step(("E", portal, 2), ("H",), feature="portal", until="sCI", joins=True)
    last = step(("E", portal, 0), SYNC, feature="portal", joins=True)
    return [first, *[more] * d.of(0, 1, 2), *[last] * d.of(0, 1, 1)]


@steps("portal", 1)
def keep_portal(d: Draw) -> List[Step]:
    """A named portal lives until the transaction ends, over several Syncs."""
    d.idle = False
    rows = "select g from generate_series(1, 5) g"
    more = step(("E", "kept", 2), SYNC, feature="portal")
    found = [step(("Q", "begin"), feature="portal"),
             step(("P", "", rows), ("B", "kept", ""), ("E", "kept", 1), SYNC, feature="portal"),
             more, step(("Q", "fetch 1 from kept"), feature="portal"), more,
             step(d.of(("Q", "commit"), ("Q", "close kept")), feature="portal"), more]
    return found


# -- COPY, FunctionCall, setseed ------------------------------------------------------------------

def copy_rows(d: Draw) -> List[Operation]:
    """CopyData and its end: complete, broken, a duplicate, a row in two messages, CopyFail."""
    k = d.key()
    return d.of([("d", f"{k + 20}\tcopied\n"), ("c",)],
                [("d", f"{k + 20}\ta\n{k + 30}\tb\n"), ("d", f"{k + 40}\t\\N\n"), ("c",)],
                [("d", f"{k + 20}\tha"), ("d", "lf\n"), ("c",)],
                [("d", "x\tnot a number\n"), ("d", "50\tlate\n"), ("c",)],
                [("d", f"{k}\tdup\n{k}\tdup\n"), ("c",)],
                [("d", f"{k + 20}\tfailed\n"), ("f", "no more")], [("c",)])


@steps("copy", 2)
def copy_in(d: Draw) -> List[Step]:
    sql = d.of(f"copy t{d.n} from stdin", f"copy t{d.n} (k, v) from stdin",
               "copy nosuch from stdin", f"copy t{d.n} from stdin with (format csv)")
    data = copy_rows(d)
    if d.maybe(0.6):
        return [step(("Q", sql), *data, feature="copy")]
    # Nobody may bind it later, without data: it would wait for them for ever.
    return [step(("P", "", sql), ("B", "", ""), ("E", "", 0), *data, SYNC, ("P", "", ""), SYNC,
                 feature="copy")]


@steps("call", 2)
def function_call(d: Draw) -> List[Step]:
    """int4pl, int4div, and one that is not there."""
    one, two = f"{d.number():08x}", f"{d.number(1):08x}"
    return [step(d.of(("F", 177, one, two), ("F", 154, one, two), ("F", 99999)), feature="call")]


@steps("cancel", 2)
def cancel(d: Draw) -> List[Step]:
    """A query that does not end before it is cancelled; its first row shows that it has begun."""
    first = f"select repeat('{d.n}', 20000)"  # more than the server keeps back
    return [step(("Q", f"{first}; select pg_sleep(30)"), feature="cancel", cancel=True)]


@steps("cancel", 2)
def nap(d: Draw) -> List[Step]:
    """A query that takes long enough to be hit by somebody else's cancel."""
    return [step(("Q", f"select {d.number()} as mine, pg_sleep(0.01)"), feature="cancel")]


@steps("random", 4)
def seed(d: Draw) -> List[Step]:
    """Only where it must succeed: what random() tells without it is anybody's guess."""
    before = [] if d.idle else [step(("Q", "rollback"), feature="random")]
    d.idle = d.seeded = True
    return before + [step(("Q", f"select setseed(0.{d.number()})"), feature="random")]
