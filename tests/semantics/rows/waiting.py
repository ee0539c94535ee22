"""Rows A, M, T, W in a pool of ONE: who waits while the connection is pinned or in use, gets on."""

from lib import pgwire
from semantics.case import case
from semantics.stage import Stage

PROXY_ONLY = {"direct": False, "compare": False}
WAIT_SECONDS = 0.2
LINE_SECONDS = 1.6  # b's query is read by then: a cancel that comes before it is ignored
PINS = {
    "M": ("SELECT pg_advisory_lock(7)", "SELECT pg_advisory_unlock(7)"),
    "T": ("CREATE TEMP TABLE scratch (t text)", "DROP TABLE scratch"),
    "W": ("DECLARE held CURSOR WITH HOLD FOR SELECT 1", "CLOSE held"),
}
for _row, (_pin, _free) in PINS.items():
    @case(_row, "b waits while a is pinned, and gets on when a is free (a pool of one)",
          **PROXY_ONLY)
    def _waits(stage: Stage, pin: str = _pin, free: str = _free) -> None:
        a, b = stage.clients("a", "b")
        a.simple(pin)
        b.send(pgwire.query("SELECT 'served'"), note="SELECT")
        stage.must(b.silent(WAIT_SECONDS), "b waits")
        stage.equal(a.simple(free).errors, [], free)
        stage.equal(b.ready().value, "served", "b, when a is free")

    @case(_row, "b waits while a is pinned, and gets on when a goes away (a pool of one)",
          **PROXY_ONLY)
    def _waits_gone(stage: Stage, pin: str = _pin) -> None:
        a, b = stage.clients("a", "b")
        a.simple(pin)
        b.send(pgwire.query("SELECT 'served'"), note="SELECT")
        stage.must(b.silent(WAIT_SECONDS), "b waits")
        a.vanish("close")
        stage.equal(b.ready().value, "served", "b, when a is gone")


@case("A", "a client that waits in line is cancelled", **PROXY_ONLY)
def _cancelled_waiting(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("BEGIN")
    b.send(pgwire.query("INSERT INTO notes VALUES (1)"), note="INSERT")
    stage.must(b.silent(LINE_SECONDS), "b waits")
    pgwire.send_cancel(stage.address, b.wire.session.pid, b.wire.session.key)
    stage.equal(b.ready().error, "57014", "b's query")
    a.simple("COMMIT")
    stage.equal(b.simple("SELECT count(*) FROM notes").value, "0", "rows that are there")


@case("A", "a cancel of a never hits b, who gets the connection next")
def _cancel_race(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    for _ in range(25):
        a.send(pgwire.query("SELECT count(*) FROM generate_series(1, 3000)"), note="a's query")
        pgwire.send_cancel(stage.address, a.wire.session.pid, a.wire.session.key)
        b.send(pgwire.query("SELECT pg_sleep(0.002)"), note="b's query")
        a.wire.read_until("Z")  # cancelled or not
        stage.equal(b.ready().errors, [], "b's query")
