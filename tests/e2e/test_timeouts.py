"""Peers that take nothing, cancel requests that are not answered, and how many may go to a server."""

import os
import signal
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from conftest import upstream_of
from lib import pgwire
from lib.fake_server import FakeServer
from lib.pgwire import Wire, WireError, connect, send_cancel
from lib.processes import wait_until

PID = "select pg_backend_pid()"
MUCH = "select repeat('x', 1000) from generate_series(1, 1000000)"


def closes(front, reason):
    return front.metrics().get(f'trunkline_closes_total{{reason="{reason}"}}', 0)


# -- tcp_user_timeout -----------------------------------------------------------------------------

@pytest.mark.parametrize("mode", ["none", "transaction"])
def test_a_client_that_takes_nothing_is_given_up(pooled, filled, mode):
    front = pooled(mode=mode, size=1, tcp_user_timeout="1s")
    with connect(front, user="bob", database="tenant") as wire:
        wire.send(pgwire.query(MUCH))
        wait_until(lambda: closes(front, "client_unreachable") == 1, "it is given up", 20)
        running = "select count(*) from pg_stat_activity where state = 'active' and query like " \
                  "'select repeat%'"
        wait_until(lambda: filled.scalar(running) == 0, "the query is not run for nobody")


def test_a_reload_changes_it_for_those_who_come_then(pooled):
    front = pooled(size=2)
    with connect(front, user="bob", database="tenant") as before:
        before.send(pgwire.query(MUCH))
        front.config["tcp_user_timeout"] = "500ms"
        front.reload(front.config)
        with connect(front, user="bob", database="tenant") as after:
            after.send(pgwire.query(MUCH))
            wait_until(lambda: closes(front, "client_unreachable") == 1, "the later one ends", 20)
        time.sleep(1)
        assert closes(front, "client_unreachable") == 1, "and the earlier one does not"


def test_a_server_that_takes_nothing_is_given_up(proxy_factory):
    over = threading.Event()

    def talk(client):
        client.recv(1000)
        client.sendall(b"R\0\0\0\x08\0\0\0\0" b"K\0\0\0\x0c\0\0\0\x07\0\0\0\x07" b"Z\0\0\0\x05I")
        over.wait(60)

    with FakeServer(talk) as server:
        front = proxy_factory(upstreams={"main": upstream_of(server)},
                              routes=[{"upstream": "main"}], tcp_user_timeout="1s",
                              authentication=[{"method": "trust"}])
        with connect(front, user="bob", database="tenant") as wire:
            try:
                wire.send(pgwire.query("select '" + "x" * 50_000_000 + "'"))
            except OSError:
                pass  # the session has ended in the middle
            wait_until(lambda: closes(front, "server_unreachable") == 1, "it is given up", 20)
        over.set()


# -- cancel_timeout -------------------------------------------------------------------------------

@contextmanager
def stopped(cluster):
    """Its backends go on; whoever connects is accepted by the system, and hears nothing."""
    os.kill(cluster.program.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(cluster.program.pid, signal.SIGCONT)


@pytest.fixture
def hanging(pooled, new_cluster):
    cluster = new_cluster(15, tls=False)
    return cluster, lambda **more: pooled(
        size=1, cancel_timeout="500ms", upstream=upstream_of(cluster), **more)


def unanswered(front, name="server_cancels"):
    return front.metrics().get(f'trunkline_{name}_total{{outcome="unanswered"}}', 0)


def test_a_cancel_that_is_not_answered_hits_nobody_later(hanging):
    cluster, pooled = hanging
    front = pooled()
    with connect(front, user="bob", database="tenant") as wire:
        pid = wire.scalar(PID)
        wire.send(pgwire.query("select pg_sleep(10)"))
        wait_until(lambda: cluster.scalar(
            "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == 1, "it sleeps")
        with stopped(cluster):
            begun = time.monotonic()
            send_cancel((front.host, front.port), wire.session.pid, wire.session.key)
            assert 0.4 < time.monotonic() - begun < 8
            assert [each.type for each in wire.read_until("Z")] == ["T", "D", "C", "Z"]
            assert unanswered(front) == unanswered(front, "cancel_requests") == 1
            assert "cancel failed" in front.log() and "not answered" in front.log()
        for _ in range(20):
            assert wire.scalar(PID) != pid
            time.sleep(0.02)


def test_in_a_transaction_the_connection_stays_until_its_end(hanging):
    cluster, pooled = hanging
    front = pooled()
    with connect(front, user="bob", database="tenant") as wire:
        pid = wire.scalar(PID)
        wire.run("begin")
        with stopped(cluster):
            wire.send(pgwire.query("select pg_sleep(1.5)"))
            time.sleep(0.2)
            send_cancel((front.host, front.port), wire.session.pid, wire.session.key)
            wire.read_until("Z")
            assert wire.scalar(PID) == pid
            wire.run("commit")
        assert wire.scalar(PID) != pid


def test_a_server_that_answers_neither_is_left(hanging):
    cluster, pooled = hanging
    front = pooled(query_timeout="2s")
    with connect(front, user="bob", database="tenant") as wire:
        with stopped(cluster):
            begun = time.monotonic()
            wire.send(pgwire.query("select pg_sleep(30)"))
            told = [each for each in wire.read_to_end() if each.type == "E"]
            assert time.monotonic() - begun < 10
        assert [each.sqlstate() for each in told] == ["08006"]
        assert "cancel_timeout" in str(told[0].fields())
    assert unanswered(front) == 1
    wait_until(lambda: closes(front, "server_unreachable") == 1, "its end is counted")
    with connect(front, user="bob", database="tenant") as other:
        assert other.scalar("select 1") == "1", "there is room for another connection"


def test_what_a_client_that_is_gone_has_left_running_is_left_too(hanging):
    cluster, pooled = hanging
    front = pooled()
    wire = connect(front, user="bob", database="tenant")
    with stopped(cluster):
        wire.send(pgwire.query("select pg_sleep(30)"))
        time.sleep(0.3)
        wire.abort()
        wait_until(lambda: unanswered(front) == 1, "the cancel is given up", 5)
        wait_until(lambda: [value for series, value in front.metrics().items()
                            if "pool_connections{" in series and 'state="active"' in series]
                   == [0], "no connection is kept for it", 5)


# -- max_connections_per_server -------------------------------------------------------------------

def test_a_limit_of_the_server_holds_over_all_upstreams(proxy_factory, filled):
    entry = upstream_of(filled)
    front = proxy_factory(
        upstreams={"main": entry, "other": entry}, max_connections_per_server=2,
        pool={"mode": "transaction", "size": 5, "wait_timeout": "4s", "min_size": 2},
        routes=[{"match": {"database": "app"}, "upstream": "other"}, {"upstream": "main"}],
        authentication=[{"method": "trust"}],
        users=[{"name": name, "password": "pw-" + name} for name in ("bob", "alice", "trusty")])
    def in_use():
        return filled.scalar("select count(*) from pg_stat_activity where usename = 'trusty'")

    with connect(front, user="trusty", database="tenant") as first, \
            connect(front, user="trusty", database="tenant") as second:
        first.run("begin")
        second.run("begin")
        assert in_use() == 2
        began = time.monotonic()
        with pytest.raises(WireError) as refused:
            connect(front, user="trusty", database="app")
        assert refused.value.sqlstate == "53300"
        assert time.monotonic() - began < 10, "a login waits for wait_timeout, not login_timeout"
        metrics = front.metrics()
        shown = f'trunkline_pool_server_connections{{server="{filled.host}:{filled.port}"}}'
        assert metrics[shown] == 2
        second.run("commit")
        with connect(front, user="trusty", database="app") as third:
            assert third.scalar("select 1") == "1", "an idle one has made room"
            wait_until(lambda: in_use() <= 2, "the one that made room has gone")
