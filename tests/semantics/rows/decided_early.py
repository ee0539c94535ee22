"""What PostgreSQL decides when it reads a text: the moment, and under whose settings and encoding."""

import time

from lib import pgwire
from semantics.case import case
from semantics.stage import Stage

MOMENT = "SELECT extract(epoch FROM timestamptz 'now')::float8"
LONG_AGO = "SELECT timestamptz '2024-01-01 00:00:00'"
TENANT = "SELECT current_setting('my.tenant')"


def _prepare(client, way: str, sql: str) -> None:
    if way == "SQL":
        client.simple(f"PREPARE s AS {sql}")
    else:
        client.parse("s", sql)


def _value(client, way: str) -> str:
    return (client.simple("EXECUTE s") if way == "SQL" else client.execute("s")).value


for _way in ("protocol", "SQL"):
    @case("E", f"'now' is when each has prepared it, {_way}", compare=False)
    def _now(stage: Stage, way: str = _way) -> None:
        a, b = stage.clients("a", "b")
        _prepare(a, way, MOMENT)
        of_a = float(_value(a, way))
        time.sleep(0.05)
        _prepare(b, way, MOMENT)
        stage.must(float(_value(b, way)) >= of_a + 0.04, "b's is b's")
        stage.equal(float(_value(a, way)), of_a, "a's stays a's")

    for _name, _sets, _end in (
            ("under SET LOCAL TimeZone", "SET LOCAL TimeZone = 'Asia/Tokyo'", "COMMIT"),
            ("behind set_config() in one block",
             "SELECT set_config('TimeZone', 'Asia/Tokyo', true)", "ROLLBACK")):
        @case("E", f"prepared {_name}, {_way}")
        def _local(stage: Stage, way: str = _way, sets: str = _sets, end: str = _end) -> None:
            a, b = stage.clients("a", "b")
            for client in (a, b):
                client.simple("SET TimeZone = 'UTC'")
            for sql in ("BEGIN", sets):
                a.simple(sql)
            _prepare(a, way, LONG_AGO)
            a.simple(end)
            stage.equal(_value(a, way), "2023-12-31 15:00:00+00", "a's, of Tokyo's midnight")
            _prepare(b, way, LONG_AGO)
            stage.equal(_value(b, way), "2024-01-01 00:00:00+00", "b's, of Greenwich's")


@case("E", "prepared behind a SET in one pipeline")
def _piped_zone(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    for client in (a, b):
        client.simple("SET TimeZone = 'UTC'")
    a.send(pgwire.parse("", "SET TimeZone = 'Asia/Tokyo'") + pgwire.bind() + pgwire.execute() +
           pgwire.parse("s", LONG_AGO) + pgwire.sync(), note="SET and Parse")
    a.ready()
    b.parse("s", LONG_AGO)
    stage.equal(b.execute("s").value, "2024-01-01 00:00:00+00", "b's, of Greenwich's")


@case("E", "a statement that was prepared under another TimeZone than is set now", pool=2)
def _other_zone(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("SET TimeZone = 'UTC'")
    a.parse("s", LONG_AGO)
    a.simple("SET TimeZone = 'Asia/Tokyo'")
    stage.move()
    a.execute("s")
    b.simple("SET TimeZone = 'UTC'")
    for _ in range(2):
        b.parse("t", LONG_AGO)
        stage.equal(b.execute("t").value, "2024-01-01 00:00:00+00", "b's, of Greenwich's")
        b.simple("DEALLOCATE t")


@case("H", "a value that is not ASCII, beside a client of another encoding")
def _encodings(stage: Stage) -> None:
    a, b = stage.client("a"), stage.client("b", [("client_encoding", "LATIN1")])
    a.simple("SET my.tenant = 'Zürich'")
    b.simple("SELECT 1")
    stage.equal(a.simple(TENANT).value, "Zürich", "a's")
    b.send(pgwire.query(b"SET my.tenant = 'K\xf6ln'"), note="SET in LATIN1")
    b.ready()
    stage.equal(a.simple(TENANT).value, "Zürich", "a's")
    stage.equal(b.simple("SELECT length(current_setting('my.tenant'))").value, "4", "b's")
    stage.equal(a.simple(TENANT).value, "Zürich", "a's")


@case("H", "a value that is not ASCII, and then another encoding")
def _encoding_changes(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("SET my.tenant = 'Zürich'")
    a.simple("SET client_encoding = 'LATIN1'")
    b.simple("SELECT 1")
    stage.equal(a.simple("SELECT length(current_setting('my.tenant'))").value, "6", "a's")


@case("H3", "SET ROLE, then RESET SESSION AUTHORIZATION")
def _reset_authorization(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("SET ROLE semantics_other")
    a.simple("RESET SESSION AUTHORIZATION")
    b.simple("SET work_mem = '7MB'")
    stage.equal(a.simple("SELECT current_user").value, stage.lab.user, "a's user")


@case("G", "DEALLOCATE ALL in a DO block is nobody else's concern")
def _forget_unseen(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    b.simple("SET work_mem = '7MB'")
    b.parse("kept", "SELECT 'of b'")
    a.simple("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$")
    stage.equal(b.simple("SHOW work_mem").value, "7MB", "b's setting")
    stage.equal(b.execute("kept").value, "of b", "b's statement")


@case("E", "a BEGIN that was prepared under other settings has no query before it", pool=2)
def _begin_of_another_zone(stage: Stage) -> None:
    a = stage.client("a")
    a.simple("SET TimeZone = 'UTC'")
    a.parse("s", "BEGIN ISOLATION LEVEL SERIALIZABLE")
    a.simple("SET TimeZone = 'Asia/Tokyo'")
    stage.move()
    a.simple("BEGIN")
    said = a.execute("s")
    stage.equal((said.errors, said.status), ([], "T"), "the second BEGIN")
    stage.equal(a.simple("SHOW transaction_isolation").value, "serializable", "the level")
