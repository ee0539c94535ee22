"""Transaction and session pools end to end: many clients on few server connections.

What a client sees of a shared connection is the subject of tests/semantics; here it is how many
there are, who waits, and what becomes of them when somebody goes away.
"""

import os
import re
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from conftest import PGBENCH, POOL_SIZE as SIZE, upstream_of
from lib import pgwire
from lib.fake_server import FakeServer
from lib.pgwire import Wire, WireError, connect, send_cancel
from lib.postgres import password_of
from lib.processes import wait_until

DRIVERS = Path(__file__).resolve().parents[1] / "drivers"
# Those of the pool: whoever asks comes another way.
CONNECTIONS = ("select count(*) from pg_stat_activity where backend_type = 'client backend'"
               " and usename = '{}'")
SLEEPS = "select pid from pg_stat_activity where wait_event = 'PgSleep' and usename = 'bob'"


def count(cluster, user="bob"):
    return int(cluster.scalar(CONNECTIONS.format(user)))


@pytest.fixture(autouse=True)
def nobody_before(filled):
    """Proxies say goodbye to their servers and do not wait: those of the test before have gone."""
    wait_until(lambda: count(filled) == count(filled, "alice") == 0, "nobody is left")


class MostConnections(threading.Thread):
    """Looks again and again how many there are."""

    def __init__(self, cluster, user="bob"):
        super().__init__(daemon=True)
        self.cluster, self.user = cluster, user
        self.most = 0
        self.over = threading.Event()

    def run(self):
        last = False
        while not last:
            last = self.over.is_set()  # looks once more: connections stay
            self.most = max(self.most, count(self.cluster, self.user))
            time.sleep(0.01)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join(10)


def pgbench(front, *options):
    done = subprocess.run(
        [PGBENCH, "-n", "-h", front.host, "-p", str(front.port), "-U", "bob", *options, "tenant"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
        env=dict(os.environ, PGPASSWORD=password_of("bob"), PGSSLMODE="disable"))
    assert done.returncode == 0, done.stdout
    assert re.search(r"number of failed transactions: 0 ", done.stdout), done.stdout
    return done.stdout


@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
def test_pgbench_with_more_clients_than_connections(pooled, filled, protocol):
    # A thread prepares for all of its clients while some of them are in a transaction: with fewer
    # threads than clients it waits for itself, with any pool.
    front = pooled()
    with MostConnections(filled) as seen:
        pgbench(front, "-c", "16", "-j", "16", "-t", "30", "-M", protocol)
    assert seen.most == SIZE


def test_pgbench_that_connects_for_each_transaction(pooled, filled):
    front = pooled()
    with MostConnections(filled) as seen:
        pgbench(front, "-S", "-C", "-c", "8", "-j", "8", "-t", "20")
    assert 1 <= seen.most <= SIZE


def test_connections_stay_for_the_next(pooled, filled):
    front = pooled()
    pids = set()
    for _ in range(10):
        with connect(front, user="bob", database="tenant") as wire:
            pids.add(wire.scalar("select pg_backend_pid()"))
    assert len(pids) <= 2, "one for each worker at the most"
    assert count(filled) == len(pids)


def test_a_killed_connection_is_replaced_unseen(pooled, filled):
    front = pooled(size=1)
    with connect(front, user="bob", database="tenant") as wire:
        pid = wire.scalar("select pg_backend_pid()")
        filled.scalar(f"select pg_terminate_backend({pid})")
        wait_until(lambda: count(filled) == 0, "it is gone")
        time.sleep(0.1)
        assert wire.scalar("select pg_backend_pid()") != pid
    assert front.running()


def test_a_connection_killed_in_a_query_is_an_error_of_that_session_only(pooled, filled):
    front = pooled(size=2)
    with connect(front, user="bob", database="tenant") as wire, \
            connect(front, user="bob", database="tenant") as other:
        wire.send(pgwire.query("select pg_sleep(10)"))
        pid = wait_until(lambda: filled.scalar(SLEEPS), "it sleeps")
        filled.scalar(f"select pg_terminate_backend({pid})")
        said = wire.read_to_end()
        assert [each.sqlstate() for each in said if each.type == "E"] == ["57P01"]
        assert other.scalar("select 1") == "1"
    wait_until(lambda: count(filled) <= 2, "no more than before")


def test_a_client_that_vanishes_in_a_transaction(pooled, filled):
    front = pooled(size=1)
    filled.execute("create table if not exists pool_vanish (x int)", "tenant")
    filled.execute("grant all on pool_vanish to public", "tenant")
    wire = connect(front, user="bob", database="tenant")
    with connect(front, user="bob", database="tenant") as other:
        pid = wire.scalar("select pg_backend_pid()")
        wire.run("begin")
        wire.run("insert into pool_vanish values (1)")
        wire.abort()
        assert other.scalar("select count(*) from pool_vanish") == "0"
        assert other.scalar("select pg_backend_pid()") == pid, "the connection is kept"


def test_a_client_that_vanishes_in_a_read_has_it_cancelled(pooled, filled):
    front = pooled(size=1)
    wire = connect(front, user="bob", database="tenant")
    with connect(front, user="bob", database="tenant") as other:
        pid = wire.scalar("select pg_backend_pid()")
        wire.send(pgwire.query("select count(*) from generate_series(1, 1000000000)"))
        wait_until(lambda: filled.scalar(
            f"select count(*) from pg_stat_activity where pid = {pid} and state = 'active'") == 1,
            "it runs")
        wire.abort()
        begun = time.monotonic()
        assert other.scalar("select pg_backend_pid()") == pid
        assert time.monotonic() - begun < 5


def test_a_client_that_vanishes_in_a_write_has_it_done(pooled, filled):
    front = pooled(size=1)
    filled.execute("create table if not exists pool_written (x int)", "tenant")
    filled.execute("grant all on pool_written to public", "tenant")
    filled.execute("truncate pool_written", "tenant")
    wire = connect(front, user="bob", database="tenant")
    with filled.connect("tenant") as holder, holder.transaction():
        holder.execute("lock table pool_written in share mode")
        wire.send(pgwire.query("insert into pool_written values (1)"))
        wait_until(lambda: filled.scalar(
            "select count(*) from pg_stat_activity where query like 'insert into pool_written%'"
            " and wait_event_type = 'Lock'") == 1, "it runs")
        wire.abort()
        time.sleep(0.5)  # a cancel would find it here
    with connect(front, user="bob", database="tenant") as other:
        assert other.scalar("select count(*) from pool_written") == "1"


def test_who_waits_too_long_is_told_so_and_goes_on(pooled):
    front = pooled(size=1, wait_timeout="2s")
    with connect(front, user="bob", database="tenant") as holder, \
            connect(front, user="bob", database="tenant") as waiter:
        holder.run("begin")
        begun = time.monotonic()
        with pytest.raises(WireError) as refused:
            waiter.scalar("select 1")
        assert 1.9 < time.monotonic() - begun < 10
        assert refused.value.sqlstate == "53300"
        holder.run("commit")
        assert waiter.scalar("select 1") == "1", "its session lives"


def test_cancel_of_one_that_waits_and_of_one_that_runs(pooled, filled):
    front = pooled(size=1)
    address = (front.host, front.port)
    with connect(front, user="bob", database="tenant") as holder, \
            connect(front, user="bob", database="tenant") as waiter:
        holder.run("begin")
        waiter.send(pgwire.query("select 1"))
        wait_until(lambda: front.metrics()["trunkline_pool_waiting"] == 1, "it waits")
        send_cancel(address, waiter.session.pid, waiter.session.key)
        answer = waiter.read_until("Z")
        assert [each.sqlstate() for each in answer if each.type == "E"] == ["57014"]
        assert holder.scalar("select 1") == "1", "the cancel went to nobody else"
        holder.send(pgwire.query("select pg_sleep(10)"))
        wait_until(lambda: filled.scalar(SLEEPS), "it sleeps")
        send_cancel(address, holder.session.pid, holder.session.key)
        answer = holder.read_until("Z")
        assert [each.sqlstate() for each in answer if each.type == "E"] == ["57014"]
        holder.run("rollback")
        assert waiter.scalar("select 1") == "1"


def test_size_follows_a_reload_under_load(pooled, filled):
    front = pooled(size=2)
    over = threading.Event()

    def ask():  # until it is told to stop: pgbench would have to know how long the reloads take
        with connect(front, user="bob", database="tenant") as wire:
            while not over.is_set():
                for text in ("begin", "select pg_sleep(0.02)", "commit"):
                    wire.rows(text)

    with ThreadPoolExecutor(12) as threads:
        load = [threads.submit(ask) for _ in range(12)]
        try:
            wait_until(lambda: count(filled) == 2, "all are in use")
            for size in (6, 1):
                front.config["pool"]["size"] = size
                front.reload(front.config)
                wait_until(lambda size=size: count(filled) == size, f"there are {size}")
        finally:
            over.set()
    for each in load:
        each.result()
    assert count(filled) <= 1


def test_in_session_mode_a_connection_is_kept_and_then_handed_on(pooled, filled):
    front = pooled(mode="session", size=1, wait_timeout="4s")
    with connect(front, user="bob", database="tenant") as first:
        pid = first.scalar("select pg_backend_pid()")
        first.run("create temp table mine (x int)")
        first.run("set work_mem = '7MB'")
        assert first.scalar("select count(*) from mine") == "0"
        with pytest.raises(WireError):
            with connect(front, user="bob", database="tenant") as second:
                second.scalar("select 1")
    with connect(front, user="bob", database="tenant") as second:
        assert second.scalar("select pg_backend_pid()") == pid
        assert second.scalar("show work_mem") == "4MB"
        assert second.scalar("select count(*) from pg_class where relname = 'mine'") == "0"


def test_each_database_and_user_has_a_pool_of_its_own(pooled, filled):
    front = pooled(size=1, wait_timeout="10s")
    with ExitStack() as stack:
        def open_one(user, database):
            wire = stack.enter_context(connect(front, user=user, database=database))
            wire.run("begin")
            return wire
        wires = [open_one("bob", "tenant"), open_one("bob", "app"), open_one("alice", "tenant")]
        seen = [wire.scalar("select current_user || '@' || current_database()") for wire in wires]
        assert seen == ["bob@tenant", "bob@app", "alice@tenant"]
        assert count(filled, "bob") == 2 and count(filled, "alice") == 1


def test_a_limit_of_the_upstream_holds_over_its_pools(pooled, filled):
    front = pooled(size=5, upstream={"max_connections": 2}, wait_timeout="4s")
    with ExitStack() as stack:
        wires = [stack.enter_context(connect(front, user=user, database=database))
                 for user, database in (("bob", "tenant"), ("bob", "app"))]
        for wire in wires:
            wire.run("begin")
        with pytest.raises((WireError, pgwire.ServerClosed)):
            with connect(front, user="alice", database="tenant") as third:
                third.scalar("select 1")
    # What the others no longer need is given up for whoever comes.
    with connect(front, user="alice", database="tenant") as third:
        assert third.scalar("select current_user") == "alice"


def test_servers_that_clients_name_have_pools_of_their_own(proxy_factory, filled):
    route = {"match": {"application_name": "/(.*)/"},
             "upstream": {"host": "$1", "port": filled.port}}
    front = proxy_factory(routes=[route], authentication=[{"method": "trust"}],
                          pool={"mode": "transaction", "size": 1})
    for _ in range(3):
        for name in ("localhost", "LOCALHOST"):
            with connect(front, database="tenant",
                         parameters=[("application_name", name)]) as wire:
                assert wire.scalar("select 1") == "1"
    assert count(filled, "trusty") == 2, "one for each, whoever came in between"
    metrics = front.metrics()
    shown = [name for name in metrics if "pool_size{" in name]
    assert len(shown) == 2 and all('servers="' in each for each in shown)


def version_of(wire):
    return int(wire.scalar("show server_version_num")) // 10000


def moved(front, to):
    """Reloads with the upstream at another server."""
    front.config["upstreams"]["main"].update(upstream_of(to))
    front.reload(front.config)


def test_a_reload_of_the_upstream_reaches_open_sessions(pooled, filled, pg18):
    front = pooled(size=2, min_size=1)
    with connect(front, user="bob") as rests, connect(front, user="bob") as pinned:
        rests.run("set work_mem = '7MB'")
        rests.send(pgwire.parse("mine", "select 1 + $1::int"), pgwire.sync())
        rests.read_until("Z")
        pinned.run("begin")
        assert version_of(rests) == version_of(pinned) == 15
        moved(front, pg18)
        wait_until(lambda: count(filled) == 1, "idle connections are closed, the pinned one stays")
        assert version_of(rests) == 18
        assert rests.scalar("show work_mem") == "7MB"
        rests.send(pgwire.bind("", "mine", [b"41"]), pgwire.execute(), pgwire.sync())
        assert rests.read_until("Z")[1].body[-2:] == b"42"
        assert version_of(pinned) == 15, "its transaction is there"
        pinned.run("commit")
        assert version_of(pinned) == 18
        wait_until(lambda: count(filled) == 0, "nobody is left at the old server")
        with connect(front, user="bob") as new:
            assert version_of(new) == 18
        assert count(pg18) <= 2


def test_who_waits_in_line_goes_over_when_the_upstream_changes(pooled, filled, pg18):
    front = pooled(size=1)
    with connect(front, user="bob") as first, connect(front, user="bob") as second:
        first.run("begin")
        second.send(pgwire.query("show server_version_num"))
        time.sleep(0.2)
        moved(front, pg18)
        assert second.read_until("Z")[1].body.endswith(b"180004"), "the new pool has room"
        first.run("commit")


OWN = [("options", "-c ignore_system_indexes=off")]  # only a new backend takes it


def test_a_connection_of_its_own_counts_in_the_pool(pooled, filled):
    front = pooled(size=1, wait_timeout="4s", login_timeout="10s")
    with connect(front, user="bob") as other:
        with connect(front, user="bob", parameters=OWN) as own:
            assert own.scalar("select 1") == "1"
            wait_until(lambda: count(filled) == 1, "the idle one has made room")
            with pytest.raises(WireError) as caught:
                other.scalar("select 1")
            assert caught.value.sqlstate == "53300"
        assert other.scalar("select 1") == "1"
        other.run("begin")
        with pytest.raises(WireError) as caught:
            connect(front, user="bob", parameters=OWN)
        assert caught.value.sqlstate == "53300" and "size" in str(caught.value)
        other.run("commit")
        connect(front, user="bob", parameters=OWN).close()


def test_a_connection_of_its_own_waits_in_line_and_counts_for_the_upstream(pooled, filled):
    front = pooled(size=5, upstream={"max_connections": 1}, wait_timeout="10s")
    with connect(front, user="bob") as first, ThreadPoolExecutor(1) as aside:
        first.run("begin")
        own = aside.submit(connect, front, user="bob", parameters=OWN)
        time.sleep(0.3)
        assert not own.done() and count(filled) == 1
        first.run("commit")
        with own.result(10) as wire:
            assert wire.scalar("select 1") == "1"
            wait_until(lambda: count(filled) == 1, "the idle one has made room")
        assert first.scalar("select 1") == "1"


def test_a_client_that_leaves_while_its_login_waits_leaves_the_line(pooled, filled):
    front = pooled(size=1, wait_timeout="5s")
    with connect(front, user="bob") as first:
        first.run("begin")
        for parameters in ([("application_name", "nobody before")], OWN):
            wire = Wire(front.host, front.port)
            wire.send(pgwire.startup([("user", "bob"), ("database", "app"), *parameters]))
            wait_until(lambda: front.metrics()['trunkline_clients{state="login"}'] == 1, "it waits")
            wire.close()
            wait_until(lambda: front.metrics()["trunkline_clients"] == 1, "it is gone", 2)
        first.run("commit")
        with connect(front, user="bob") as second:
            assert second.scalar("select 1") == "1"
        assert count(filled) == 1


@pytest.mark.parametrize("program,expected", [
    ("psycopg_driver", ["connect", "simple", "prepared", "transaction", "pipeline", "copy",
                        "cancel", "listen"]),
    ("asyncpg_driver", ["connect", "simple", "prepared", "transaction", "copy", "cancel",
                        "listen"])])
def test_drivers(pooled, program, expected):
    front = pooled()
    done = subprocess.run(
        ["/usr/bin/python3", DRIVERS / f"python/{program}.py"], text=True, timeout=90,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=dict(os.environ, PGHOST="127.0.0.1", PGPORT=str(front.port), PGUSER="alice",
                 PGPASSWORD=password_of("alice"), PGDATABASE="app", PGSSLMODE="disable",
                 PYTHONIOENCODING="utf-8", PGCLIENTENCODING="UTF8"))
    said = [line[3:] for line in done.stdout.splitlines() if line.startswith("ok ")]
    assert done.returncode == 0 and said == expected, done.stdout


def test_a_server_that_ends_whatever_it_is_asked_is_not_asked_for_ever(proxy_factory):
    asked = []

    def talk(client):
        client.recv(1000)
        client.sendall(b"R\0\0\0\x08\0\0\0\0" b"K\0\0\0\x0c\0\0\0\x07\0\0\0\x07" b"Z\0\0\0\x05I")
        request = client.recv(1000)
        if b"trunkline_begin" in request:  # a login looks whether its settings are taken
            client.sendall(b"".join(b"1\0\0\0\x04" b"2\0\0\0\x04" + pgwire.message(b"C", tag)
                                    for tag in (b"BEGIN\0", b"COMMIT\0")) + b"Z\0\0\0\x05I")
            request = client.recv(1000)
        if b"trunkline_defaults" in request:  # and what ALTER ROLE gives it, which is not known here
            client.sendall(b"1\0\0\0\x04" b"2\0\0\0\x04" + pgwire.message(b"C", b"SELECT 0\0")
                           + b"Z\0\0\0\x05I")
            request = client.recv(1000)
            if request.startswith(b"X"):
                return
        asked.append(request)
        fields = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0"
        client.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)

    with FakeServer(talk) as server:
        front = proxy_factory(upstreams={"main": upstream_of(server)},
                              routes=[{"upstream": "main"}],
                              authentication=[{"method": "trust"}],
                              pool={"mode": "transaction", "size": 1})
        with Wire(front.host, front.port) as wire:
            wire.send(pgwire.startup([("user", "bob"), ("database", "tenant")]))
            wire.read_until("Z")
            wire.send(pgwire.query("select 1"))
            told = wire.read_to_end()
        assert [each.type for each in told] == ["E"] and told[0].fields()["S"] == "FATAL"
        assert asked == [pgwire.query("select 1")] * 4
