"""Rows H and H2: what a client SETs is its own, whoever gets its server connection next."""

from semantics.case import case
from semantics.product import State, product
from semantics.stage import Stage
from semantics.ways import (EVERYWHERE, EXTENDED, KEPT, MOVED, ROLLED_BACK, SIMPLE, WAYS)

SEQSCAN = "SELECT current_setting('enable_seqscan')"
PATH = "SELECT current_setting('search_path')"
WHOSE = "SELECT name FROM whose"
ZONE = "SELECT current_setting('TimeZone')"
DAY = "SELECT extract(hour FROM timestamptz '2020-01-01 00:00+00')::int"

product("H", "SET enable_seqscan", State(
    ["SET enable_seqscan = off"], own=[(SEQSCAN, "off")], other=[(SEQSCAN, "on")]),
    places=EVERYWHERE + ROLLED_BACK)

product("H", "SET search_path", State(
    ["SET search_path = north"], own=[(PATH, "north"), (WHOSE, "north")],
    other=[(WHOSE, "public")]))

product("H", "a custom setting", State(
    ["SET my.tenant = '42'"], own=[("SELECT current_setting('my.tenant')", "42")],
    other=[("SELECT coalesce(current_setting('my.tenant', true), '')", "")]), places=(MOVED,))

product("H2", "SET TimeZone", State(
    ["SET TimeZone = 'Asia/Tokyo'"], own=[(ZONE, "Asia/Tokyo"), (DAY, "9")],
    other=[(ZONE, "UTC"), (DAY, "0")]), places=KEPT + ROLLED_BACK)

product("H2", "SET client_encoding", State(
    ["SET client_encoding = 'LATIN1'"],
    own=[("SELECT current_setting('client_encoding')", "LATIN1")],
    other=[("SELECT current_setting('client_encoding')", "UTF8")]), places=(MOVED,))

product("H2", "SET DateStyle", State(
    ["SET DateStyle = 'German'"], own=[("SELECT date '2020-02-01'", "01.02.2020")],
    other=[("SELECT date '2020-02-01'", "2020-02-01")]), places=(MOVED,))


def _reset_all_by_b(way):
    def play(stage: Stage) -> None:
        a, b = stage.clients("a", "b")
        way.run(a, "SET enable_seqscan = off")
        way.run(a, "SET search_path = north")
        for statement in ("RESET ALL", "SET enable_seqscan = on", "DISCARD ALL"):
            way.run(b, statement)
            stage.equal(way.run(a, SEQSCAN).value, "off", f"enable_seqscan after b's {statement}")
            stage.equal(way.run(a, WHOSE).value, "north", f"a's table after b's {statement}")
    return play


for each in WAYS:
    case("H", f"RESET ALL of b, {each.name}")(_reset_all_by_b(each))


@case("H", "forty clients with forty settings take turns")
def _turns(stage: Stage) -> None:
    clients = stage.clients(*(f"c{n}" for n in range(40)))
    for number, client in enumerate(clients):
        client.simple(f"SET work_mem = '{number + 64}kB'")
    for number, client in enumerate(clients):
        stage.equal(client.extended("SHOW work_mem").value, f"{number + 64}kB", client.name)


@case("H", "both write to the table of their own search_path")
def _writes(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("SET search_path = north")
    b.simple("SET search_path = south")
    a.simple("BEGIN; DELETE FROM whose; INSERT INTO whose VALUES ('of a')")
    stage.equal(a.simple("SELECT name FROM north.whose").values, ["of a"], "north")
    a.simple("ROLLBACK")
    stage.equal(b.simple("SELECT name, extra FROM whose").rows(), [["south", "7"]], "south")


@case("H", "the guard does not open a transaction before VACUUM and BEGIN ISOLATION")
def _vacuum(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("SET enable_seqscan = off")
    b.simple("SELECT 1")
    stage.equal(a.simple("VACUUM notes").tags, ["VACUUM"], "VACUUM")
    b.simple("SELECT 1")
    said = a.simple("BEGIN ISOLATION LEVEL SERIALIZABLE")
    stage.equal(said.tags, ["BEGIN"], "BEGIN ISOLATION")
    stage.equal(a.simple("SHOW transaction_isolation").value, "serializable", "isolation")
    stage.equal(a.simple(SEQSCAN).value, "off", "enable_seqscan")
    a.simple("COMMIT")


@case("H", "an error of the first statement after a move undoes no setting", pool=2)
def _error_after_move(stage: Stage) -> None:
    a = stage.client("a")
    a.simple("SET enable_seqscan = off")
    stage.move()
    stage.equal(a.extended("SELECT 1/0").error, "22012", "the error")
    stage.equal(a.extended(SEQSCAN).value, "off", "enable_seqscan")


def _application_name(way):
    def play(stage: Stage) -> None:
        a, b = stage.clients("a", "b")
        said = way.run(a, "SET application_name = 'of a'")
        stage.must(("S", ("application_name", "of a")) in said, "a is told application_name")
        b_said = way.run(b, "SHOW application_name")
        stage.equal(b_said.value, "", "b's application_name")
        stage.must(not [each for each in b_said if each[0] == "S"], "b is told nothing")
        stage.equal(way.run(a, "SHOW application_name").value, "of a", "a's application_name")
    return play


for each in (SIMPLE, EXTENDED):
    case("H2", f"ParameterStatus goes to whom it concerns, {each.name}")(_application_name(each))
