"""The semantics suite: Trunkline does what PostgreSQL does, and the suite can tell.

Each case is played directly first. There each client has a server process of its own, so whatever a
case demands must be true, or it fails as "PostgreSQL itself". `python3 -m semantics` plays the same
cases against any proxy, and with `--start direct` against PostgreSQL in the proxy's place.
"""

import socket
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List

import pytest

from conftest import no_proxy
from lib.postgres import Cluster
from lib.relay import PlainRelay
from semantics.case import ROWS, Case, load
from semantics.play import comparable, judge, judge_all, play
from semantics.stage import Lab, Stage, Target
from semantics.start import DATABASE, PGBOUNCER, USER, Refused, proxies

CASES = [case for case in load() if not case.heavy]
MINIMUM = 250


def of_row(row: str) -> List[Case]:
    return [case for case in CASES if case.row == row]


def test_there_are_enough_cases_and_every_row_has_some() -> None:
    assert len(CASES) >= MINIMUM
    assert all(of_row(row) for row in ROWS)


class Server:
    """A cluster of the suite's own, which ends backends and makes objects, and its Lab."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.lab = Lab((cluster.host, cluster.port), USER, DATABASE, "postgres")
        self.direct = Target("PostgreSQL", self.lab.address, direct=True)


@pytest.fixture(scope="module")
def server15(clusters) -> Iterator[Server]:
    found = Server(clusters.new(15, tls=False))
    yield found
    found.lab.close()
    found.cluster.stop()


@pytest.fixture(scope="module")
def server18(clusters) -> Iterator[Server]:
    found = Server(clusters.new(18, tls=False))
    yield found
    found.lab.close()
    found.cluster.stop()


@no_proxy
@pytest.mark.parametrize("row", ["A", "B"])
def test_postgresql_18_speaks_the_protocol_the_cases_demand(server18: Server, row: str) -> None:
    failed = [f"{case.title}: {failure}"
              for case in of_row(row) if comparable(case, server18.lab)
              for failure in [play(case, server18.lab, server18.direct).failure] if failure]
    assert not failed, "\n".join(failed)


def started(name: str, server: Server, folder: Path) -> Iterator[Dict[int, Target]]:
    stops: List[Callable[[], object]] = []
    try:
        yield proxies(name, folder, server.cluster, stops)
    except Refused as error:
        pytest.skip(str(error))
    finally:
        for stop in stops:
            stop()


@pytest.fixture(scope="module")
def trunklines(server15: Server, session_folder: Path) -> Iterator[Dict[int, Target]]:
    yield from started("trunkline", server15, session_folder)


@pytest.mark.parametrize("row", ROWS)
def test_trunkline_does_what_postgresql_does(server15: Server, trunklines, row: str) -> None:
    verdicts = [*judge_all(of_row(row), server15.lab, server15.direct, trunklines)]
    failed = [f"{each.case.title}: {each.failure}" for each in verdicts if not each.passed]
    assert not failed, f"{len(failed)} of {len(verdicts)}:\n" + "\n".join(failed)


@pytest.fixture
def pgbouncers(server15: Server, session_folder: Path) -> Iterator[Dict[int, Target]]:
    if not Path(PGBOUNCER).exists():
        pytest.skip("PgBouncer is not installed")
    yield from started("pgbouncer", server15, session_folder)


@no_proxy
def test_what_is_known_of_pgbouncer_comes_out(server15: Server, pgbouncers) -> None:
    """The suite can tell right from wrong."""
    wanted = {"C: SS": True, "H2: SET TimeZone, simple, alone": True,
              "H: SET enable_seqscan, simple, alone": False,
              "M: pg_advisory_lock, simple, moved afterwards": False,
              "Y: a syntax error, ROLLBACK, extended": True}
    cases = {case.title: case for case in CASES}
    seen = {title: judge(cases[title], server15.lab, server15.direct,
                         pgbouncers[cases[title].pool]).passed for title in wanted}
    assert seen == wanted


@no_proxy
def test_a_move_takes_the_client_to_another_server_connection(server15: Server,
                                                              pgbouncers) -> None:
    pids = []

    def moves(stage: Stage) -> None:
        a = stage.client("a")
        pids.append(a.simple("SELECT pg_backend_pid()").value)
        stage.move()
        pids.append(a.simple("SELECT pg_backend_pid()").value)

    outcome = play(Case("H", "moves", moves, pool=2), server15.lab, pgbouncers[2])
    assert outcome.failure is None
    assert pids[0] != pids[1]


@no_proxy
def test_a_relay_that_pools_nothing_passes(server15: Server) -> None:
    with PlainRelay(server15.lab.address) as relay:
        target = Target("relay", ("127.0.0.1", relay.port))
        cases = [case for case in of_row("O") + of_row("Y") if case.pool == 1]
        failed = [each.case.title for each in judge_all(cases, server15.lab, server15.direct,
                                                        {1: target}) if not each.passed]
    assert not failed


@no_proxy
def test_a_proxy_that_never_answers_fails_each_case_in_time(server15: Server,
                                                            monkeypatch) -> None:
    monkeypatch.setattr("semantics.stage.DEAD_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = Target("silent", silent.getsockname())
        verdicts = [*judge_all(of_row("C"), server15.lab, server15.direct, {1: target})]
    assert len(verdicts) == len(of_row("C"))
    assert not any(verdict.passed for verdict in verdicts)
    assert "not tried" in verdicts[-1].failure


@no_proxy
def test_a_play_that_never_ends_is_ended(server15: Server) -> None:
    def hangs(stage: Stage) -> None:
        stage.client("a")
        time.sleep(60)

    outcome = play(Case("H", "hangs", hangs), server15.lab, server15.direct, seconds=0.2)
    assert outcome.failure == "not done after 0.2 s"
    assert outcome.seconds < 10


@no_proxy
def test_a_wrong_answer_shows_where_the_transcripts_part(server15: Server) -> None:
    """What the client sees depends on the target, which no proxy could."""
    answers = iter(("right", "wrong"))
    case = Case("H", "differs", lambda stage: stage.client("a").simple(f"SELECT '{next(answers)}'"))
    verdict = judge(case, server15.lab, server15.direct, server15.direct)
    assert not verdict.passed
    assert any("right" in line for line in verdict.difference)
