"""Rows A and B: protocol 3.2, its long cancel key, and options nobody knows."""

from lib import pgwire
from lib.pgwire import VERSION_3_0, VERSION_3_2, VERSION_GREASE
from semantics.case import case
from semantics.client import Client
from semantics.stage import HELD, Stage
from semantics.ways import PROTOCOL

NEW = {"version": 18}  # PostgreSQL 18 is the first that speaks 3.2


@case("A", "3.2 is granted", **NEW)
def _granted(stage: Stage) -> None:
    a = stage.client("a", login=False)
    said = a.try_login(version=VERSION_3_2)
    stage.equal(said.errors, [], "the login")
    stage.must(not [each for each in said if each[0] == "v"], "no NegotiateProtocolVersion")
    stage.must(5 <= len(a.wire.session.key) <= 256, "the key is longer than 4 bytes")


@case("A", "3.0 keeps its key of four bytes")
def _old(stage: Stage) -> None:
    a = stage.client("a", login=False)
    a.try_login(version=VERSION_3_0)
    stage.equal(len(a.wire.session.key), 4, "the key's length")


@case("A", "a version from the future is negotiated down to 3.2", **NEW)
def _future(stage: Stage) -> None:
    a = stage.client("a", login=False)
    said = a.try_login(version=VERSION_GREASE)
    found = [each[1] for each in said if each[0] == "v"]
    stage.equal(found, [(VERSION_3_2, ())], "NegotiateProtocolVersion")


@case("A", "3.2 with an option nobody knows", **NEW)
def _unknown(stage: Stage) -> None:
    a = stage.client("a", login=False)
    said = a.try_login([("_pq_.foo", "1")], VERSION_3_2)
    found = [each[1] for each in said if each[0] == "v"]
    stage.equal(found, [(VERSION_3_2, ("_pq_.foo",))], "NegotiateProtocolVersion")


for _way in PROTOCOL:
    @case("A", f"a session of 3.2 works, {_way.name}", **NEW)
    def _works(stage: Stage, way=_way) -> None:
        a, b = _speaking(stage, "a", VERSION_3_2), stage.client("b")
        for client in (a, b, a):
            stage.equal(way.run(client, "SELECT 'served'").value, "served", client.name)


@case("A", "two clients have two keys", compare=False, **NEW)
def _keys(stage: Stage) -> None:
    sessions = [stage.client(name, version=VERSION_3_2).wire.session for name in "ab"]
    stage.must(sessions[0].key != sessions[1].key, "the keys differ")


def _speaking(stage: Stage, name: str, version: int) -> Client:
    """A client that was granted the version it asked for."""
    client = stage.client(name, version=version)
    stage.must(version == VERSION_3_0 or len(client.wire.session.key) > 4, "3.2 is granted")
    return client


def _sleep(stage: Stage, client: Client, seconds: int = 20) -> None:
    """Start a query that sleeps and wait until the server runs it."""
    client.send(pgwire.query(f"SELECT pg_sleep({seconds})"), note="SELECT pg_sleep")
    stage.wait(lambda: stage.running("pg_sleep"), "the query runs")


def _held(stage: Stage, client: Client) -> None:
    """Start a query that lasts until stage.holding() ends."""
    client.send(pgwire.query(f"SELECT {HELD}"), note="SELECT pg_advisory_xact_lock")
    stage.wait(lambda: stage.running(HELD), "the query runs")


for _version, _name, _more in ((VERSION_3_0, "3.0", {}), (VERSION_3_2, "3.2", NEW)):
    @case("A", f"the key of {_name} cancels, and only its own session", pool=2, **_more)
    def _cancels(stage: Stage, version=_version) -> None:
        a, b = (_speaking(stage, name, version) for name in "ab")
        _sleep(stage, a)
        pgwire.send_cancel(stage.address, b.wire.session.pid, b.wire.session.key)
        stage.must(a.silent(0.1), "b's key leaves a's query alone")
        pgwire.send_cancel(stage.address, a.wire.session.pid, a.wire.session.key)
        stage.equal(a.ready().error, "57014", "a's query")
        for client in (a, b):
            stage.equal(client.simple("SELECT 'served'").value, "served", client.name)

    @case("A", f"an altered key of {_name} does nothing", pool=2, **_more)
    def _altered(stage: Stage, version=_version) -> None:
        a = _speaking(stage, "a", version)
        key, pid = a.wire.session.key, a.wire.session.pid
        with stage.holding():
            _held(stage, a)
            for wrong in (key[:-1] + bytes([key[-1] ^ 1]), key[::-1]):
                pgwire.send_cancel(stage.address, pid, wrong)
            stage.must(a.silent(0.2), "a's query goes on")
        stage.equal(a.ready().errors, [], "a's query")

    @case("A", f"the key of {_name} after its query, with another client at the server", **_more)
    def _late(stage: Stage, version=_version) -> None:
        a, b = (_speaking(stage, name, version) for name in "ab")
        a.simple("SELECT 1")
        with stage.holding():
            _held(stage, b)
            pgwire.send_cancel(stage.address, a.wire.session.pid, a.wire.session.key)
            stage.must(b.silent(0.2), "b's query goes on")
        stage.equal(b.ready().errors, [], "b's query")


OPTIONS = {
    "one option": [("_pq_.foo", "1")],
    "two options": [("_pq_.foo", "1"), ("_pq_.bar", "")],
    "among known parameters": [("application_name", "x"), ("_pq_.foo", "1"),
                               ("client_encoding", "UTF8")],
    "an option twice": [("_pq_.foo", "1"), ("_pq_.foo", "2")],
    "a long value": [("_pq_.foo", "x" * 5000)],
}
for _name, _parameters in OPTIONS.items():
    @case("B", _name)
    def _negotiates(stage: Stage, parameters=_parameters) -> None:
        a = stage.client("a", login=False)
        said = a.try_login(parameters)
        names = tuple(name for name, _ in parameters if name.startswith("_pq_."))
        found = [each[1] for each in said if each[0] == "v"]
        stage.equal(found, [(VERSION_3_0, names)], "NegotiateProtocolVersion")
        stage.equal(a.simple("SELECT 'served'").value, "served", "the session")


@case("B", "in a failing login PostgreSQL's order of answers")
def _failing(stage: Stage) -> None:
    a = stage.client("a", login=False)
    said = a.try_login([("_pq_.foo", "1"), ("work_mem", "much")])
    stage.equal(said.error, "22023", "the login")
