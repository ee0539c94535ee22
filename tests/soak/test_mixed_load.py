"""An hour of everything at once: no leak, no stuck session, no wrong answer, no limit exceeded.

TRUNKLINE_SOAK_SECONDS changes how long, TRUNKLINE_SOAK_SEED what is done to the servers when.
"""

import os
import random
import signal
import threading
import time
from collections import Counter

import psycopg
import pytest

from conftest import upstream_of
from lib.postgres import password_of
from lib.processes import open_descriptors, resident_bytes, wait_until
from lib.trunkline import sanitized
from soak.mixed_load import KINDS, Listener, clients

SECONDS = float(os.environ.get("TRUNKLINE_SOAK_SECONDS", "3600"))
SEED = int(os.environ.get("TRUNKLINE_SOAK_SEED", str(time.time_ns() % 1_000_000)))
SIZE, SIZES = 8, (6, 8, 10)
SETTLES_S = 10.0  # that a smaller pool, or a server that comes back, is given
STUCK_S = 60.0  # longer than any server is away, and than anybody waits for a connection
RESIDENT_SLACK_BYTES = 8 << 20
SETUP = """
create table account (id int primary key, n bigint not null);
insert into account select i, 0 from generate_series(-1, 100) i;
create table lock_holder (id int primary key, n int not null);
insert into lock_holder select i, 0 from generate_series(0, 2) i;
grant all on account, lock_holder to bob
"""
# But for the one that listens for all, which is none of the pool's.
CONNECTIONS = ("select count(*) from pg_stat_activity where usename = 'bob' and"
               " application_name <> 'trunkline listener'")


class Trouble(threading.Thread):
    """Kills server processes and the server, and reloads the proxy."""

    def __init__(self, front, cluster, over) -> None:
        super().__init__(daemon=True)
        self.front, self.cluster, self.over = front, cluster, over
        self.random = random.Random(SEED)
        self.done: Counter = Counter()
        self.failure = None
        self.limit = SIZE  # what nobody may exceed now
        self.server_is_there = threading.Event()
        self.server_is_there.set()
        self.rests, self.may_go = threading.Event(), threading.Event()

    def run(self) -> None:
        try:
            while not self.over.wait(self.random.uniform(0.2, 2)):
                what = self.random.choices((self.end_sessions, self.reload, self.kill, self.restart),
                                           (60, 30, 4, 2))[0]
                what()
                self.done[what.__name__] += 1
        except BaseException as failure:  # pylint: disable=broad-except
            self.failure = failure
        self.rests.set()
        # A server ends with the thread that has started it (PR_SET_PDEATHSIG), and is looked at yet.
        self.may_go.wait()

    def end_sessions(self) -> None:
        self.cluster.scalar("select count(pg_terminate_backend(pid)) from (select pid from"
                            " pg_stat_activity where usename = 'bob' order by random() limit "
                            f"{self.random.randrange(1, 4)}) p")

    def reload(self) -> None:
        config = dict(self.front.config)
        size = self.random.choice(SIZES)
        config["pool"] = dict(config["pool"], size=size)
        before = self.front.config["pool"]["size"]
        self.limit = max(before, size)
        self.front.config = config
        self.front.reload(config)
        if size < before:
            self.over.wait(SETTLES_S)
        self.limit = size

    def kill(self) -> None:
        """One process of the server hard: PostgreSQL ends all sessions and recovers."""
        self._away(lambda: os.kill(int(self.cluster.scalar(
            "select pid from pg_stat_activity where usename = 'bob' or"
            " backend_type = 'background writer' limit 1")), signal.SIGKILL))

    def restart(self) -> None:
        self._away(self.cluster.restart)

    def _away(self, action) -> None:
        self.server_is_there.clear()
        action()
        wait_until(self.answers, "the server is back", 60)
        self.server_is_there.set()

    def answers(self) -> bool:
        try:
            return self.cluster.scalar("select 1") == 1
        except psycopg.Error:
            return False


def watch(trouble, all_clients, seconds: float, most: Counter) -> None:
    """Looks again and again, until the time is over, that nothing is exceeded and nobody stuck."""
    front, cluster = trouble.front, trouble.cluster
    end, next_line = time.monotonic() + seconds, time.monotonic() + 60
    while (now := time.monotonic()) < end:
        time.sleep(0.05)
        limit = trouble.limit
        try:
            count = cluster.scalar(CONNECTIONS) if trouble.server_is_there.is_set() else 0
        except psycopg.Error:
            continue
        most[limit] = max(most[limit], count)
        assert count <= max(limit, trouble.limit), f"{count} connections, at most {limit}"
        assert trouble.failure is None, trouble.failure
        for each in all_clients:
            assert each.failure is None, each.failure
            assert now - each.since < STUCK_S, f"{each.name} is stuck:\n{each.whereabouts()}"
        if now > next_line:
            next_line += 60
            print(f"{end - now:.0f} s left, {sum(each.done for each in all_clients)} steps,"
                  f" {dict(trouble.done)}, {resident_bytes(front.pid, 'Rss') >> 10} KiB", flush=True)


@pytest.fixture
def cluster(new_cluster):
    # What is committed must be there also after a crash, which our clusters do not promise otherwise.
    found = new_cluster(15, tls=False, max_connections="60", synchronous_commit="on")
    found.execute(SETUP, "tenant")
    return found


def test_a_mixed_load_with_trouble_is_answered_rightly(proxy_factory, cluster):
    print(f"seed {SEED}, {SECONDS:.0f} s")
    front = proxy_factory(
        upstreams={"main": upstream_of(cluster)}, authentication=[{"method": "trust"}],
        users=[{"name": "bob", "password": password_of("bob")}], log={"level": "info"},
        pool={"mode": "transaction", "size": SIZE, "max_pinned": 4, "idle_timeout": "5s",
              "wait_timeout": "30s", "max_lifetime": "20s"})
    conninfo = f"host={front.host} port={front.port} user=bob dbname=tenant"
    psycopg.connect(conninfo).close()
    before = open_descriptors(front.pid)
    over, told, most = threading.Event(), Counter(), Counter()
    trouble = Trouble(front, cluster, over)
    everybody = clients(conninfo, over, told)
    for each in everybody:
        each.start()
    trouble.start()
    try:
        # Caches and free lists are full then.
        warm_s = min(SECONDS / 4, 300)
        watch(trouble, everybody, warm_s, most)
        resident = resident_bytes(front.pid, "Rss")
        watch(trouble, everybody, SECONDS - warm_s, most)
    finally:
        over.set()
    assert trouble.rests.wait(STUCK_S) and trouble.failure is None, trouble.failure
    for each in everybody:
        each.join(STUCK_S)
        assert not each.is_alive(), f"{each.name} does not end"
        assert each.failure is None, each.failure
    steps = Counter()
    for each in everybody:
        steps[type(each).__name__] += each.done
    after = resident_bytes(front.pid, "Rss")
    print(f"steps {dict(steps)}, told {dict(told)}, done to them {dict(trouble.done)},"
          f" most connections by limit {dict(most)}, resident {resident >> 10} and {after >> 10} KiB")
    assert all(steps[kind.__name__] > 0 for kind in KINDS)
    losses = front.log().count("a listening connection is lost")
    assert told["gap"] <= losses * KINDS[Listener]
    wait_until(lambda: front.metrics().get("trunkline_pool_pinned", 0) == 0, "nobody is pinned", 70)
    wait_until(lambda: open_descriptors(front.pid) <= before, "every descriptor is closed", 30)
    assert cluster.scalar("select count(*) from pg_stat_activity where usename = 'bob' and"
                          " state <> 'idle'") == 0
    assert cluster.scalar("select n from account where id = -1", "tenant") == 0
    assert cluster.scalar("select count(*) from pg_locks where locktype = 'advisory'") == 0
    assert after - resident < RESIDENT_SLACK_BYTES or sanitized()
    trouble.may_go.set()
