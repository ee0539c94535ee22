"""Rows J, K, L: a client goes away in a transaction, in its query, in its result."""

import time

from lib import pgwire
from semantics.case import case
from semantics.client import Client, batch
from semantics.stage import HELD, Stage

HOW = ("terminate", "close", "reset")
KEPT = {"direct": False, "compare": False}
PID = "SELECT pg_backend_pid()"
SEEN_SECONDS = 0.1  # a proxy mostly sees within this time that a client is gone
LINE_SECONDS = 1.6  # the same, however busy the machine is


def _insert_works(stage: Stage, client: Client) -> None:
    """The key is free: nobody's row, nobody's lock."""
    stage.equal(client.simple("INSERT INTO notes VALUES (1, 'of b')").tags, ["INSERT 0 1"],
                f"{client.name}'s INSERT")
    stage.equal(client.simple("SELECT note FROM notes").values, ["of b"], "the rows")


# -- J: inside a transaction. Each is what a has sent; ReadyForQuery messages it has read. ---------

INSERT = "INSERT INTO notes VALUES (1, 'of a')"
OPEN = {
    "after a write": (pgwire.query("BEGIN") + pgwire.query(INSERT), 2),
    "in a failed block": (pgwire.query("BEGIN") + pgwire.query(INSERT) +
                          pgwire.query("SELECT 1/0"), 3),
    "in a block of the extended protocol": (batch("BEGIN") + batch(INSERT) + pgwire.sync(), 1),
    "in a savepoint": (pgwire.query(f"BEGIN; SAVEPOINT s; {INSERT}"), 1),
    "in an implicit transaction, before Sync": (batch(INSERT) + pgwire.flush(), 0),
    "with changed settings": (pgwire.query(f"BEGIN; SET search_path = north; "
                                           f"SET work_mem = '5MB'; "
                                           f"INSERT INTO public.notes VALUES (1)"), 1),
    "with a lock": (pgwire.query("BEGIN; LOCK TABLE notes"), 1),
    "in COPY IN": (pgwire.query("COPY notes FROM STDIN") + pgwire.copy_data("1\tof a\n"), 0),
    "with a cursor": (pgwire.query("BEGIN; DECLARE c CURSOR FOR SELECT 1; FETCH c"), 1),
}


def _open(client: Client, what: str) -> None:
    data, readies = OPEN[what]
    client.send(data, note=what)
    if readies:
        client.ready(readies)
    else:
        client.until("CG")


for _what in OPEN:
    for _how in HOW:
        @case("J", f"{_what}, {_how}")
        def _rolled_back(stage: Stage, what=_what, how=_how) -> None:
            a, b = stage.clients("a", "b")
            _open(a, what)
            a.vanish(how)
            _insert_works(stage, b)
            stage.equal(b.simple("SHOW work_mem").value, "4MB", "b's settings")

    @case("J", f"{_what}: the server connection is kept", **KEPT)
    def _connection_kept(stage: Stage, what=_what) -> None:
        a, b = stage.clients("a", "b")
        pid = a.simple(PID).value
        _open(a, what)
        a.vanish("close")
        stage.equal(b.simple(PID).value, pid, "b's server connection")


# -- K: while its query runs ----------------------------------------------------------------------

def _running(stage: Stage, client: Client, sql: str, extended: bool) -> None:
    client.send(batch(sql) + pgwire.sync() if extended else pgwire.query(sql), note=sql)
    stage.wait(lambda: stage.running("pg_sleep") or stage.running(HELD), "the query runs")


def _gone_in(stage: Stage, client: Client, write: str, extended: bool) -> None:
    """The client goes away while the write runs, which could end afterwards."""
    with stage.holding():
        _running(stage, client, write, extended)
        client.vanish("close")
        time.sleep(SEEN_SECONDS)


SLOW_READ = "SELECT pg_sleep(30)"
SLOW_WRITES = {
    "an INSERT": (f"INSERT INTO notes SELECT 1 FROM (SELECT {HELD}) s",
                  "SELECT count(*) FROM notes"),
    "nextval": (f"SELECT nextval('counter'), nextval('counter') FROM (SELECT {HELD}) s",
                "SELECT last_value - 1 FROM counter"),
    "a WITH that writes": ("WITH w AS (INSERT INTO notes VALUES (1) RETURNING id) "
                           f"SELECT id, {HELD} FROM w", "SELECT count(*) FROM notes"),
    "a DO block": (f"DO $$ BEGIN PERFORM {HELD}; INSERT INTO notes VALUES (1); END $$",
                   "SELECT count(*) FROM notes"),
}
for _extended in (False, True):
    _way = "extended" if _extended else "simple"
    for _how in HOW:
        @case("K", f"a read is cancelled, {_how}, {_way}", direct=False, compare=False)
        def _read(stage: Stage, how=_how, extended=_extended) -> None:
            a, b = stage.clients("a", "b")
            _running(stage, a, SLOW_READ, extended)
            a.vanish(how)
            stage.wait(lambda: not stage.running("pg_sleep"), "the query has ended", 3)
            stage.equal(b.simple("SELECT 'served'").value, "served", "b")
    for _what, (_write, _count) in SLOW_WRITES.items():
        @case("K", f"{_what} runs to its end, close, {_way}")
        def _writes(stage: Stage, write=_write, count=_count, extended=_extended) -> None:
            a, b = stage.clients("a", "b")
            _gone_in(stage, a, write, extended)
            stage.wait(lambda: stage.admin(count) == [["1"]], "the write is there", 3)
            stage.equal(b.simple("SELECT 'served'").value, "served", "b")

    @case("K", f"an INSERT followed at once by close, {_way}")
    def _at_once(stage: Stage, extended=_extended) -> None:
        a, b = stage.clients("a", "b")
        a.send(batch(INSERT) + pgwire.sync() if extended else pgwire.query(INSERT), note=INSERT)
        a.vanish("close")
        stage.wait(lambda: stage.admin("SELECT count(*) FROM notes") == [["1"]],
                   "the row is there", 3)
        stage.equal(b.simple("SELECT note FROM notes").value, "of a", "b's look")

    @case("K", f"an INSERT and Terminate in one write, {_way}")
    def _terminated(stage: Stage, extended=_extended) -> None:
        a, b = stage.clients("a", "b")
        a.send((batch(INSERT) + pgwire.sync() if extended else pgwire.query(INSERT)) +
               pgwire.terminate(), note=f"{INSERT}, terminate")
        stage.wait(lambda: stage.admin("SELECT count(*) FROM notes") == [["1"]],
                   "the row is there", 3)
        stage.equal(b.simple("SELECT note FROM notes").value, "of a", "b's look")

    @case("K", f"a read is cancelled: the server connection is kept, {_way}", **KEPT)
    def _read_kept(stage: Stage, extended=_extended) -> None:
        a, b = stage.clients("a", "b")
        pid = a.simple(PID).value
        _running(stage, a, SLOW_READ, extended)
        a.vanish("close")
        stage.wait(lambda: not stage.running("pg_sleep"), "the query has ended", 3)
        stage.equal(b.simple(PID).value, pid, "b's server connection")

    @case("K", f"a write in a block is undone, {_way}")
    def _block(stage: Stage, extended=_extended) -> None:
        a, b = stage.clients("a", "b")
        a.simple("BEGIN")
        _gone_in(stage, a, SLOW_WRITES["an INSERT"][0], extended)
        stage.wait(lambda: not stage.running(HELD), "the query has ended", 3)
        _insert_works(stage, b)


@case("K", "a write runs to its end: the server connection is kept", **KEPT)
def _write_kept(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    pid = a.simple(PID).value
    _gone_in(stage, a, SLOW_WRITES["an INSERT"][0], False)
    stage.equal(b.simple(PID).value, pid, "b's server connection")


@case("K", "a client that waits in line goes away: nothing of it runs", pool=1, direct=False,
      compare=False)
def _waiting(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("BEGIN")
    b.send(pgwire.query(INSERT), note=INSERT)
    stage.must(b.silent(LINE_SECONDS), "b waits while a has the connection")
    b.vanish("reset")
    stage.must(a.silent(LINE_SECONDS), "nothing happens to a")
    stage.equal(a.simple("COMMIT").tags, ["COMMIT"], "a's COMMIT")
    c = stage.client("c")
    stage.equal(c.simple("SELECT count(*) FROM notes").value, "0", "rows that are there")


# -- L: in the middle of a result -----------------------------------------------------------------

LONG = "SELECT repeat('x', 1000) FROM generate_series(1, 100000)"
RESULTS = {
    "rows": pgwire.query(LONG),
    "rows of the extended protocol": batch(LONG) + pgwire.sync(),
    "rows in a block": pgwire.query(f"BEGIN; {LONG}"),
    "COPY OUT": pgwire.query(f"COPY ({LONG}) TO STDOUT"),
    "the second of two results": pgwire.query("SELECT 1") + pgwire.query(LONG),
}


def _middle(client: Client, what: str) -> None:
    client.send(RESULTS[what], note=what)
    client.until("Dd", 5)


for _what in RESULTS:
    for _how in HOW:
        @case("L", f"{_what}, {_how}", compare=False)
        def _served(stage: Stage, what=_what, how=_how) -> None:
            a, b = stage.clients("a", "b")
            _middle(a, what)
            a.vanish(how)
            _insert_works(stage, b)

    @case("L", f"{_what}: the server connection is kept", **KEPT)
    def _middle_kept(stage: Stage, what=_what) -> None:
        a, b = stage.clients("a", "b")
        pid = a.simple(PID).value
        _middle(a, what)
        a.vanish("close")
        stage.equal(b.simple(PID).value, pid, "b's server connection")
