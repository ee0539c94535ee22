"""How much sessions of a pool may ask and keep, and what is seen of it, end to end."""

import re
import socket
import threading
import time

import pytest

from conftest import upstream_of
from lib import pgwire
from lib.pgwire import WireError, connect, send_cancel
from lib.postgres import password_of
from lib.processes import wait_until

PID = "select pg_backend_pid()"
LABELS = 'route="all",database="tenant",user="bob"'


def pool_metric(front, name, more=""):
    return front.metrics()[f"trunkline_pool_{name}{{{LABELS}{more}}}"]


# -- Queries per second ---------------------------------------------------------------------------

def test_queries_that_come_too_soon_are_delayed(pooled, session):
    front = pooled(pool={"max_queries_per_second": 10})
    wire = session(front)
    asked, begun = 0, time.monotonic()
    # Ten may go at once; on a busy machine the next ones do not all come too soon.
    while pool_metric(front, "queries_delayed_total") < 4:
        assert asked < 150, "none comes too soon"
        for _ in range(15):
            assert wire.scalar("select 1") == "1"
        asked += 15
        over = time.monotonic() - begun - (asked - 10) / 10
        assert -0.05 < over < 0.3 * asked


def test_the_limit_is_exact_for_all_sessions_together(pooled):
    front = pooled(size=4, pool={"max_queries_per_second": 20, "over_query_limit": "reject"})
    asked, done, refused = [], [], []

    def ask():
        with connect(front, user="bob", database="tenant") as wire:
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                asked.append(time.monotonic())
                try:
                    wire.scalar("select 1")
                    done.append(time.monotonic())
                except WireError as error:
                    assert error.sqlstate == "53400"
                    refused.append(error)
                    time.sleep(0.01)
    threads = [threading.Thread(target=ask) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    span = max(done) - min(asked)
    assert refused and len(done) <= 20 + 20 * span + 1, (len(done), span)
    assert len(done) >= 20, "as many at once as in a second"


def test_a_query_too_many_is_refused_by_name_of_the_setting(pooled, session):
    front = pooled(pool={"max_queries_per_second_per_user": 2, "over_query_limit": "reject"})
    wire = session(front)
    with pytest.raises(WireError) as refused:
        for _ in range(100):  # until three come within a second
            wire.scalar("select 1")
    assert refused.value.sqlstate == "53400" and refused.value.severity == "ERROR"
    assert "max_queries_per_second_per_user" in refused.value.fields["H"]
    other = connect(front, user="alice", database="tenant")
    assert other.scalar("select 1") == "1", "another user has a limit of his own"
    other.close()
    time.sleep(0.6)
    assert wire.scalar("select 1") == "1", "the session goes on"


def test_a_query_that_is_delayed_can_be_cancelled(pooled, session):
    front = pooled(pool={"max_queries_per_second": 1})
    wire = session(front)
    # Others take the tokens of the next seconds, so that there is time for the cancel.
    others = [connect(front, user="alice", database="tenant") for _ in range(6)]
    for each in others:
        each.send(pgwire.query("select 1"))
    wait_until(lambda: front.metrics()["trunkline_pool_queries_delayed_total"] >= 4, "they wait")
    wire.send(pgwire.query("select 1"))
    wait_until(lambda: pool_metric(front, "queries_delayed_total") == 1, "it waits")
    send_cancel((front.host, front.port), wire.session.pid, wire.session.key)
    answer = wire.read_until("Z")
    assert [each.sqlstate() for each in answer if each.type == "E"] == ["57014"]
    for each in others:
        each.close()


# -- Pins -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("text,setting", [
    ("create temp table t (x int)", "temporary_objects"),
    ("select pg_advisory_lock(1)", "advisory_locks"), ("select setseed(0.5)", "random_seed")])
def test_what_the_policy_rejects(pooled, session, text, setting):
    front = pooled(size=1, pool={"unmovable_state": {setting: "reject"}})
    wire, other = session(front), session(front)
    with pytest.raises(WireError) as refused:
        wire.rows(text)
    assert refused.value.sqlstate == "0A000"
    assert f'"{setting}"' in refused.value.fields["H"]
    wire.send(pgwire.parse("", text) + pgwire.bind() + pgwire.execute() + pgwire.sync())
    assert [each.sqlstate() for each in wire.read_until("Z") if each.type == "E"] == ["0A000"]
    wire.run("begin")
    assert wire.run(text)[-1].body == b"E", "as any other error"
    wire.run("rollback")
    assert other.scalar("select 1") == "1", "the connection is free"
    assert pool_metric(front, "pins_refused_total") == 3


def test_one_pin_too_many_is_refused_and_the_reason_told(pooled, session):
    front = pooled(size=2, pool={"max_pinned": 1})
    first, second = session(front), session(front)
    first.scalar("select pg_try_advisory_lock(7)")
    wait_until(lambda: pool_metric(front, "pinned", ',reason="advisory_locks"') == 1, "it is seen")
    with pytest.raises(WireError) as refused:
        second.rows("create temp table t (x int)")
    assert refused.value.sqlstate == "53400"
    assert "max_pinned" in refused.value.fields["H"]
    assert "temporary" in refused.value.fields["D"]
    assert second.scalar("select 1") == "1"
    first.scalar("select pg_advisory_unlock(7)")
    wait_until(lambda: pool_metric(front, "pinned", ',reason="advisory_locks"') == 0, "it is over")
    second.rows("create temp table t (x int)")
    wait_until(lambda: pool_metric(front, "pinned", ',reason="temporary_objects"') == 1, "again")
    second.close()
    wait_until(lambda: pool_metric(front, "pinned", ',reason="temporary_objects"') == 0,
               "the pin has ended with its session")
    assert pool_metric(front, "pins_total", ',reason="temporary_objects"') == 1


def test_the_log_tells_what_has_pinned_and_nothing_of_the_text(pooled, session):
    front = pooled(size=1)
    wire = session(front)
    wire.scalar("select setseed(0.123456), 'a secret'")
    line = wait_until(lambda: re.search(".*session pinned.*", front.log()), "it is told").group()
    assert "random_seed" in line and "select" in line
    assert "secret" not in line and "0.123456" not in line


# -- Metrics --------------------------------------------------------------------------------------

def test_metrics_of_a_pool(pooled, session, filled):
    front = pooled(size=1, wait_timeout="10s")
    wire, other = session(front), session(front)
    wire.run("begin")
    assert pool_metric(front, "connections", ',state="active"') == 1
    assert pool_metric(front, "connections", ',state="idle"') == 0
    assert pool_metric(front, "size") == 1
    other.send(pgwire.query("select 1"))
    wait_until(lambda: pool_metric(front, "waiting") == 1, "it waits")
    time.sleep(0.3)
    assert 0.25 < pool_metric(front, "oldest_wait_seconds") < 5
    wire.run("commit")
    other.read_until("Z")
    assert pool_metric(front, "waiting") == 0
    assert pool_metric(front, "oldest_wait_seconds") == 0
    assert pool_metric(front, "waits_total") >= 1
    assert pool_metric(front, "wait_duration_seconds_count") >= 1
    assert pool_metric(front, "wait_duration_seconds_sum") > 0.25
    assert pool_metric(front, "connections_opened_total") == 1
    wire.run("set work_mem = '5MB'")
    other.scalar("select 1")
    assert pool_metric(front, "guards_total") >= 1
    filled.scalar(f"select pg_terminate_backend({wire.scalar(PID)})")
    wait_until(lambda: pool_metric(front, "connections_closed_total", ',reason="lost"') == 1,
               "its end is counted")


def test_statements_that_are_prepared_again(pooled, session):
    front = pooled(size=2)
    wire, other = session(front), session(front)
    wire.send(pgwire.parse("mine", "select 41 + 1") + pgwire.sync())
    wire.read_until("Z")
    other.run("begin")  # takes the connection that was used last
    wire.send(pgwire.bind("", "mine") + pgwire.execute() + pgwire.sync())
    assert not [each for each in wire.read_until("Z") if each.type == "E"]
    assert pool_metric(front, "statements_prepared_again_total") == 1


# -- Logins to servers ----------------------------------------------------------------------------

def test_a_server_that_is_down_is_not_hammered(proxy_factory):
    tries = []
    listener = socket.create_server(("127.0.0.1", 0))

    def hang_up():
        while True:
            try:
                listener.accept()[0].close()
            except OSError:
                return
            tries.append(time.monotonic())
    threading.Thread(target=hang_up, daemon=True).start()
    front = proxy_factory(
        upstreams={"main": {"servers": [{"host": "127.0.0.1", "port": listener.getsockname()[1]}],
                            "tls": {"mode": "disable"}}},
        pool={"mode": "transaction", "size": 20}, authentication=[{"method": "trust"}],
        users=[{"name": "bob", "password": password_of("bob")}])
    refused = []

    def knock():
        end = time.monotonic() + 2
        while time.monotonic() < end:
            with pytest.raises((WireError, pgwire.ServerClosed)) as error:
                connect(front, user="bob", database="tenant")
            refused.append(error)
    threads = [threading.Thread(target=knock) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    listener.close()
    assert refused and 1 < len(tries) < 16, (len(refused), len(tries))


def test_logins_to_one_server_are_bounded_and_quick_all_the_same(pooled, filled):
    front = pooled(size=20, upstream=dict(upstream_of(filled), max_logins=2))
    wires = [connect(front, user="bob", database="tenant") for _ in range(20)]
    for wire in wires:
        wire.send(pgwire.query("begin"))
    for wire in wires:
        wire.read_until("Z")
    assert pool_metric(front, "connections", ',state="active"') == 20
    for wire in wires:
        wire.close()


def test_a_server_that_refuses_more_logins_is_not_asked_without_a_pause(pooled, filled):
    front = pooled(size=4)
    wait_until(lambda: filled.scalar("select count(*) from pg_stat_activity"
                                     " where usename = 'bob'") == 0, "no backend is left")
    filled.execute("alter role bob connection limit 1")
    try:
        busy, waits = (connect(front, user="bob", database="tenant") for _ in range(2))
        busy.send(pgwire.query("select pg_sleep(2)"))
        wait_until(lambda: pool_metric(front, "connections", ',state="active"') == 1, "it is busy")
        waits.send(pgwire.query("select 1"))
        busy.read_until("Z")
        assert waits.read_until("Z")[-1].type == "Z"
        # Pauses of 50, 100, … ms, the end of which is looked for once a second.
        assert 1 <= pool_metric(front, "connections_not_opened_total") <= 6
    finally:
        filled.execute("alter role bob connection limit -1")
    for wire in (busy, waits):
        wire.close()
