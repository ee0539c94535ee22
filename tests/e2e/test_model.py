"""The model-based random test checks itself: PostgreSQL in the proxy's place must not differ."""

import pytest

from lib.pgwire import connect
from model import batch, compare, grammar, servers
from model.cache import salt_of

ARENAS = 4
SESSIONS = 300


@pytest.fixture(scope="module")
def direct(clusters):
    """The address of a PostgreSQL 15 with the model's roles and databases."""
    cluster = clusters.template(15).cluster(autovacuum="on")
    with servers.running(cluster):
        address = (cluster.host, cluster.port)
        servers.prepare(address, ARENAS)
        yield address


def plan(direct, proxy, **more) -> batch.Plan:
    features = tuple(grammar.default_features())
    return batch.Plan(direct, proxy, features, salt=salt_of("test"), **more)


def told(made: batch.Plan, outcome: batch.Outcome) -> str:
    return "\n".join(f"{each.replay(ARENAS)}:\n"
                     f"{compare.explain(made.world(each.seed), each.difference)}"
                     for each in outcome.findings)


def test_postgresql_in_the_proxys_place_shows_no_difference(direct):
    made = plan(direct, direct)
    outcome = batch.run(made, seed=1, sessions=SESSIONS, arenas=ARENAS)
    assert not outcome.findings, told(made, outcome)
    assert outcome.sessions >= SESSIONS


def test_the_model_connects_as_an_ordinary_role(direct):
    with connect(direct, user="model", database="model_p0") as wire:
        assert wire.session.parameters["is_superuser"] == "off"
