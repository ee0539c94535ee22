"""Rows C, N, O, Y: Syncs, errors, portals and failed blocks, as PostgreSQL answers them."""

from lib import pgwire
from semantics.case import case
from semantics.client import Client, batch
from semantics.stage import Stage
from semantics.ways import ALONE, ERROR, PROTOCOL, Way, send

SYNC = pgwire.sync()


def _served(stage: Stage, *clients: Client) -> None:
    for client in clients:
        stage.equal(client.simple("SELECT 'served'").value, "served", client.name)


# -- C: several Syncs in one write. A letter is a message -----------------------------------------

LETTERS = {"S": SYNC, "q": pgwire.query("SELECT 'query'"), "b": batch("SELECT 'batch'"),
           "e": batch(ERROR), "B": pgwire.query("BEGIN"), "C": pgwire.query("COMMIT"),
           "f": pgwire.query(ERROR), "H": pgwire.flush(), "k": pgwire.query("")}
SYNCS = ["S", "SS", "S" * 10, "S" * 300, "qSq", "SqS", "qSSq", "bSSbS", "SbSbSS", "bbSS", "bHSS",
         "eSS", "SeSbS", "ebSSbS", "BSSC", "BSbSSbSC", "BSfSSC", "BeSSbSC", "kSSk", "SSkSS",
         "BbSbSCSS", "qqqSSS", "fSSf"]


def _readies(letters: str) -> int:
    return sum(each not in "beH" for each in letters)


for _letters in SYNCS:
    _shown = _letters if len(_letters) < 20 else f"{len(_letters)} × {_letters[0]}"

    @case("C", _shown)
    def _syncs(stage: Stage, letters=_letters) -> None:
        a, b = stage.clients("a", "b")
        a.send(b"".join(LETTERS[each] for each in letters), note=letters)
        stage.equal(a.ready(_readies(letters)).status, "I", "a's last ReadyForQuery")
        stage.must(a.silent(0.01), "a is told no more")
        _served(stage, b, a)


@case("C", "two clients in turns")
def _sync_turns(stage: Stage) -> None:
    clients = stage.clients("a", "b")
    for count in (1, 3, 2):
        for client in clients:
            client.send(SYNC * count, note=f"{count} Syncs")
            stage.equal(client.ready(count).types, "Z" * count, client.name)


@case("C", "Syncs in separate writes, then a query")
def _sync_slow(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.wire.send_slowly(batch("SELECT 'slow'") + SYNC + SYNC + batch("SELECT 2") + SYNC, 3, 0.0002)
    stage.equal(a.ready(3).values, ["slow", "2"], "a's rows")
    _served(stage, b)


# -- N: an error inside a pipeline -----------------------------------------------------------------

GOOD = batch("SELECT 'good'")
BAD = {
    "a syntax error": batch("SELEC 1"),
    "a missing table": batch("SELECT * FROM missing"),
    "a parameter that cannot be read": batch("SELECT $1::int", ["x"]),
    "too many parameters": batch("SELECT 1", ["x"]),
    "a missing statement": pgwire.bind("", "missing") + pgwire.execute(),
    "a missing portal": pgwire.execute("missing"),
    "division by zero": batch(ERROR),
    "a missing portal described": pgwire.describe("P", "missing"),
}
ORDERS = {"first": (0, 2), "in the middle": (2, 2), "last": (2, 0)}


def _error_in_pipeline(bad: bytes, before: int, after: int, block: bool):
    def play(stage: Stage) -> None:
        a, b = stage.clients("a", "b")
        if block:
            a.simple("BEGIN")
        a.send(GOOD * before + bad + GOOD * after + SYNC, note="pipeline")
        said = a.ready()
        stage.equal(len(said.errors), 1, "how many errors")
        stage.equal(said.values, ["good"] * before, "the rows before it")
        stage.equal(said.status, "E" if block else "I", "the status")
        if block:
            stage.equal(a.simple("COMMIT").tags, ["ROLLBACK"], "COMMIT")
        _served(stage, b, a)
    return play


for _what, _bad in BAD.items():
    for _order, (_before, _after) in ORDERS.items():
        case("N", f"{_what}, {_order}")(_error_in_pipeline(_bad, _before, _after, False))
    case("N", f"{_what}, in a block")(_error_in_pipeline(_bad, 1, 1, True))


@case("N", "after the Sync the pipeline goes on")
def _goes_on(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.send(GOOD + batch(ERROR) + GOOD + SYNC + GOOD + SYNC + batch(ERROR) + SYNC + GOOD + SYNC,
           note="four batches")
    said = a.ready(4)
    stage.equal((said.errors, said.values), (["22012"] * 2, ["good"] * 3), "errors and rows")
    _served(stage, b, a)


@case("N", "an error undoes its batch, not the one before")
def _undoes(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.send(batch("INSERT INTO notes VALUES (1)") + SYNC + batch("INSERT INTO notes VALUES (2)") +
           batch(ERROR) + SYNC, note="two batches")
    a.ready(2)
    stage.equal(b.simple("SELECT id FROM notes").values, ["1"], "the rows that are there")


@case("N", "a simple Query between an error and its Sync is skipped")
def _skips_query(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.send(batch(ERROR) + pgwire.query("SELECT 'skipped'") + SYNC, note="error, query, sync")
    said = a.ready()
    stage.equal((said.errors, said.values), (["22012"], []), "errors and rows")
    stage.must(a.silent(0.02), "no second ReadyForQuery")
    _served(stage, b, a)


@case("N", "an error in a multi-statement Query ends it")
def _ends_query(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    said = a.simple("INSERT INTO notes VALUES (1); SELECT 1/0; INSERT INTO notes VALUES (2)")
    stage.equal((said.errors, said.tags), (["22012"], ["INSERT 0 1"]), "errors and tags")
    stage.equal(b.simple("SELECT count(*) FROM notes").value, "0", "rows that are there")


@case("N", "COMMIT inside a multi-statement Query keeps what was before it")
def _commits_inside(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("INSERT INTO notes VALUES (1); COMMIT; INSERT INTO notes VALUES (2); SELECT 1/0")
    stage.equal(b.simple("SELECT id FROM notes").values, ["1"], "the rows that are there")


# -- O: portals -----------------------------------------------------------------------------------

SERIES = "SELECT n FROM numbers ORDER BY n"
OPEN = pgwire.parse("", SERIES) + pgwire.bind("p", "")


def _three(count: int = 3) -> bytes:
    return pgwire.execute("p", count)


PORTALS = {
    "in one batch": [OPEN + _three() + _three() + _three(0) + SYNC],
    "one row at a time": [OPEN + b"".join(_three(1) for _ in range(12)) + SYNC],
    "exactly as many as there are": [OPEN + _three(10) + _three(10) + SYNC],
    "more than there are": [OPEN + _three(11) + _three(11) + SYNC],
    "the unnamed portal": [pgwire.parse("", SERIES) + pgwire.bind() + pgwire.execute("", 3) +
                           pgwire.execute("", 3) + SYNC],
    "continued after the end of its transaction: an error": [OPEN + _three() + SYNC,
                                                             _three() + SYNC],
    "closed in between: an error": [OPEN + _three() + pgwire.close("P", "p") + _three() + SYNC],
    "described in between": [OPEN + _three() + pgwire.describe("P", "p") + _three() + SYNC],
    "two portals in turns": [OPEN + pgwire.bind("o", "") + _three() + pgwire.execute("o", 2) +
                             _three() + pgwire.execute("o", 2) + SYNC],
    "an error in between": [OPEN + _three() + batch(ERROR) + _three() + SYNC],
    "an INSERT that returns, suspended": [
        pgwire.parse("", "INSERT INTO notes SELECT n FROM numbers RETURNING id") +
        pgwire.bind("p", "") + _three() + _three(0) + SYNC],
}
for _name, _writes in PORTALS.items():
    for _block in (False, True):
        @case("O", _name + (", in a block" if _block else ""))
        def _portal(stage: Stage, writes=_writes, block=_block) -> None:
            a, b = stage.clients("a", "b")
            if block:
                a.simple("BEGIN")
            for data in writes:
                a.send(data, note="portal")
                a.ready()
            if block:
                a.simple("COMMIT")
            _served(stage, b, a)


@case("O", "continued after Sync in a block, while another client works", pool=2)
def _across_syncs(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("BEGIN")
    a.send(OPEN + _three() + SYNC, note="three rows")
    stage.equal(a.ready().values, ["1", "2", "3"], "the first rows")
    _served(stage, b)
    a.send(_three() + SYNC, note="three more")
    stage.equal(a.ready().values, ["4", "5", "6"], "the next rows")
    stage.equal(a.simple("FETCH 1 FROM p").value, "7", "the portal is a cursor of SQL")
    a.simple("COMMIT")
    _served(stage, b)


@case("O", "with Flush instead of Sync")
def _flushed(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    for _ in range(2):
        a.send(OPEN + _three() + pgwire.flush(), note="three rows, flush")
        a.until("s")
        a.send(_three(0) + SYNC, note="the rest, sync")
        stage.equal(a.ready().values, [str(n) for n in range(4, 11)], "the rest")
        _served(stage, b)


@case("O", "portals of one name in two clients", pool=2)
def _two_portals(stage: Stage) -> None:
    clients = stage.clients("a", "b")
    for client in clients:
        client.simple("BEGIN")
        client.send(OPEN + _three() + SYNC, note="three rows")
        client.ready()
    for client in clients:
        client.send(_three() + SYNC, note="three more")
        stage.equal(client.ready().values, ["4", "5", "6"], client.name)


# -- Y: a failed block ----------------------------------------------------------------------------

FAILURES = {"a syntax error": "SELEC 1", "a missing table": "SELECT * FROM missing",
            "division by zero": ERROR, "an unterminated string": "SELECT 'x",
            "a SET that fails": "SET work_mem = 'much'"}
ENDINGS = ("ROLLBACK", "COMMIT", "ABORT", "END", "ROLLBACK AND CHAIN")


def _failed_block(way: Way, failure: str, ending: str):
    def play(stage: Stage) -> None:
        a, b = stage.clients("a", "b")
        way.run(a, "BEGIN")
        stage.equal(way.run(a, failure).status, "E", "the status after the error")
        said = way.run(a, "SELECT 1")
        stage.equal((said.error, said.status), ("25P02", "E"), "a query in the failed block")
        said = way.run(a, ending)
        chained = ending.endswith("CHAIN")
        stage.equal((said.tags, said.status), (["ROLLBACK"], "T" if chained else "I"), ending)
        if chained:
            way.run(a, "ROLLBACK")
        _served(stage, b, a)
    return play


for _way in PROTOCOL:
    for _what, _failure in FAILURES.items():
        case("Y", f"{_what}, ROLLBACK, {_way.name}")(_failed_block(_way, _failure, "ROLLBACK"))
    for _ending in ENDINGS[1:]:
        case("Y", f"a syntax error, {_ending}, {_way.name}")(
            _failed_block(_way, "SELEC 1", _ending))

    @case("Y", f"BEGIN, a syntax error, ROLLBACK in one write, {_way.name}")
    def _one_write(stage: Stage, way=_way) -> None:
        a, b = stage.clients("a", "b")
        said = send(a, [way.one(a, sql) for sql in ("BEGIN", "SELEC 1", "ROLLBACK", "SELECT 2")])
        stage.equal((said.errors, said.tags), (["42601"], ["BEGIN", "ROLLBACK", "SELECT 1"]),
                    "errors and tags")
        _served(stage, b, a)

    @case("Y", f"twice, with a good block in between, {_way.name}")
    def _twice(stage: Stage, way=_way) -> None:
        a, b = stage.clients("a", "b")
        for _ in range(2):
            ALONE.play(a, way, ["BEGIN", "SELEC 1", "ROLLBACK"])
            ALONE.play(b, way, ["BEGIN", "INSERT INTO notes DEFAULT VALUES", "ROLLBACK"])
            ALONE.play(a, way, ["BEGIN", "SELECT 1", "COMMIT"])
        _served(stage, b, a)

    @case("Y", f"ROLLBACK to a savepoint heals the block, {_way.name}")
    def _healed(stage: Stage, way=_way) -> None:
        a, b = stage.clients("a", "b")
        ALONE.play(a, way, ["BEGIN", "INSERT INTO notes VALUES (1)", "SAVEPOINT s", "SELEC 1"])
        stage.equal(way.run(a, "ROLLBACK TO s").status, "T", "the status")
        way.run(a, "COMMIT")
        stage.equal(way.run(b, "SELECT count(*) FROM notes").value, "1", "rows that are there")
