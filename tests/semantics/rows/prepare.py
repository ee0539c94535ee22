"""Rows F and G: SQL-level PREPARE, EXECUTE and DEALLOCATE, and names after DEALLOCATE ALL."""

from lib import pgwire
from semantics.case import case
from semantics.product import State, product
from semantics.stage import Stage
from semantics.ways import EVERYWHERE, PROTOCOL, ROLLED_BACK, SIMPLE, Way

# PREPARE is not undone by a rollback.
MINE = [("EXECUTE sp", "of a")]
product("F", "PREPARE", State(
    ["PREPARE sp AS SELECT 'of a'"], own=MINE, undone=MINE, other=[("EXECUTE sp", "!26000")]),
    ways=PROTOCOL, places=EVERYWHERE + ROLLED_BACK)

product("F", "PREPARE in both clients", State(
    ["PREPARE sp(int) AS SELECT 'of a', $1", "EXECUTE sp(1)"], own=[("EXECUTE sp(2)", "of a")],
    other=[("DEALLOCATE sp", None), ("PREPARE sp AS SELECT 'of b'", None),
           ("EXECUTE sp", "of b")]),
    ways=PROTOCOL)


def _pair(stage: Stage, way: Way):
    a, b = stage.clients("a", "b")
    for client in (a, b):
        said = way.run(client, f"PREPARE sp AS SELECT 'of {client.name}'")
        stage.equal(said.tags, ["PREPARE"], f"{client.name}'s PREPARE")
    return a, b


def _each(row: str, name: str, ways=PROTOCOL, **more):
    """Register a play that takes a way once for each."""
    def register(play):
        for way in ways:
            case(row, f"{name}, {way.name}", **more)(lambda stage, way=way: play(stage, way))
        return play
    return register


@_each("F", "DEALLOCATE of b leaves a's")
def _deallocate(stage: Stage, way: Way) -> None:
    a, b = _pair(stage, way)
    stage.equal(way.run(b, "DEALLOCATE sp").tags, ["DEALLOCATE"], "b's DEALLOCATE")
    stage.equal(way.run(b, "EXECUTE sp").error, "26000", "b's EXECUTE")
    stage.equal(way.run(a, "EXECUTE sp").value, "of a", "a's EXECUTE")


@_each("F", "DEALLOCATE of another's name is an error")
def _deallocate_other(stage: Stage, way: Way) -> None:
    a, b = stage.clients("a", "b")
    way.run(a, "PREPARE sp AS SELECT 'of a'")
    stage.equal(way.run(b, "DEALLOCATE sp").error, "26000", "b's DEALLOCATE")
    stage.equal(way.run(a, "EXECUTE sp").value, "of a", "a's EXECUTE")


@_each("F", "PREPARE twice is an error for one client only")
def _twice(stage: Stage, way: Way) -> None:
    a, b = _pair(stage, way)
    stage.equal(way.run(a, "PREPARE sp AS SELECT 3").error, "42P05", "a's second PREPARE")
    stage.equal(way.run(b, "EXECUTE sp").value, "of b", "b's EXECUTE")
    stage.equal(way.run(a, "EXECUTE sp").value, "of a", "a's EXECUTE")


@_each("F", "pg_prepared_statements shows a's only")
def _view(stage: Stage, way: Way) -> None:
    a, b = _pair(stage, way)
    way.run(b, "PREPARE another AS SELECT 1")
    said = way.run(a, "SELECT name, statement FROM pg_prepared_statements WHERE name <> '' "
                      "ORDER BY name")
    stage.equal(said.rows(), [["sp", "PREPARE sp AS SELECT 'of a'"]], "a's statements")


@_each("F", "PREPARE, EXECUTE and DEALLOCATE in one Query string or batch")
def _one_string(stage: Stage, way: Way) -> None:
    a, b = _pair(stage, way)
    step = way.many(a, ["PREPARE t AS SELECT 'once'", "EXECUTE t", "EXECUTE sp", "DEALLOCATE t"])
    a.send(step.data, note=step.note)
    stage.equal(a.ready().values, ["once", "of a"], "a's rows")
    stage.equal(way.run(b, "EXECUTE sp").value, "of b", "b's EXECUTE")


@_each("F", "EXPLAIN EXECUTE and CREATE TABLE AS EXECUTE find a's own", ways=(SIMPLE,))
def _inside(stage: Stage, way: Way) -> None:
    a, _ = _pair(stage, way)
    said = a.simple("EXPLAIN (COSTS OFF, VERBOSE) EXECUTE sp")
    stage.must("of a" in said.rows()[-1][0], "the plan is of a's statement")
    a.simple("BEGIN; CREATE TABLE made AS EXECUTE sp")
    stage.equal(a.simple("SELECT * FROM made").value, "of a", "the table's row")
    a.simple("ROLLBACK")


@case("F", "SQL EXECUTE of a statement of the protocol")
def _from_protocol(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    for client in (a, b):
        client.parse("sp", f"SELECT 'of {client.name}', $1::text")
    stage.equal(a.simple("EXECUTE sp('x')").rows(), [["of a", "x"]], "a's EXECUTE")
    stage.equal(b.simple("EXECUTE sp('x')").rows(), [["of b", "x"]], "b's EXECUTE")


@case("F", "SQL EXECUTE of a SET of the protocol, moved", pool=2)
def _executed_set(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.parse("sp", "SET work_mem = '5MB'")
    a.simple("EXECUTE sp")
    stage.equal(b.simple("SHOW work_mem").value, "4MB", "b's")
    stage.move()
    stage.equal(a.simple("SHOW work_mem").value, "5MB", "a's")
    a.simple("RESET work_mem")
    stage.equal(a.simple("SHOW work_mem").value, "4MB", "a's, taken back")


# Not compared: the place of the error counts the connection's name of the statement.
@case("F", "after one that can no longer be prepared, another one, moved", pool=2, compare=False)
def _after_a_broken_one(stage: Stage) -> None:
    a = stage.client("a")
    for sql in ("CREATE TABLE gone (x int)", "PREPARE broken AS SELECT * FROM gone",
                "PREPARE sp AS SELECT 'fine'", "DROP TABLE gone"):
        a.simple(sql)
    stage.move()
    for _ in range(2):
        stage.equal(a.execute("broken").error, "42P01", "its table is gone")
        stage.equal(a.execute("sp").value, "fine", "the other one")


# Not compared: the proxy says that the EXECUTE's own statement does not exist.
@case("F", "SQL EXECUTE of a DEALLOCATE of the protocol hits nobody else", compare=False)
def _executed_deallocate(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    b.parse("s1", "SELECT 'of b'")
    for number in range(1, 6):
        for verb in ("DEALLOCATE", "EXECUTE", "EXPLAIN ANALYZE EXECUTE"):
            a.parse("sp", f"{verb} trunkline_{number}")
            stage.equal(a.simple("EXECUTE sp").error, "26000", f"{verb} trunkline_{number}")
            a.send(pgwire.close("S", "sp") + pgwire.sync(), note="close sp")
            a.ready()
    stage.equal(b.execute("s1").value, "of b", "b's Bind")


@case("F", "Bind of a statement of SQL")
def _to_protocol(stage: Stage) -> None:
    a, b = _pair(stage, SIMPLE)
    for client in (a, b):
        stage.equal(client.execute("sp").value, f"of {client.name}", f"{client.name}'s Bind")


@case("F", "Bind of a statement of SQL, moved", pool=2)
def _to_protocol_moved(stage: Stage) -> None:
    a, _ = _pair(stage, SIMPLE)
    stage.move()
    a.send(pgwire.describe("S", "sp") + pgwire.sync(), note="describe sp")
    stage.equal(a.ready().types, "tTZ", "Describe")
    stage.equal(a.execute("sp").value, "of a", "Bind")


@case("F", "Close of the protocol ends a statement of SQL")
def _closed(stage: Stage) -> None:
    a, b = _pair(stage, SIMPLE)
    a.send(pgwire.close("S", "sp") + pgwire.sync(), note="close sp")
    a.ready()
    stage.equal(a.simple("EXECUTE sp").error, "26000", "a's EXECUTE")
    stage.equal(b.simple("EXECUTE sp").value, "of b", "b's EXECUTE")


@case("F", "quoted and folded names are told apart")
def _quoted(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple('PREPARE SP AS SELECT 1; PREPARE "SP" AS SELECT 2')
    b.simple('PREPARE "sp" AS SELECT 3')
    stage.equal(a.simple('EXECUTE sp; EXECUTE "SP"').values, ["1", "2"], "a's rows")
    stage.equal(b.simple("EXECUTE Sp").value, "3", "b's row")


FORGETTING = ["DEALLOCATE ALL", "DEALLOCATE PREPARE ALL", "DISCARD ALL"]


def _prepared(stage: Stage):
    a, b = stage.clients("a", "b")
    for client in (a, b):
        client.parse("old", f"SELECT 'of {client.name}'")
    return a, b


for _statement in FORGETTING:
    @_each("G", _statement)
    def _forget(stage: Stage, way: Way, statement: str = _statement) -> None:
        a, b = _prepared(stage)
        way.run(a, statement)
        stage.equal(a.execute("old").error, "26000", "a's Bind")
        stage.equal(a.simple("SELECT 'alive'").value, "alive", "a's session")
        stage.equal(b.execute("old").value, "of b", "b's Bind")

    @_each("G", f"{_statement}, then the name anew, moved", pool=2)
    def _forget_moved(stage: Stage, way: Way, statement: str = _statement) -> None:
        a, b = _prepared(stage)
        way.run(a, statement)
        stage.move()
        stage.equal(a.execute("old").error, "26000", "a's Bind")
        stage.equal(a.parse("old", "SELECT 'new'").types, "1Z", "a's Parse")
        stage.equal(a.execute("old").value, "new", "a's Bind of the new one")
        stage.equal(b.execute("old").value, "of b", "b's Bind")

    @_each("G", f"{_statement} and the Bind in one write")
    def _forget_pipelined(stage: Stage, way: Way, statement: str = _statement) -> None:
        a, b = _prepared(stage)
        a.send(way.one(a, statement).data + pgwire.bind("", "old") + pgwire.execute() +
               pgwire.sync() + pgwire.query("SELECT 'alive'"),
               note=f"{statement}, bind, SELECT")
        said = a.ready(3)
        stage.equal((said.error, said.value), ("26000", "alive"), "a's Bind, and what follows")
        stage.equal(b.execute("old").value, "of b", "b's Bind")


for _name, _before, _after in (("in a block", ["BEGIN"], ["COMMIT"]),
                               ("in a block rolled back", ["BEGIN"], ["ROLLBACK"]),
                               ("after an error", ["SELECT 1/0"], []),
                               ("before an error", [], ["SELECT 1/0"])):
    @_each("G", f"DEALLOCATE ALL {_name}")
    def _forget_placed(stage: Stage, way: Way, before=_before, after=_after) -> None:
        a, b = _prepared(stage)
        for sql in [*before, "DEALLOCATE ALL", *after]:
            way.run(a, sql)
        stage.equal(a.execute("old").error, "26000", "a's Bind")
        stage.equal(b.execute("old").value, "of b", "b's Bind")


@_each("G", "DEALLOCATE ALL in a failed block does nothing")
def _forget_failed(stage: Stage, way: Way) -> None:
    a, b = _prepared(stage)
    for sql in ("BEGIN", "SELECT 1/0"):
        way.run(a, sql)
    stage.equal(way.run(a, "DEALLOCATE ALL").error, "25P02", "DEALLOCATE ALL")
    way.run(a, "ROLLBACK")
    for client in (a, b):
        stage.equal(client.execute("old").value, f"of {client.name}", f"{client.name}'s Bind")


@_each("G", "DEALLOCATE of one name keeps the others")
def _forget_one(stage: Stage, way: Way) -> None:
    a, b = _prepared(stage)
    a.parse("other", "SELECT 'other'")
    stage.equal(way.run(a, "DEALLOCATE old").tags, ["DEALLOCATE"], "DEALLOCATE")
    stage.equal(a.execute("old").error, "26000", "a's Bind")
    stage.equal(a.execute("other").value, "other", "a's other statement")
    stage.equal(b.execute("old").value, "of b", "b's Bind")
