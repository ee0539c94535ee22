"""Row X: COPY that fails half-way, what comes late, and whether the connection is usable after."""

from lib import pgwire
from semantics.case import case
from semantics.client import Client, batch
from semantics.stage import Stage

COPY = "COPY notes FROM STDIN"
GOOD, BAD = pgwire.copy_data("1\tone\n"), pgwire.copy_data("x\tbad\n")
DUPLICATE = pgwire.copy_data("1\tagain\n")
DONE, FAIL, SYNC = pgwire.copy_done(), pgwire.copy_fail("enough"), pgwire.sync()
QUERY, BATCH = pgwire.query(COPY), batch(COPY)
ROWS = "SELECT id, note FROM notes ORDER BY id"


def _usable(stage: Stage, a: Client, b: Client) -> None:
    """The connection serves both, and no message of the COPY is left in it."""
    stage.must(a.silent(0.01), "a is told no more")
    for client in (b, a):
        stage.equal(client.simple("SELECT 'served'").value, "served", client.name)
    b.simple(ROWS)
    a.extended(ROWS)


# What is written at once, how many ReadyForQuery come, and the errors.
SCRIPTS = {
    "good, simple": (QUERY + GOOD + DONE, 1, []),
    "good, extended": (BATCH + SYNC + GOOD + DONE + SYNC, 1, []),
    "good, extended, with one Sync": (BATCH + GOOD + DONE + SYNC, 1, []),
    "Flush and Sync inside the data are ignored": (
        BATCH + GOOD + SYNC + pgwire.flush() + pgwire.copy_data("2\ttwo\n") + DONE + SYNC, 1, []),
    "no data": (QUERY + DONE, 1, []),
    "CopyFail, simple": (QUERY + GOOD + FAIL, 1, ["57014"]),
    "CopyFail, extended": (BATCH + GOOD + FAIL + SYNC, 1, ["57014"]),
    "a bad row, then CopyDone, simple": (QUERY + GOOD + BAD + DONE, 1, ["22P02"]),
    "a bad row, then CopyDone, extended": (BATCH + GOOD + BAD + DONE + SYNC, 1, ["22P02"]),
    "a bad row, then a hundred good ones": (
        QUERY + BAD + GOOD * 100 + DONE, 1, ["22P02"]),
    "a bad row, then CopyFail": (QUERY + BAD + GOOD + FAIL, 1, ["22P02"]),
    "a bad row, extended, with two Syncs": (BATCH + SYNC + BAD + DONE + SYNC, 1, ["22P02"]),
    "a duplicate key at the end": (QUERY + GOOD + DUPLICATE + DONE, 1, ["23505"]),
    "a missing table, simple, data sent all the same": (
        pgwire.query("COPY missing FROM STDIN") + GOOD + DONE, 1, ["42P01"]),
    "a missing table, extended, data sent all the same": (
        batch("COPY missing FROM STDIN") + GOOD + DONE + SYNC, 1, ["42P01"]),
    "CopyData, CopyDone, CopyFail without COPY": (GOOD + DONE + FAIL + SYNC, 1, []),
    "CopyDone after the end": (QUERY + GOOD + DONE + DONE + SYNC, 2, []),
    "two COPYs in one Query": (
        pgwire.query(f"{COPY}; {COPY}") + GOOD + DONE + pgwire.copy_data("2\ttwo\n") + DONE,
        1, []),
    "two COPYs in one Query, the first fails": (
        pgwire.query(f"{COPY}; {COPY}") + BAD + DONE + GOOD + DONE, 1, ["22P02"]),
    "COPY, then SELECT in one Query": (
        pgwire.query(f"{COPY}; {ROWS}") + GOOD + DONE, 1, []),
    "COPY, then an error in one Query": (
        pgwire.query(f"{COPY}; SELECT 1/0") + GOOD + DONE, 1, ["22012"]),
    "COPY OUT": (pgwire.query("COPY numbers TO STDOUT"), 1, []),
    "COPY OUT, extended, in a pipeline": (
        batch("COPY numbers TO STDOUT") + batch("SELECT 1") + SYNC, 1, []),
    "COPY OUT that fails half-way": (
        pgwire.query("COPY (SELECT 1 / (5 - n) FROM numbers) TO STDOUT"), 1, ["22012"]),
    "COPY OUT that fails half-way, extended": (
        batch("COPY (SELECT 1 / (5 - n) FROM numbers) TO STDOUT") + SYNC, 1, ["22012"]),
    "a pipeline goes on after COPY": (
        BATCH + GOOD + DONE + SYNC + batch("SELECT 'next'") + SYNC, 2, []),
    "a pipeline goes on after a COPY that fails": (
        BATCH + BAD + DONE + SYNC + batch("SELECT 'next'") + SYNC, 2, ["22P02"]),
}
for _name, (_data, _readies, _errors) in SCRIPTS.items():
    @case("X", f"{_name}, in one write")
    def _one_write(stage: Stage, data=_data, readies=_readies, errors=_errors) -> None:
        a, b = stage.clients("a", "b")
        a.send(data, note="COPY and data")
        said = a.ready(readies)
        stage.equal((said.errors, said.status), (errors, "I"), "errors and status")
        _usable(stage, a, b)

for _name in ("good, simple", "CopyFail, extended", "a bad row, then CopyDone, simple",
              "a bad row, then CopyDone, extended", "a missing table, simple, data sent all the "
              "same"):
    @case("X", f"{_name}, in a block")
    def _block(stage: Stage, script=SCRIPTS[_name]) -> None:
        data, readies, errors = script
        a, b = stage.clients("a", "b")
        a.simple("BEGIN")
        a.send(data, note="COPY and data")
        said = a.ready(readies)
        stage.equal((said.errors, said.status), (errors, "E" if errors else "T"), "the COPY")
        stage.equal(a.simple("COMMIT").tags, ["ROLLBACK" if errors else "COMMIT"], "COMMIT")
        _usable(stage, a, b)

    @case("X", f"{_name}, byte by byte")
    def _slowly(stage: Stage, script=SCRIPTS[_name]) -> None:
        data, readies, errors = script
        a, b = stage.clients("a", "b")
        a.wire.send_slowly(data, 1, 0)
        said = a.ready(readies)
        stage.equal((said.errors, said.status), (errors, "I"), "errors and status")
        _usable(stage, a, b)


LATE = {
    "CopyData": GOOD, "CopyDone": DONE, "CopyFail": FAIL, "much": GOOD * 50 + DONE,
    "Sync": SYNC, "CopyDone and Sync": DONE + SYNC,
}
for _name, _late in LATE.items():
    for _extended in (False, True):
        @case("X", f"a bad row, the error read, then late {_name}, "
              f"{'extended' if _extended else 'simple'}")
        def _comes_late(stage: Stage, late=_late, extended=_extended) -> None:
            a, b = stage.clients("a", "b")
            a.send(BATCH + pgwire.flush() if extended else QUERY, note=COPY)
            a.until("G")
            a.send(BAD + pgwire.copy_data("x" * 70000), note="a bad row, and much")
            a.until("E" if extended else "Z")
            a.send(late + (SYNC if extended and SYNC not in late else b""), note="late")
            if extended or SYNC in late:
                a.ready()
            _usable(stage, a, b)


@case("X", "a Query instead of data: PostgreSQL's answer")
def _query_inside(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.send(QUERY, note=COPY)
    a.until("G")
    a.send(GOOD + pgwire.query("SELECT 1"), note="a row, a query")
    stage.equal(a.end().errors, ["08P01", "08P01"], "a's errors before the end")
    stage.equal(b.simple("SELECT count(*) FROM notes").value, "0", "rows that are there")


@case("X", "the client vanishes inside COPY IN")
def _vanishes(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.send(QUERY + GOOD, note=COPY)
    a.until("G")
    a.vanish("close")
    stage.equal(b.simple("INSERT INTO notes VALUES (1)").tags, ["INSERT 0 1"], "b's INSERT")
