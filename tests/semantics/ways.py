"""How a statement is sent (the ways) and where it stands (the places), for cases made by product.

A way turns one SQL statement into client messages; a place plays statements amid others: in a
block, in one write with others, after an error. Both are deterministic, so the same script runs
against PostgreSQL and against a proxy.
"""

import re
from dataclasses import dataclass
from typing import Callable, List, Sequence

from lib import pgwire
from semantics.client import Answer, Client, batch

ERROR = "SELECT 1/0"
PREPARABLE = re.compile(r"(?i)\s*(select|insert|update|delete|values|table)\b")
BARE = re.compile(r"(?i)\s*(begin|commit|rollback|savepoint|release|discard|prepare|execute|"
                  r"deallocate|declare|fetch|close|show|reset all)\b")


@dataclass(frozen=True)
class Step:
    """Bytes that bring `readies` ReadyForQuery messages."""

    note: str
    data: bytes
    readies: int = 1


@dataclass(frozen=True)
class Way:
    """`one` is a statement by itself, `many` several that share one Query or one Sync."""

    name: str
    one: Callable[[Client, str], Step]
    many: Callable[[Client, Sequence[str]], Step]

    def run(self, client: Client, sql: str) -> Answer:
        return send(client, [self.one(client, sql)])


def send(client: Client, steps: Sequence[Step]) -> Answer:
    """Steps in one write, and their whole answer."""
    client.send(*(step.data for step in steps), note=" + ".join(step.note for step in steps))
    return client.ready(sum(step.readies for step in steps))


def _simple_many(_: Client, sqls: Sequence[str]) -> Step:
    text = "; ".join(sqls)
    return Step(text, pgwire.query(text))


def _extended_many(_: Client, sqls: Sequence[str]) -> Step:
    return Step("extended: " + "; ".join(sqls),
                b"".join(batch(sql) for sql in sqls) + pgwire.sync())


def _in_sql(client: Client, sql: str) -> List[str]:
    """PREPARE and EXECUTE of what can be prepared, a DO block around what else may stand in one."""
    if PREPARABLE.match(sql):
        name = f"way_{client.name}_{client.number()}"
        return [f"PREPARE {name} AS {sql}", f"EXECUTE {name}", f"DEALLOCATE {name}"]
    if BARE.match(sql):
        return [sql]
    return [f"DO $do$ BEGIN EXECUTE $x${sql}$x$; END $do$"]


def _sql_one(client: Client, sql: str) -> Step:
    parts = _in_sql(client, sql)
    return Step("; ".join(parts), b"".join(pgwire.query(part) for part in parts), len(parts))


def _sql_many(client: Client, sqls: Sequence[str]) -> Step:
    return _simple_many(client, [part for sql in sqls for part in _in_sql(client, sql)])


SIMPLE = Way("simple", lambda client, sql: _simple_many(client, [sql]), _simple_many)
EXTENDED = Way("extended", lambda client, sql: _extended_many(client, [sql]), _extended_many)
SQL = Way("SQL-level", _sql_one, _sql_many)
PROTOCOL = (SIMPLE, EXTENDED)
WAYS = (SIMPLE, EXTENDED, SQL)


@dataclass(frozen=True)
class Place:
    """`moves`: the client gets another server connection afterwards; `undone`: rolled back."""

    name: str
    play: Callable[[Client, Way, Sequence[str]], None]
    moves: bool = False
    undone: bool = False


def _alone(client: Client, way: Way, sqls: Sequence[str]) -> None:
    for sql in sqls:
        way.run(client, sql)


def _around(*before: str, after: Sequence[str] = ()) -> Callable:
    def play(client: Client, way: Way, sqls: Sequence[str]) -> None:
        _alone(client, way, [*before, *sqls, *after])
    return play


def _pipeline(client: Client, way: Way, sqls: Sequence[str]) -> None:
    send(client, [way.one(client, sql) for sql in ["SELECT 'first'", *sqls, "SELECT 'last'"]])


def _pipelined_block(client: Client, way: Way, sqls: Sequence[str]) -> None:
    send(client, [way.one(client, sql) for sql in ["BEGIN", *sqls, "COMMIT"]])


def _pipeline_with_errors(client: Client, way: Way, sqls: Sequence[str]) -> None:
    send(client, [way.one(client, sql) for sql in [ERROR, *sqls, ERROR]])


def _batch(client: Client, way: Way, sqls: Sequence[str]) -> None:
    send(client, [way.many(client, ["SELECT 'first'", *sqls, "SELECT 'last'"])])


def _failed_batch(client: Client, way: Way, sqls: Sequence[str]) -> None:
    send(client, [way.many(client, [*sqls, ERROR, "SELECT 'skipped'"])])


ALONE = Place("alone", _alone)
BLOCK = Place("in a block", _around("BEGIN", after=["COMMIT"]))
PIPELINE = Place("in a pipeline", _pipeline)
PIPELINED_BLOCK = Place("in a pipelined block", _pipelined_block)
BATCH = Place("in one batch", _batch)
AFTER_ERROR = Place("after an error", _around(ERROR))
BEFORE_ERROR = Place("before an error", _around(after=[ERROR]))
BETWEEN_ERRORS = Place("between errors in a pipeline", _pipeline_with_errors)
AFTER_ROLLBACK = Place("after a failed block", _around("BEGIN", ERROR, "ROLLBACK"))
IN_SAVEPOINT = Place("in a block, after an error undone to a savepoint", _around(
    "BEGIN", "SAVEPOINT s", ERROR, "ROLLBACK TO s", after=["COMMIT"]))
RELEASED = Place("in a released savepoint", _around(
    "BEGIN", "SAVEPOINT s", after=["RELEASE s", "COMMIT"]))
MOVED = Place("moved afterwards", _alone, moves=True)
MOVED_BLOCK = Place("in a block, moved afterwards", _around("BEGIN", after=["COMMIT"]), moves=True)
UNDONE = Place("in a block rolled back", _around("BEGIN", after=["ROLLBACK"]), undone=True)
UNDONE_BY_ERROR = Place("in a block that fails", _around("BEGIN", after=[ERROR, "COMMIT"]),
                        undone=True)
UNDONE_SAVEPOINT = Place("in a savepoint rolled back", _around(
    "BEGIN", "SAVEPOINT s", after=["ROLLBACK TO s", "COMMIT"]), undone=True)
UNDONE_BATCH = Place("in one batch that fails", _failed_batch, undone=True)

KEPT = (ALONE, BLOCK, PIPELINE, BATCH, AFTER_ERROR, BEFORE_ERROR, MOVED)
ROLLED_BACK = (UNDONE, UNDONE_BY_ERROR, UNDONE_SAVEPOINT, UNDONE_BATCH)
EVERYWHERE = KEPT + (PIPELINED_BLOCK, BETWEEN_ERRORS, AFTER_ROLLBACK, IN_SAVEPOINT, RELEASED,
                     MOVED_BLOCK)
