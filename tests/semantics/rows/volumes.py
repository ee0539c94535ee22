"""Rows U and V: very long queries and rows, thousands of batches, much data both ways at once."""

from lib import pgwire
from semantics.case import case
from semantics.client import batch
from semantics.stage import Stage

MIB = 1 << 20
GROWTH_BYTES = 24 * MIB  # of the proxy's memory, whatever the length of a message
SIZES = ((1, False), (16, False), (64, True))


def _answer_length(stage: Stage, way: str, mib: int) -> None:
    """A query that holds a long string, asked for the string's length."""
    a, b = stage.clients("a", "b")
    text = "x" * (mib * MIB)
    data = {"simple": lambda: pgwire.query(f"SELECT length('{text}')"),
            "extended": lambda: batch(f"SELECT length('{text}')") + pgwire.sync(),
            "a parameter": lambda: batch("SELECT length($1::text)", [text]) + pgwire.sync()}[way]()

    def play() -> None:
        said = a.pump(data, f"{mib} MiB, {way}")
        stage.equal(said.value, str(mib * MIB), "the length")

    stage.bounded(play, GROWTH_BYTES)
    stage.equal(b.simple("SELECT 'served'").value, "served", "b")


for _way in ("simple", "extended", "a parameter"):
    for _mib, _heavy in SIZES:
        case("U", f"a query of {_mib} MiB, {_way}", heavy=_heavy, timeout=90 if _heavy else 0)(
            lambda stage, way=_way, mib=_mib: _answer_length(stage, way, mib))


def _long_row(stage: Stage, extended: bool, mib: int) -> None:
    a, b = stage.clients("a", "b")
    sql = f"SELECT repeat('x', {mib * MIB})"

    def play() -> None:
        a.send(batch(sql) + pgwire.sync() if extended else pgwire.query(sql), note=sql)
        stage.equal(a.long_row(5 + mib / 10), mib * MIB, "the value's length")
        a.ready()

    stage.bounded(play, GROWTH_BYTES)
    stage.equal(b.simple("SELECT 'served'").value, "served", "b")


for _extended in (False, True):
    for _mib, _heavy in ((1, False), (16, False), (500, True)):
        _kind = "extended" if _extended else "simple"
        case("U", f"a row of {_mib} MiB, {_kind}", heavy=_heavy, timeout=180 if _heavy else 0)(
            lambda stage, extended=_extended, mib=_mib: _long_row(stage, extended, mib))


BATCHES = 2000
PIPELINES = {
    "batches, each with its Sync": (
        lambda n: batch(f"SELECT {n}") + pgwire.sync(), BATCHES),
    "batches of two statements": (
        lambda n: batch(f"SELECT {n}") + batch("SELECT 1") + pgwire.sync(), BATCHES),
    "named statements": (
        lambda n: batch(f"SELECT {n}", statement=f"s{n}") + pgwire.sync(), BATCHES),
    "simple queries": (lambda n: pgwire.query(f"SELECT {n}"), BATCHES),
    "batches that fail": (
        lambda n: batch(f"SELECT {n} / {n % 2}") + pgwire.sync(), BATCHES),
    "whole blocks": (
        lambda n: batch("BEGIN") + batch(f"SELECT {n}") + batch("COMMIT") + pgwire.sync(),
        BATCHES),
    "executions of one statement": (
        lambda n: (pgwire.parse("s", "SELECT $1::int") if n == 0 else b"") +
        pgwire.bind("", "s", [str(n)]) + pgwire.execute() + pgwire.sync(), BATCHES),
    "64 KiB there and back": (
        lambda n: batch("SELECT $1::text", [chr(97 + n % 26) * 65000]) + pgwire.sync(), 200),
    "1 MiB there and back": (
        lambda n: batch("SELECT $1::text", [chr(97 + n % 26) * MIB]) + pgwire.sync(), 16),
}
for _name, (_one, _count) in PIPELINES.items():
    @case("V", f"{_count} {_name}, in one write")
    def _all_answered(stage: Stage, one=_one, count=_count, name=_name) -> None:
        a, b = stage.clients("a", "b")
        a.pump(b"".join(one(n) for n in range(count)), f"{count} {name}", count)
        stage.must(a.silent(0.01), "a is told no more")
        stage.equal(b.simple("SELECT 'served'").value, "served", "b")


@case("V", "2000 batches in one Sync")
def _one_sync(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    said = a.pump(b"".join(batch(f"SELECT {n}") for n in range(BATCHES)) + pgwire.sync(),
                  "2000 batches")
    stage.equal(len(said.rows()), BATCHES, "rows")
    stage.equal(b.simple("SELECT 'served'").value, "served", "b")


@case("V", "a client that reads late, another that works meanwhile", pool=2)
def _late_reader(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.send(pgwire.query("SELECT repeat('x', 1000) FROM generate_series(1, 20000)"), note="20 MB")
    for _ in range(20):
        stage.equal(b.simple("SELECT 'served'").value, "served", "b")
    stage.equal(len(a.ready().rows()), 20000, "a's rows")


@case("V", "COPY IN of 16 MiB, COPY OUT of the same")
def _copy_much(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("BEGIN; CREATE TEMP TABLE scratch (n int, t text) ON COMMIT DROP")
    line = "x" * 1000
    data = b"".join(pgwire.copy_data(f"{n}\t{line}\n") for n in range(16000))
    said = a.pump(pgwire.query("COPY scratch FROM STDIN") + data + pgwire.copy_done(), "COPY IN")
    stage.equal(said.tags, ["COPY 16000"], "COPY IN")
    said = a.simple("COPY scratch TO STDOUT")
    stage.equal(sum(each[0] == "d" for each in said), 16000, "COPY OUT")
    a.simple("COMMIT")
    stage.equal(b.simple("SELECT 'served'").value, "served", "b")
