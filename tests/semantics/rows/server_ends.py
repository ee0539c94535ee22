"""Row Z: the server ends pooled connections that are idle; no client notices.

Directly nothing is ended: PostgreSQL's transcript is that of a client whose connection lives.
"""

import time
from typing import Callable, Dict

from lib import pgwire
from semantics.case import case
from semantics.client import Client
from semantics.stage import Stage
from semantics.ways import PROTOCOL, WAYS

WAITS = {"at once": 0.0, "0.2 s later": 0.2}


def _parse(client: Client) -> None:
    client.parse("s1", "SELECT 'of s1'")


def _set(client: Client) -> None:
    client.simple("SET enable_seqscan = off")
    client.simple("SET search_path = north")


# What a did before, and what it asks for afterwards: (do, sql or statement, wanted).
STATES: Dict[str, tuple] = {
    "nothing": (lambda a: None, lambda a: a.simple("SELECT 'served'"), "served"),
    "a query": (lambda a: a.simple("SELECT 1"), lambda a: a.simple("SELECT 'served'"), "served"),
    "a named statement": (_parse, lambda a: a.execute("s1"), "of s1"),
    "the unnamed statement": (lambda a: a.parse("", "SELECT 'unnamed'"),
                              lambda a: a.execute(""), "unnamed"),
    "a statement of SQL": (lambda a: a.simple("PREPARE sp AS SELECT 'of sp'"),
                           lambda a: a.simple("EXECUTE sp"), "of sp"),
    "settings": (_set, lambda a: a.extended("SELECT name FROM whose"), "north"),
    "a role": (lambda a: a.simple("SET ROLE semantics_other"),
               lambda a: a.simple("SELECT current_user"), "semantics_other"),
}
for _name, (_before, _after, _wanted) in STATES.items():
    for _when, _seconds in WAITS.items():
        @case("Z", f"after {_name}, {_when}")
        def _served(stage: Stage, before: Callable = _before, after: Callable = _after,
                    wanted: str = _wanted, seconds: float = _seconds) -> None:
            a, b = stage.clients("a", "b")
            before(a)
            stage.end_idle_backends()
            if not stage.direct:
                time.sleep(seconds)
            stage.equal(after(a).value, wanted, "a's answer")
            stage.equal(b.simple("SELECT 'served'").value, "served", "b")


for _way in WAYS:
    @case("Z", f"a block afterwards, {_way.name}")
    def _block(stage: Stage, way=_way) -> None:
        a, b = stage.clients("a", "b")
        way.run(a, "SELECT 1")
        stage.end_idle_backends()
        for sql in ("BEGIN", "INSERT INTO notes VALUES (1)", "COMMIT"):
            stage.equal(way.run(a, sql).errors, [], sql)
        stage.equal(way.run(b, "SELECT id FROM notes").value, "1", "b's look")


for _way in PROTOCOL:
    @case("Z", f"a pipeline afterwards, {_way.name}")
    def _pipeline(stage: Stage, way=_way) -> None:
        a, b = stage.clients("a", "b")
        way.run(a, "SELECT 1")
        stage.end_idle_backends()
        steps = [way.one(a, f"INSERT INTO notes VALUES ({n})") for n in range(5)]
        a.send(*(step.data for step in steps), note="five INSERTs")
        stage.equal(a.ready(5).errors, [], "the INSERTs")
        stage.equal(b.simple("SELECT count(*) FROM notes").value, "5", "rows that are there")


@case("Z", "a listener goes on hearing")
def _listener(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("LISTEN chat")
    listeners = f"SELECT pid {stage.lab.backends} AND state = 'idle' AND query LIKE '%LISTEN%'"
    before = stage.admin(listeners)
    stage.end_idle_backends()
    if not stage.direct:  # the proxy may take a moment to listen again; meanwhile there is a gap
        stage.wait(lambda: any(each not in before for each in stage.admin(listeners)),
                   "the proxy listens again")
    b.simple("NOTIFY chat, 'hello'")
    stage.equal(a.notified(), [("chat", "hello")], "a's notifications")


@case("Z", "again and again")
def _again(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    for number in range(10):
        for client in (a, b):
            stage.equal(client.simple(f"SELECT {number}").value, str(number), client.name)
        stage.end_idle_backends()


@case("Z", "an idle client hears nothing")
def _silent(stage: Stage) -> None:
    a = stage.client("a")
    a.simple("SELECT 1")
    stage.end_idle_backends()
    stage.must(a.silent(0.1), "a is told nothing")
    stage.equal(a.simple("SELECT 'served'").value, "served", "a")


@case("Z", "both connections of the pool, one of them in use", pool=2)
def _in_use(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("BEGIN")
    b.simple("SELECT 1")
    stage.end_idle_backends()
    stage.equal(b.simple("SELECT 'served'").value, "served", "b")
    stage.equal(a.simple("SELECT 'in the block'").value, "in the block", "a")
    a.simple("COMMIT")


@case("Z", "the server is restarted", timeout=40)
def _restart(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.parse("s1", "SELECT 'of s1'")
    b.simple("SET search_path = north")
    stage.restart_server()
    stage.equal(a.execute("s1").value, "of s1", "a's statement")
    stage.equal(b.simple("SELECT name FROM whose").value, "north", "b's table")


@case("Z", "a client that logged in before the server was ended, and one after")
def _newcomer(stage: Stage) -> None:
    a = stage.client("a")
    stage.end_idle_backends()
    b = stage.client("b")
    b.send(pgwire.query("SELECT 'of b'"), note="SELECT")
    stage.equal(b.ready().value, "of b", "b")
    stage.equal(a.simple("SELECT 'of a'").value, "of a", "a")
