"""Clients of a pool that have a server connection of their own: its timeouts and limits hold for them.

An option of the startup packet that only a new backend takes gives them one; so does replication.
"""

import time

import pytest

from conftest import upstream_of
from lib import pgwire
from lib.pgwire import WireError, connect, ends_with, error_of, send_cancel
from lib.postgres import password_of
from lib.processes import wait_until

OWN = [("options", "-c ignore_system_indexes=on")]
PID = "select pg_backend_pid()"


def own(front, **more):
    wire = connect(front, user="bob", database="tenant", parameters=OWN, **more)
    assert wire.scalar("show ignore_system_indexes") == "on"
    return wire


def is_gone(cluster, pid):
    return cluster.scalar(f"select count(*) from pg_stat_activity where pid = {pid}") == 0


def timeouts_of(front, name):
    return sum(value for series, value in front.metrics().items()
               if series.startswith("trunkline_pool_timeouts_total{") and f'"{name}"' in series)


@pytest.mark.parametrize("batch", [False, True], ids=["query", "batch"])
def test_a_query_that_takes_too_long(pooled, filled, batch):
    front = pooled(size=1, query_timeout="2s")
    with own(front) as wire:
        pid = wire.scalar(PID)
        sleep = "select pg_sleep(20)"
        wire.send(pgwire.parse("", sleep) + pgwire.bind() + pgwire.execute() + pgwire.sync()
                  if batch else pgwire.query(sleep))
        error = error_of(wire.read_until("Z"))
        assert error.sqlstate() == "57014"
        assert error.fields()["M"] == "canceling statement due to statement timeout"
        assert wire.scalar(PID) == pid, "nothing of it hits the next query"
        wire.run("begin")
        wire.send(pgwire.query(sleep))
        assert wire.read_until("Z")[-1].body == b"E", "its transaction has failed"
        wire.run("rollback")
        assert wire.scalar("show ignore_system_indexes") == "on"
    assert timeouts_of(front, "query_timeout") == 2
    wait_until(lambda: is_gone(filled, pid), "its connection is closed with it")


def test_a_transaction_that_takes_too_long(pooled, filled):
    front = pooled(size=1, transaction_timeout="2s")
    wire = own(front)
    pid = wire.scalar(PID)
    wire.send(pgwire.query("select pg_sleep(20)"))
    ends_with(wire, "25P04", "terminating connection due to transaction timeout")
    wait_until(lambda: is_gone(filled, pid), "what ran is cancelled, and the connection closed", 5)
    own(front).close()  # there is room again
    assert timeouts_of(front, "transaction_timeout") == 1


def test_an_idle_transaction(pooled, filled):
    filled.execute("create table if not exists own_idle (x int)", "tenant")
    filled.execute("grant all on own_idle to public", "tenant")
    front = pooled(size=1, idle_in_transaction_timeout="300ms")
    wire = own(front)
    time.sleep(0.6)
    assert wire.scalar("select 1") == "1", "outside of a transaction it may be idle"
    wire.run("begin; insert into own_idle values (1)")  # at once: in between it would be idle
    ends_with(wire, "25P03", "terminating connection due to idle-in-transaction timeout")
    with own(front) as other:
        assert other.scalar("select count(*) from own_idle") == "0"
    assert timeouts_of(front, "idle_in_transaction_timeout") == 1


def test_a_client_that_is_idle(pooled, filled):
    front = pooled(size=1, client_idle_timeout="2s")
    wire = own(front)
    pid = wire.scalar(PID)
    for _ in range(5):
        time.sleep(0.5)
        wire.scalar("select 1")
    ends_with(wire, "57P05", "terminating connection due to idle-session timeout")
    wait_until(lambda: is_gone(filled, pid), "its connection is closed with it")
    assert timeouts_of(front, "client_idle_timeout") == 1


def test_queries_per_second(pooled):
    front = pooled(size=2, pool={"max_queries_per_second": 5, "over_query_limit": "reject"})
    with own(front) as wire:
        refused = 0
        for _ in range(12):
            try:
                wire.scalar("select 1")
            except WireError as error:
                assert error.sqlstate == "53400", error
                refused += 1
        assert 3 <= refused <= 8
    front = pooled(size=2, pool={"max_queries_per_second_per_user": 5})
    with own(front) as wire:
        begun = time.monotonic()
        for _ in range(11):
            wire.scalar("select 1")
        assert time.monotonic() - begun > 1.0


def test_a_reload_reaches_it(pooled):
    front = pooled(size=1)
    wire = own(front)
    front.config["pool"]["query_timeout"] = "2s"
    front.reload(front.config)
    wire.scalar("select 1")
    with pytest.raises(WireError) as refused:
        wire.scalar("select pg_sleep(20)")
    assert refused.value.sqlstate == "57014"


def test_it_is_a_connection_like_any_other(pooled, filled):
    """What a session leaves on it stays, and what it began with is what RESET goes back to."""
    front = pooled(size=1, mode="statement")
    with own(front) as wire:
        pid = wire.scalar(PID)
        wire.run("create temp table own_temp (x int)")
        wire.run("prepare own_plan as select 17")
        wire.run("set work_mem = '5MB'")
        wire.run("select set_config('application_name', 'somebody', false)")
        wire.run("listen own_channel")
        wire.run("begin")
        assert wire.run("select 1")[-1].body == b"T", "it holds nobody up: it may have blocks"
        wire.run("commit")
        assert wire.scalar("execute own_plan") == "17"
        assert wire.scalar("select count(*) from own_temp") == "0"
        assert wire.scalar("show work_mem") == "5MB"
        assert wire.scalar("show application_name") == "somebody"
        filled.execute("notify own_channel, 'told'", "tenant")
        assert b"told" in wire.read_until("A")[-1].body
        wire.run("reset all")
        assert wire.scalar("show work_mem") != "5MB"
        wire.run("discard all")
        assert wire.scalar("show ignore_system_indexes") == "on"
        with pytest.raises(WireError) as unknown:
            wire.scalar("execute own_plan")
        assert unknown.value.sqlstate == "26000"
        assert wire.scalar(PID) == pid


def test_a_lost_connection_is_its_end(pooled, filled):
    """Another one would not be what the client has asked for."""
    front = pooled(size=1)
    wire = own(front)
    pid = wire.scalar(PID)
    filled.scalar(f"select pg_terminate_backend({pid})")
    ends_with(wire, "57P01", "terminating connection")
    own(front).close()


def test_a_cancel_of_its_client(pooled, filled):
    front = pooled(size=1)
    with own(front) as wire:
        pid = wire.scalar(PID)
        wire.send(pgwire.query("select pg_sleep(20)"))
        wait_until(lambda: filled.scalar(
            f"select wait_event from pg_stat_activity where pid = {pid}") == "PgSleep", "it sleeps")
        send_cancel((front.host, front.port), wire.session.pid, wire.session.key)
        assert error_of(wire.read_until("Z")).fields()["M"] == \
            "canceling statement due to user request"


def replicating(proxy_factory, cluster, **timeouts):
    return proxy_factory(
        upstreams={"main": upstream_of(cluster)}, routes=[{"upstream": "main"}],
        pool={"mode": "transaction", "size": 1, **timeouts},
        users=[{"name": "repl", "password": password_of("repl")}],
        authentication=[{"method": "trust"}])


@pytest.mark.parametrize("kind", ["true", "database"])
def test_an_idle_client_of_replication_is_ended(proxy_factory, new_cluster, kind):
    front = replicating(proxy_factory, new_cluster(15), client_idle_timeout="2s")
    wire = connect(front, user="repl", parameters=[("replication", kind)])
    for _ in range(5):
        time.sleep(0.5)
        wire.run("IDENTIFY_SYSTEM")
    ends_with(wire, "57P05", "terminating connection due to idle-session timeout")
    assert timeouts_of(front, "client_idle_timeout") == 1


def test_an_idle_transaction_of_replication_is_ended(proxy_factory, new_cluster):
    front = replicating(proxy_factory, new_cluster(15), idle_in_transaction_timeout="400ms")
    wire = connect(front, user="repl", parameters=[("replication", "database")])
    time.sleep(0.8)
    wire.run("begin")
    ends_with(wire, "25P03", "terminating connection due to idle-in-transaction timeout")
    assert timeouts_of(front, "idle_in_transaction_timeout") == 1


def test_a_stream_and_a_command_of_replication_are_not_timed(proxy_factory, new_cluster):
    front = replicating(proxy_factory, new_cluster(15), client_idle_timeout="2s",
                        idle_in_transaction_timeout="2s", query_timeout="2s",
                        transaction_timeout="2s")
    with connect(front, user="repl", parameters=[("replication", "database")]) as wire:
        assert wire.scalar("select pg_sleep(2.5)") == ""
    with connect(front, user="repl", parameters=[("replication", "true")]) as wire:
        position = wire.rows("IDENTIFY_SYSTEM")[0][2].decode()
        wire.send(pgwire.query(f"START_REPLICATION PHYSICAL {position}"))
        wire.read_until("W")
        time.sleep(2.5)
        wire.send(pgwire.copy_done())
        assert wire.read_until("Z")[-1].type == "Z", "it ends when the client says so"
