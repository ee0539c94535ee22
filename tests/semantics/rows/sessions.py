"""Rows M, Q, S, T, W: state that lives in one backend, and pins its session there.

With a pool of two, b is free to take the other connection while a is pinned to its own.
"""

from semantics.case import case
from semantics.client import Client
from semantics.product import State, product
from semantics.stage import Stage
from semantics.ways import (ALONE, BLOCK, KEPT, MOVED, PROTOCOL, ROLLED_BACK, UNDONE, WAYS, Way)

# -- M: session advisory locks (a rollback does not release them) ---------------------------------

TRY = "SELECT pg_try_advisory_lock(7)"
UNLOCK = [("SELECT pg_advisory_unlock(7)", "t")]
product("M", "pg_advisory_lock", State(
    ["SELECT pg_advisory_lock(7)"], own=UNLOCK, undone=UNLOCK, other=[(TRY, "f")], pool=2),
    places=KEPT + (UNDONE,))
product("M", "pg_try_advisory_lock_shared", State(
    ["SELECT pg_try_advisory_lock_shared(7)"], own=[("SELECT pg_advisory_unlock_shared(7)", "t")],
    other=[(TRY, "f")], pool=2), ways=PROTOCOL, places=(ALONE, BLOCK, MOVED))
product("M", "a lock taken by a DO block", State(
    ["DO $$ BEGIN PERFORM pg_advisory_lock(7); END $$"], own=UNLOCK, other=[(TRY, "f")], pool=2),
    ways=PROTOCOL, places=(ALONE, BLOCK, MOVED))
product("M", "pg_advisory_xact_lock ends with the transaction", State(
    ["SELECT pg_advisory_xact_lock(7)"], own=[("SELECT pg_advisory_unlock(7)", "f")],
    other=[(TRY, "t"), (UNLOCK[0][0], "t")]), ways=PROTOCOL, places=(ALONE, BLOCK))


@case("M", "unlocked by a, then locked by b (a pool of one)")
def _unlocked(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    for client in (a, b, a):
        client.simple("SELECT pg_advisory_lock(7)")
        stage.equal(client.simple(UNLOCK[0][0]).value, "t", f"{client.name}'s unlock")


@case("M", "pg_advisory_unlock_all and DISCARD ALL release (a pool of one)")
def _unlocked_all(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    for release in ("SELECT pg_advisory_unlock_all()", "DISCARD ALL"):
        a.simple("SELECT pg_advisory_lock(7), pg_advisory_lock(8)")
        a.simple(release)
        stage.equal(b.simple("SELECT pg_try_advisory_lock(7)").value, "t", f"b after {release}")
        b.simple(release)


@case("M", "the lock of a client that goes away is released", pool=2)
def _lock_gone(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("SELECT pg_advisory_lock(7)")
    stage.equal(b.simple(TRY).value, "f", "b while a is there")
    a.vanish("close")
    stage.equal(b.simple("SELECT pg_advisory_lock(7)").errors, [], "b when a is gone")


# -- Q: sequences ---------------------------------------------------------------------------------

LAST, CURRENT = "SELECT lastval()", "SELECT currval('counter')"
MINE = [(LAST, "1"), (CURRENT, "1")]
product("Q", "nextval, then lastval and currval", State(
    ["SELECT nextval('counter')"], own=MINE, undone=MINE,
    other=[(LAST, "!55000"), (CURRENT, "!55000")], pool=2), places=KEPT + (UNDONE,))
product("Q", "setval, then currval", State(
    ["SELECT setval('counter', 40)"], own=[(CURRENT, "40")], other=[(CURRENT, "!55000")], pool=2),
    ways=PROTOCOL, places=(ALONE, MOVED))
product("Q", "nextval in a DO block", State(
    ["DO $$ BEGIN PERFORM nextval('counter'); END $$"], own=MINE, other=[(LAST, "!55000")],
    pool=2), ways=PROTOCOL, places=(ALONE, MOVED))
product("Q", "nextval in both", State(
    ["SELECT nextval('counter')"], own=MINE,
    other=[("SELECT nextval('other_counter')", None), (CURRENT, "!55000")], pool=2),
    ways=PROTOCOL, places=(ALONE, MOVED))
product("Q", "DISCARD SEQUENCES of b", State(
    ["SELECT nextval('counter')"], own=MINE,
    other=[("DISCARD SEQUENCES", None), (LAST, "!55000")], pool=2),
    ways=PROTOCOL, places=(ALONE, MOVED))


@case("Q", "DISCARD SEQUENCES forgets (a pool of one)")
def _sequences(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    for client in (a, b):
        client.simple("SELECT nextval('counter')")
        client.simple("DISCARD SEQUENCES")
        stage.equal(client.simple(LAST).error, "55000", f"{client.name}'s lastval")


@case("Q", "an INSERT's default, then lastval, which somebody has asked before", pool=2,
      setup="CREATE TABLE numbered (id serial, note text); GRANT ALL ON numbered TO PUBLIC; "
      "GRANT ALL ON SEQUENCE numbered_id_seq TO PUBLIC", teardown="DROP TABLE numbered")
def _serial(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    stage.equal(b.simple(LAST).error, "55000", "b's lastval")
    a.simple("INSERT INTO numbered (note) VALUES ('x')")
    stage.equal(b.simple(LAST).error, "55000", "b's lastval")
    stage.equal(a.simple(LAST).value, "1", "a's lastval")


# -- S: random numbers ----------------------------------------------------------------------------

NUMBERS = [("SELECT random()", None)] * 3
product("S", "setseed, then random", State(
    ["SELECT setseed(0.5)"], own=NUMBERS, undone=NUMBERS,
    other=[("SELECT random() IS NOT NULL", "t")], pool=2), places=KEPT + (UNDONE,))


@case("S", "both have their own sequence", pool=2)
def _seeds(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    for client in (a, b):
        client.simple("SELECT setseed(0.25)")
    for _ in range(3):
        mine, other = (client.simple("SELECT random()").value for client in (a, b))
        stage.equal(mine, other, "the same seed brings the same numbers")


@case("S", "SET seed", pool=2)
def _set_seed(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("SET seed = 0.5")
    b.simple("SELECT random() IS NOT NULL")
    for _ in range(3):
        a.simple("SELECT random()")


# -- T: temporary objects -------------------------------------------------------------------------

SCRATCH = "SELECT t FROM scratch"
product("T", "a table", State(
    ["CREATE TEMP TABLE scratch AS SELECT 'of a' AS t"], own=[(SCRATCH, "of a")],
    other=[(SCRATCH, "!42P01")], pool=2), places=KEPT + ROLLED_BACK)
product("T", "a table by SELECT INTO", State(
    ["SELECT 'of a' AS t INTO TEMP scratch"], own=[(SCRATCH, "of a")],
    other=[(SCRATCH, "!42P01")], pool=2), ways=PROTOCOL, places=(ALONE, MOVED))
product("T", "a table in pg_temp", State(
    ["CREATE TABLE pg_temp.scratch (t text)", "INSERT INTO scratch VALUES ('of a')"],
    own=[(SCRATCH, "of a")], other=[(SCRATCH, "!42P01")], pool=2),
    ways=PROTOCOL, places=(ALONE, MOVED))
product("T", "a table of each", State(
    ["CREATE TEMP TABLE scratch AS SELECT 'of a' AS t"], own=[(SCRATCH, "of a")],
    other=[("DROP TABLE IF EXISTS scratch", None),
           ("CREATE TEMP TABLE scratch AS SELECT 'of b' AS t", None), (SCRATCH, "of b")], pool=2),
    ways=PROTOCOL, places=(ALONE, BLOCK))
product("T", "a function", State(
    ["CREATE FUNCTION pg_temp.mine() RETURNS text LANGUAGE sql AS 'SELECT ''of a'''"],
    own=[("SELECT pg_temp.mine()", "of a")], other=[("SELECT pg_temp.mine()", "!3F000")], pool=2),
    places=(ALONE, BLOCK, MOVED))
product("T", "a type", State(
    ["CREATE TYPE pg_temp.mood AS ENUM ('sad', 'ok')"],
    own=[("SELECT 'sad'::pg_temp.mood", "sad")],
    other=[("SELECT 'sad'::pg_temp.mood", "!3F000")], pool=2), places=(ALONE, BLOCK, MOVED))
product("T", "a view", State(
    ["CREATE TEMP VIEW scratch AS SELECT 'of a' AS t"], own=[(SCRATCH, "of a")],
    other=[(SCRATCH, "!42P01")], pool=2), ways=PROTOCOL, places=(ALONE, MOVED))
product("T", "a table that hides another", State(
    ["CREATE TEMP TABLE whose AS SELECT 'of a' AS name"],
    own=[("SELECT name FROM whose", "of a")], other=[("SELECT name FROM whose", "public")],
    pool=2), places=(ALONE, BLOCK, MOVED))


def _in_turns(stage: Stage, way: Way, statements) -> None:
    """Both clients, over and over, in a pool of one: nothing may stay behind."""
    clients = stage.clients("a", "b")
    for client in clients * 2:
        for sql in statements:
            stage.equal(way.run(client, sql).errors, [], f"{client.name}: {sql}")


for _way in PROTOCOL:
    case("T", f"ON COMMIT DROP ends with the block (a pool of one), {_way.name}")(
        lambda stage, way=_way: _in_turns(stage, way, [
            "BEGIN", "CREATE TEMP TABLE scratch (t text) ON COMMIT DROP",
            "INSERT INTO scratch VALUES ('x')", "COMMIT"]))
    case("T", f"dropped, the session is free again (a pool of one), {_way.name}")(
        lambda stage, way=_way: _in_turns(stage, way, [
            "CREATE TEMP TABLE scratch (t text)", "DROP TABLE scratch"]))
    case("T", f"DISCARD TEMP frees the session (a pool of one), {_way.name}")(
        lambda stage, way=_way: _in_turns(stage, way, [
            "CREATE TEMP TABLE scratch (t text)", "DISCARD TEMP"]))
    case("W", f"closed, the session is free again (a pool of one), {_way.name}")(
        lambda stage, way=_way: _in_turns(stage, way, [
            "DECLARE held CURSOR WITH HOLD FOR SELECT 1", "FETCH held", "CLOSE held"]))


@case("T", "the table of a client that went away is gone", pool=2)
def _temp_gone(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("CREATE TEMP TABLE scratch (t text)")
    a.vanish("close")
    for client in (b, stage.client("c")):
        stage.equal(client.simple(SCRATCH).error, "42P01", f"{client.name}'s look")
        stage.equal(client.simple("CREATE TEMP TABLE scratch (t text)").errors, [],
                    f"{client.name}'s own table")


# -- W: held cursors ------------------------------------------------------------------------------

FETCH = "FETCH 1 FROM held"
HELD = ["DECLARE held CURSOR WITH HOLD FOR SELECT n FROM numbers ORDER BY n", FETCH]
product("W", "a held cursor", State(
    HELD, own=[(FETCH, "2"), (FETCH, "3")], undone=[(FETCH, "!34000")],
    other=[(FETCH, "!34000")], last=["CLOSE held"], pool=2),
    ways=PROTOCOL, places=KEPT + ROLLED_BACK)
product("W", "a held cursor of each", State(
    HELD, own=[(FETCH, "2"), ("MOVE 3 FROM held", None), (FETCH, "6")],
    other=[("CLOSE ALL", None), ("DECLARE held CURSOR WITH HOLD FOR SELECT 'of b'", None),
           (FETCH, "of b")], pool=2),
    ways=PROTOCOL, places=(ALONE, BLOCK, MOVED))
product("W", "CLOSE ALL of b", State(
    HELD, own=[(FETCH, "2")], other=[("CLOSE ALL", None), (FETCH, "!34000")], pool=2),
    ways=PROTOCOL, places=(ALONE, MOVED))


def _cursor_names(client: Client) -> list:
    return client.simple("SELECT name FROM pg_cursors WHERE is_holdable").values


@case("W", "pg_cursors shows the client's own", pool=2)
def _cursors(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple(HELD[0])
    stage.equal(_cursor_names(b), [], "b's cursors")
    stage.equal(_cursor_names(a), ["held"], "a's cursors")


for _way in WAYS[:2]:
    case("W", f"a cursor without HOLD ends with its block, {_way.name}")(
        lambda stage, way=_way: _in_turns(stage, way, [
            "BEGIN", "DECLARE held CURSOR FOR SELECT 1", "FETCH held", "COMMIT"]))
