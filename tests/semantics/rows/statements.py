"""Rows D and E: statements of the protocol belong to the client that parsed them."""

from lib import pgwire
from semantics.case import case
from semantics.client import Client, batch
from semantics.stage import Stage
from semantics.ways import ERROR


def _unnamed_pair(stage: Stage):
    a, b = stage.clients("a", "b")
    a.parse("", "SELECT 'of a', $1::text")
    b.parse("", "SELECT 'of b', $1::text")
    return a, b


def _own(stage: Stage, client: Client, statement: str = "") -> None:
    said = client.execute(statement, ["x"])
    stage.equal(said.rows(), [[f"of {client.name}", "x"]], f"{client.name}'s statement")


@case("D", "alone")
def _unnamed(stage: Stage) -> None:
    a, b = _unnamed_pair(stage)
    for client in (a, b, a):
        _own(stage, client)


@case("D", "moved", pool=2)
def _unnamed_moved(stage: Stage) -> None:
    a, _ = _unnamed_pair(stage)
    stage.move()
    _own(stage, a)


@case("D", "described")
def _unnamed_described(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.parse("", "SELECT 1 AS one, $1::int AS two")
    b.parse("", "SELECT 'text' AS three")
    a.send(pgwire.describe("S") + pgwire.sync(), note="describe")
    said = a.ready()
    stage.equal([field[0] for field in said[1][1]], ["one", "two"], "columns of a's statement")


@case("D", "in a block that began in the extended protocol")
def _unnamed_in_block(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.parse("begin", "BEGIN")
    b.parse("", "SELECT 'of b', $1::text")
    a.parse("", "SELECT 'of a', $1::text")
    b.execute("", ["x"])
    stage.equal(a.execute("begin").status, "T", "a's block")
    _own(stage, a)
    a.simple("COMMIT")


@case("D", "in a pipeline")
def _unnamed_pipeline(stage: Stage) -> None:
    a, b = _unnamed_pair(stage)
    one = pgwire.bind("", "", ["x"]) + pgwire.execute() + pgwire.sync()
    a.send(one * 3, note="three executions")
    stage.equal(a.ready(3).rows(), [["of a", "x"]] * 3, "a's rows")


@case("D", "an error between Parse and Bind keeps the statement")
def _unnamed_error(stage: Stage) -> None:
    a, b = _unnamed_pair(stage)
    a.send(pgwire.bind("", "missing") + pgwire.sync(), note="bind of a missing statement")
    stage.equal(a.ready().error, "26000", "bind of a missing statement")
    b.simple(ERROR)
    _own(stage, a)


@case("D", "an error after Bind, then again")
def _unnamed_error_after(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.parse("", "SELECT 1 / $1::int")
    b.parse("", "SELECT 'of b'")
    stage.equal(a.execute("", ["0"]).error, "22012", "division by zero")
    stage.equal(a.execute("", ["1"]).value, "1", "the same statement")


@case("D", "another client's simple query does not destroy it")
def _unnamed_simple_other(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.parse("", "SELECT 'of a', $1::text")
    b.simple("SELECT 1")
    _own(stage, a)


@case("D", "the client's own simple query destroys it")
def _unnamed_simple_own(stage: Stage) -> None:
    a, b = _unnamed_pair(stage)
    a.simple("SELECT 1")
    stage.equal(a.execute("", ["x"]).error, "26000", "Bind after a simple query")
    _own(stage, b)


@case("D", "a Parse that fails destroys it")
def _unnamed_failed_parse(stage: Stage) -> None:
    a, b = _unnamed_pair(stage)
    stage.equal(a.parse("", "SELEC 1").error, "42601", "the syntax error")
    stage.equal(a.execute("", ["x"]).error, "26000", "Bind after it")
    _own(stage, b)


@case("D", "closed by its owner only")
def _unnamed_closed(stage: Stage) -> None:
    a, b = _unnamed_pair(stage)
    b.send(pgwire.close("S") + pgwire.sync(), note="close")
    b.ready()
    stage.equal(b.execute("", ["x"]).error, "26000", "b's statement")
    _own(stage, a)


@case("D", "never parsed: ERROR although another client has one")
def _unnamed_never(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    b.parse("", "SELECT 'of b', $1::text")
    stage.equal(a.execute("", ["x"]).error, "26000", "a's Bind")


@case("D", "answered at Flush, executed after Sync")
def _unnamed_flush(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.send(pgwire.parse("", "SELECT 'of a', $1::text") + pgwire.describe("S") + pgwire.flush(),
           note="parse, flush")
    a.until("T")
    a.send(pgwire.sync(), note="sync")
    a.ready()
    b.parse("", "SELECT 'of b', $1::text")
    _own(stage, a)


def _named_pair(stage: Stage):
    a, b = stage.clients("a", "b")
    for client in (a, b):
        said = client.parse("s1", f"SELECT 'of {client.name}', $1::text")
        stage.equal(said.types, "1Z", f"{client.name}'s Parse")
    return a, b


@case("E", "alone")
def _named(stage: Stage) -> None:
    a, b = _named_pair(stage)
    for client in (a, b, a, b):
        _own(stage, client, "s1")


@case("E", "moved", pool=2)
def _named_moved(stage: Stage) -> None:
    a, _ = _named_pair(stage)
    stage.move()
    _own(stage, a, "s1")


@case("E", "parsed in a block, used after it")
def _named_block(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("BEGIN")
    a.parse("s1", "SELECT 'of a', $1::text")
    a.simple("COMMIT")
    b.parse("s1", "SELECT 'of b', $1::text")
    for client in (a, b):
        _own(stage, client, "s1")


@case("E", "parsed in a block that is rolled back, used after it")
def _named_rolled_back(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("BEGIN")
    a.parse("s1", "SELECT 'of a', $1::text")
    a.simple("ROLLBACK")
    b.parse("s1", "SELECT 'of b', $1::text")
    for client in (a, b):
        _own(stage, client, "s1")


@case("E", "used in a block")
def _named_in_block(stage: Stage) -> None:
    a, b = _named_pair(stage)
    a.simple("BEGIN")
    _own(stage, a, "s1")
    a.simple("COMMIT")
    _own(stage, b, "s1")


@case("E", "used in a block, moved", pool=2)
def _named_in_block_moved(stage: Stage) -> None:
    a, _ = _named_pair(stage)
    stage.move()
    a.simple("BEGIN")
    _own(stage, a, "s1")
    _own(stage, a, "s1")
    a.simple("COMMIT")


KNOWN = "SELECT 'known'"  # reads no table: one that may have been altered is prepared again


def _known_to_the_connection(stage: Stage, sql: str = KNOWN):
    a, b = stage.clients("a", "b")
    b.parse("s1", sql)
    return a, b


@case("E", "a Parse of what another client has prepared: the isolation is decided")
def _known_isolation(stage: Stage) -> None:
    a, _ = _known_to_the_connection(stage)
    a.simple("BEGIN")
    stage.equal(a.parse("s1", KNOWN).types, "1Z", "a's Parse")
    stage.equal(a.simple("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").error, "25001", "after it")
    a.simple("ROLLBACK")
    a.simple("BEGIN")
    stage.equal(a.simple("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").types, "CZ", "the next")
    a.simple("COMMIT")


@case("E", "the same in one pipeline with BEGIN, and after COMMIT AND CHAIN")
def _known_isolation_pipeline(stage: Stage) -> None:
    a, _ = _known_to_the_connection(stage)
    isolation = batch("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
    a.send(batch("BEGIN") + pgwire.parse("s1", KNOWN) + isolation + pgwire.sync(),
           note="BEGIN, parse, isolation")
    stage.equal(a.ready().error, "25001", "after it")
    a.simple("ROLLBACK")
    a.simple("BEGIN")
    a.simple("SELECT 1")
    a.send(batch("COMMIT AND CHAIN") + pgwire.parse("s2", KNOWN) + isolation +
           pgwire.sync(), note="COMMIT AND CHAIN, parse, isolation")
    stage.equal(a.ready().error, "25001", "in the next transaction")
    a.simple("ROLLBACK")


@case("E", "a Parse of what another client has prepared: a repeatable read begins")
def _known_repeatable(stage: Stage) -> None:
    a, _ = _known_to_the_connection(stage)
    a.simple("BEGIN ISOLATION LEVEL REPEATABLE READ")
    a.parse("s1", KNOWN)
    stage.admin("INSERT INTO notes VALUES (1, 'later')")
    stage.equal(a.simple("SELECT note FROM notes").rows(), [], "what was written since")
    a.simple("COMMIT")
    stage.equal(a.simple("SELECT note FROM notes").value, "later", "after it")


@case("E", "a Parse of what PostgreSQL does not analyse decides nothing")
def _known_unanalysed(stage: Stage) -> None:
    a, _ = _known_to_the_connection(stage, "SHOW work_mem")
    a.simple("BEGIN")
    a.parse("s1", "SHOW work_mem")
    stage.equal(a.simple("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").types, "CZ", "after it")
    a.simple("COMMIT")


@case("E", "in a pipeline")
def _named_pipeline(stage: Stage) -> None:
    a, b = _named_pair(stage)
    for client in (a, b):
        one = pgwire.bind("", "s1", ["x"]) + pgwire.execute()
        client.send((one + pgwire.sync()) * 2 + one + one + pgwire.sync(), note="four executions")
        stage.equal(client.ready(3).rows(), [[f"of {client.name}", "x"]] * 4, client.name)


@case("E", "an error before and after")
def _named_errors(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple(ERROR)
    a.parse("s1", "SELECT 'of a', $1::text")
    b.parse("s1", "SELECT 'of b', $1::text")
    a.extended(ERROR)
    for client in (a, b):
        _own(stage, client, "s1")


@case("E", "parsed in a pipeline after an error: it does not exist")
def _named_skipped(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    b.parse("s1", "SELECT 'of b', $1::text")
    a.send(pgwire.parse("bad", "SELEC") + pgwire.parse("s1", "SELECT 'of a', $1::text") +
           pgwire.sync(), note="parse of an error, parse s1")
    stage.equal(a.ready().types, "EZ", "one error")
    stage.equal(a.execute("s1", ["x"]).error, "26000", "a's s1")
    a.parse("s1", "SELECT 'of a', $1::text")
    for client in (a, b):
        _own(stage, client, "s1")


@case("E", "parsed after an error that the client has heard: it does not exist")
def _behind_error(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.send(pgwire.parse("bad", "SELEC") + pgwire.flush(), note="parse of an error, flush")
    a.until("E")
    a.send(pgwire.parse("s1", "SELECT 'shared'") + pgwire.bind("", "s1") + pgwire.execute() +
           pgwire.sync(), note="parse s1, which is skipped")
    stage.equal(a.ready().types, "Z", "nothing of it is answered")
    stage.equal(a.execute("s1").error, "26000", "a's s1")
    stage.equal(b.parse("s1", "SELECT 'shared'").types, "1Z", "b's Parse of the same text")
    stage.equal(b.execute("s1").value, "shared", "b's Bind")
    stage.equal(a.parse("s1", "SELECT 'shared'").types, "1Z", "a's second Parse")
    stage.equal(a.execute("s1").value, "shared", "a's Bind")


@case("E", "a Parse that fails leaves the name free")
def _named_failed(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    b.parse("s1", "SELECT 'of b', $1::text")
    stage.equal(a.parse("s1", "SELECT * FROM missing").error, "42P01", "a's Parse")
    stage.equal(a.parse("s1", "SELECT 'of a', $1::text").types, "1Z", "a's second Parse")
    for client in (a, b):
        _own(stage, client, "s1")


DESCRIBED = {"DO $$ BEGIN END $$": "tnZ", "SET work_mem = '5MB'": "tnZ", "DELETE FROM notes": "tnZ",
             "CREATE TEMP TABLE t (x int)": "tnZ", "COPY notes TO STDOUT": "tnZ", "": "tnZ",
             "DELETE FROM notes RETURNING note": "EZ", "SHOW work_mem": "EZ", "SELECT 1": "EZ"}


@case("E", "described in a failed block on another connection", pool=2)
def _described_failed(stage: Stage) -> None:
    a = stage.client("a")
    for number, sql in enumerate(DESCRIBED):
        a.parse(f"s{number}", sql)
    stage.move()
    for sql in ("BEGIN", "SELEC"):
        a.simple(sql)
    for number, (sql, types) in enumerate(DESCRIBED.items()):
        a.send(pgwire.describe("S", f"s{number}") + pgwire.sync(), note=f"describe {sql}")
        stage.equal(a.ready().types, types, sql)


@case("E", "the same name twice in one client is an error, in two it is not")
def _named_twice(stage: Stage) -> None:
    a, b = _named_pair(stage)
    said = a.parse("s1", "SELECT 2")
    stage.equal(said.error, "42P05", "a's second Parse")
    stage.must('"s1"' in dict(said[0][1])["M"], "the error has the client's name of it")
    _own(stage, a, "s1")


@case("E", "the same name and text in two clients, and twice in one")
def _named_same_text(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    for client in (a, b):
        stage.equal(client.parse("s1", "SELECT $1::text").types, "1Z", client.name)
    stage.equal(a.parse("s1", "SELECT $1::text").error, "42P05", "a's second Parse")
    stage.equal(b.execute("s1", ["x"]).value, "x", "b's statement")


@case("E", "closed by its owner only")
def _named_closed(stage: Stage) -> None:
    a, b = _named_pair(stage)
    b.send(pgwire.close("S", "s1") + pgwire.sync(), note="close s1")
    stage.equal(b.ready().types, "3Z", "Close")
    stage.equal(b.execute("s1", ["x"]).error, "26000", "b's statement")
    _own(stage, a, "s1")


@case("E", "closed and parsed anew in one write")
def _named_replaced(stage: Stage) -> None:
    a, b = _named_pair(stage)
    a.send(pgwire.close("S", "s1") + pgwire.parse("s1", "SELECT 'new'") + pgwire.bind("", "s1") +
           pgwire.execute() + pgwire.sync(), note="close, parse, bind, execute")
    stage.equal(a.ready().values, ["new"], "a's new statement")
    _own(stage, b, "s1")


@case("E", "declared types differ, the text does not")
def _named_types(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.parse("s1", "SELECT $1", [23])
    b.parse("s1", "SELECT $1", [25])
    for client, oid in ((a, 23), (b, 25)):
        client.send(pgwire.describe("S", "s1") + pgwire.sync(), note="describe s1")
        stage.equal(client.ready()[0], ("t", (oid,)), f"{client.name}'s parameter type")
    stage.equal(a.execute("s1", ["x"]).error, "22P02", "a's integer")
    stage.equal(b.execute("s1", ["x"]).value, "x", "b's text")


@case("E", "two hundred statements, moved", pool=2)
def _named_many(stage: Stage) -> None:
    a = stage.client("a")
    a.send(*(pgwire.parse(f"s{n}", f"SELECT {n}") for n in range(200)), pgwire.sync(),
           note="200 Parse")
    a.ready()
    stage.move()
    for number in (0, 77, 199):
        stage.equal(a.execute(f"s{number}").value, str(number), f"s{number}")


@case("E", "DDL after Parse: PostgreSQL's answer", teardown="DROP TABLE IF EXISTS changing")
def _named_ddl(stage: Stage) -> None:
    stage.admin("CREATE TABLE changing (a int); INSERT INTO changing VALUES (1); "
                f"GRANT ALL ON changing TO {stage.lab.user}")
    a, b = stage.clients("a", "b")
    a.parse("s1", "SELECT * FROM changing")
    a.execute("s1")
    stage.admin("ALTER TABLE changing ADD COLUMN b text DEFAULT 'new'")
    stage.equal(a.execute("s1").error, "0A000", "the old statement's columns have changed")
    b.parse("s1", "SELECT * FROM changing")
    stage.equal(b.execute("s1").rows(), [["1", "new"]], "a statement parsed after it")
