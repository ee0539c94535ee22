"""The model-based random test: against PostgreSQL itself, a pooler that leaks, and Trunkline.

The variables that the last test reads stand in tests/README.md.
"""

import asyncio
import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from conftest import no_proxy
from lib.pgwire import connect
from model import batch, compare, grammar, servers, shrink, stage
from model.cache import salt_of
from model.normalise import messages
from model.steps import Script, World, step

ARENAS = 4
SESSIONS = 150


@pytest.fixture(scope="module")
def cluster_of_the_model(clusters):
    """A PostgreSQL 15 with the model's roles and databases."""
    with servers.running(clusters.template(15).cluster(**servers.SETTINGS)) as cluster:
        servers.prepare((cluster.host, cluster.port), ARENAS)
        yield cluster


@pytest.fixture(scope="module")
def direct(cluster_of_the_model):
    """Its address."""
    return (cluster_of_the_model.host, cluster_of_the_model.port)


def plan(direct, proxy, without=(), **more) -> batch.Plan:
    features = tuple(grammar.default_features(without))
    return batch.Plan(direct, proxy, features, salt=salt_of("test"), **more)


def told(made: batch.Plan, outcome: batch.Outcome) -> str:
    return "\n".join(f"{each.replay(ARENAS)}:\n"
                     f"{compare.explain(made.world(each.seed), each.difference)}"
                     for each in outcome.findings)


@no_proxy
def test_postgresql_in_the_proxys_place_shows_no_difference(direct):
    made = plan(direct, direct)
    outcome = batch.run(made, seed=1, sessions=SESSIONS, arenas=ARENAS)
    assert not outcome.findings, told(made, outcome)
    assert outcome.sessions >= SESSIONS


@no_proxy
def test_the_model_connects_as_an_ordinary_role(direct):
    with connect(direct, user="model", database="model_p0") as wire:
        assert wire.session.parameters["is_superuser"] == "off"


# -- Does it see? ---------------------------------------------------------------------------------

def examine(made: batch.Plan, world: World, number: int = 0):
    """The difference one world shows."""
    async def look():
        arena = await made.arena(number).open()
        try:
            return await arena.examine(world, fresh=True)
        finally:
            arena.close()

    return asyncio.run(look())


def one_client(*texts: str) -> World:
    steps = tuple(step(("Q", text)) for text in texts)
    return World(0, (Script(0, (), steps),), (0,) * (len(steps) + 1))


@pytest.fixture
def altered(cluster_of_the_model):
    """Runs a statement in the proxied database of arena 0, and another when the test is over."""
    with ExitStack() as stack:
        def alter(statement: str, back: str) -> None:
            cluster_of_the_model.execute(statement, "model_p0")
            stack.callback(cluster_of_the_model.execute, back, "model_p0")

        yield alter


@no_proxy
@pytest.mark.parametrize("statement, back, text, at", [
    ("alter database model_p0 set DateStyle = German", "alter database model_p0 reset DateStyle",
     "select 1", 0),
    ("alter database model_p0 set work_mem = '7MB'", "alter database model_p0 reset work_mem",
     "show work_mem", 1),
    ("alter sequence s0 increment 2", "alter sequence s0 increment 1",
     "select nextval('s0'), nextval('s0')", 1),
    ("alter table t0 alter v set default 'no'", "alter table t0 alter v drop default",
     "insert into t0 values (9)", -1),
], ids=["login", "setting", "value", "table"])
def test_what_differs_is_seen(direct, altered, statement, back, text, at):
    altered(statement, back)
    found = examine(plan(direct, direct), one_client(text))
    assert found is not None and (found.slot, found.at) == (0, at)


@no_proxy
@pytest.mark.parametrize("turns, tried", [((0, 0, 1, 1, 1, 0), b"f"), ((0, 1, 1, 1, 0, 0), None)])
def test_clients_act_in_the_order_of_the_turns(direct, monkeypatch, turns, tried):
    """The second client's answer depends on the first's: what a world's scripts never do."""
    monkeypatch.setattr(stage, "PATIENCE_SECONDS", 5)  # nobody waits for another, however slow
    scripts = tuple(Script(slot, (), (step(("Q", "select pg_try_advisory_lock(5)")),
                                      step(end="terminate"))) for slot in (0, 1))
    found = examine(plan(direct, direct), World(0, scripts, turns))
    if tried is None:
        assert found is None
    else:
        assert (found.slot, found.at) == (1, 1) and ("D", (tried,)) in found.proxied


@no_proxy
def test_idle_server_connections_end_when_that_is_asked_for(direct):
    """PostgreSQL in the proxy's place cannot hide it."""
    one, sleep = step(("Q", "select 1")), step(("Q", "select pg_sleep(0.006)"))
    scripts = (Script(0, (), (one, one)), Script(1, (), (sleep,) * 50))
    world = World(1, scripts, (0, 0) + (1,) * 51 + (0,))
    assert examine(plan(direct, direct), world) is None
    # On a busy machine a connection may not be seen idle in all of this time.
    found = next(filter(None, (examine(plan(direct, direct, kill_idle=True), world)
                               for _ in range(5))))
    # Nor does the one that works always look busy there.
    assert "57P01" in str(found.proxied)


@no_proxy
def test_a_script_goes_on_by_itself_when_it_is_cut_short(direct):
    """Flush without Sync, an error in it, steps that join a pipeline there is no more."""
    flush, more = ("H",), ("E", "", 1)
    rows = [("P", "", "select 2 / (2 - g) from generate_series(1, 3) g"), ("B", "", "")]
    scripts = (Script(0, (), (
        step(more, flush, until="sCI", joins=True), step(*rows, more, flush, until="sCI"),
        step(more, flush, until="sCI", joins=True), step(more, flush, until="sCI", joins=True),
        step(*rows, more, flush, until="sCI"), step(("Q", "select 1")),
        step(more, ("S",), joins=True))),)
    made = plan(direct, direct)
    assert examine(made, World(0, scripts, (0,) * 8)) is None

    async def answers():
        arena = await made.arena(0).open()
        try:
            return (await arena.direct(scripts[0])).answers
        finally:
            arena.close()

    told = ["".join(kind for kind, *_ in messages(each)) for each in asyncio.run(answers())]
    assert told[1:] == ["", "12Ds", "E", "", "Z12Ds", "ZTDCZ", ""]


@no_proxy
def test_a_lock_that_outlives_its_client_is_seen(direct):
    with connect(direct, user="model", database="model_p0") as wire:
        wire.run("select pg_advisory_lock(77)")
        async def look():
            arena = await plan(direct, direct).arena(0).open()
            try:
                return await arena.examine(one_client("select 1"))
            finally:
                arena.close()

        found = asyncio.run(look())
    assert found is not None and found.feature == "left open" and "1 advisory" in str(found.proxied)


@no_proxy
def test_a_pooler_that_leaks_is_caught_and_its_world_shrunk(direct, cluster_of_the_model,
                                                            session_folder):
    if not Path(servers.PGBOUNCER).exists():
        pytest.skip("the Debian package pgbouncer is not installed")
    with servers.pgbouncer(session_folder, cluster_of_the_model, 1) as proxy:
        made = plan(direct, proxy, timeout=3)._replace(
            features=("base", "transaction", "role"), only=True)
        outcome = batch.run(made, 1, 100, jobs=1, arenas=1, most_findings=5)
        assert outcome.findings

        async def smallest(seed: int) -> World:
            arena = await made.arena(0).open()
            try:
                return await shrink.shrink_in(arena, made.world(seed))
            finally:
                arena.close()

        # Some show only behind the worlds before them.
        world = next(filter(None, (asyncio.run(smallest(each.seed)) for each in outcome.findings)),
                     None)
    assert world is not None and len(world.turns) <= 6, world


# -- Trunkline ------------------------------------------------------------------------------------

# Once a client has asked for what a sequence gave it, a pool pins whoever writes, and little moves.
@pytest.mark.parametrize("size,but", [(1, ()), (3, ("sequence",))], ids=["one", "three"])
def test_a_client_cannot_tell_that_trunkline_shares_connections(direct, cluster_of_the_model,
                                                                session_folder, size, but):
    without = tuple(filter(None, os.environ.get("TRUNKLINE_MODEL_WITHOUT",
                                                  ",".join(grammar.NOT_YET)).split(",")))
    seed = int(os.environ.get("TRUNKLINE_MODEL_SEED", "1"))
    with ExitStack() as stack:
        try:
            proxy = stack.enter_context(servers.trunkline(session_folder, cluster_of_the_model,
                                                          size))
        except servers.Refused as refused:
            if "pool" not in str(refused):
                raise
            pytest.skip(f"this build has no transaction pooling: {refused}")
        made = plan(direct, proxy, (*without, *but), own_errors=True)
        outcome = batch.run(made, seed, int(os.environ.get("TRUNKLINE_MODEL_SESSIONS", "150")),
                            arenas=ARENAS)
        assert not outcome.findings, told(made, outcome)
