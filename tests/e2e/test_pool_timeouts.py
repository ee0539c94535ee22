"""What sessions of a pool may take their time over, and statement mode, end to end."""

import time

import pytest

from lib import pgwire
from lib.pgwire import WireError, ends_with, error_of
from lib.processes import wait_until

PID = "select pg_backend_pid()"


def test_a_query_that_takes_too_long_is_cancelled_and_the_session_goes_on(pooled, session, filled):
    front = pooled(size=1, query_timeout="2s")
    wire = session(front)
    pid = wire.scalar(PID)
    begun = time.monotonic()
    with pytest.raises(WireError) as refused:
        wire.scalar("select pg_sleep(20)")
    assert 1.9 < time.monotonic() - begun < 10
    assert refused.value.sqlstate == "57014"
    assert "canceling statement due to statement timeout" in str(refused.value)
    assert wire.scalar(PID) == pid, "nothing of it hits the next query, on the same connection"
    assert filled.scalar(f"select count(*) from pg_stat_activity where pid = {pid}"
                         " and state = 'active'") == 0


def test_a_query_that_takes_too_long_fails_its_transaction(pooled, session):
    front = pooled(size=1, query_timeout="2s")
    wire = session(front)
    wire.run("begin")
    wire.send(pgwire.query("select pg_sleep(20)"))
    answer = wire.read_until("Z")
    assert error_of(answer).sqlstate() == "57014"
    assert answer[-1].body == b"E"
    wire.run("rollback")
    assert wire.scalar("select 1") == "1"


@pytest.mark.parametrize("text", ["insert into pool_late select 1 from pg_sleep(20)",
                                  "do $$ begin perform pg_sleep(20); end $$"])
def test_what_writes_is_cancelled_as_well(pooled, session, filled, text):
    filled.execute("create table if not exists pool_late (x int)", "tenant")
    filled.execute("grant all on pool_late to public", "tenant")
    wire = session(pooled(size=1, query_timeout="2s"))
    with pytest.raises(WireError) as refused:
        wire.rows(text)
    assert refused.value.sqlstate == "57014"
    assert wire.scalar("select count(*) from pool_late") == "0"


def test_a_batch_that_takes_too_long(pooled, session):
    wire = session(pooled(size=1, query_timeout="2s"))
    wire.send(pgwire.parse("", "select pg_sleep(20)") + pgwire.bind() + pgwire.execute() +
              pgwire.sync())
    assert error_of(wire.read_until("Z")).sqlstate() == "57014"
    assert wire.scalar("select 1") == "1"


def test_many_short_queries_are_not_one_long_one(pooled, session):
    wire = session(pooled(size=1, query_timeout="2s"))
    begun = time.monotonic()
    while time.monotonic() - begun < 2.5:
        assert wire.scalar("select pg_sleep(0.05)") == ""


def test_waiting_for_a_connection_is_not_part_of_a_query(pooled, session):
    front = pooled(size=1, query_timeout="2s")
    holder, waiter = session(front), session(front)
    holder.run("begin")
    waiter.send(pgwire.query("select 1"))
    time.sleep(2.5)
    holder.run("commit")
    assert [each.type for each in waiter.read_until("Z")][-2:] == ["C", "Z"]


def test_an_idle_transaction_is_rolled_back_and_its_session_told(pooled, session, filled):
    filled.execute("create table if not exists pool_idle (x int)", "tenant")
    filled.execute("grant all on pool_idle to public", "tenant")
    front = pooled(size=1, idle_in_transaction_timeout="300ms")
    wire, other = session(front), session(front)
    pid = wire.scalar(PID)
    wire.run("begin; insert into pool_idle values (1)")  # at once: in between it would be idle
    ends_with(wire, "25P03", "terminating connection due to idle-in-transaction timeout")
    assert other.scalar(PID) == pid, "the connection is kept"
    assert other.scalar("select count(*) from pool_idle") == "0"
    with pytest.raises(WireError):
        other.scalar("select 1/0")
    time.sleep(0.6)
    assert other.scalar("select 1") == "1", "outside of a transaction it may be idle"


def test_a_failed_transaction_that_is_left_alone_counts_too(pooled, session):
    wire = session(pooled(size=1, idle_in_transaction_timeout="300ms"))
    with pytest.raises(WireError):
        wire.scalar("begin; select 1/0")  # at once: in between it would be idle
    ends_with(wire, "25P03", "idle-in-transaction")


def test_a_transaction_that_asks_again_and_again_is_not_idle_but_ends(pooled, session):
    front = pooled(size=1, idle_in_transaction_timeout="2s", transaction_timeout="3s")
    wire, other = session(front), session(front)
    pid = wire.scalar(PID)
    begun = time.monotonic()
    wire.run("begin")
    with pytest.raises((WireError, pgwire.ServerClosed)) as ended:
        while time.monotonic() - begun < 10:
            wire.scalar("select 1")
            time.sleep(0.05)
    assert 2.9 < time.monotonic() - begun < 8
    assert getattr(ended.value, "sqlstate", "25P04") == "25P04"
    assert other.scalar(PID) == pid


@pytest.mark.parametrize("text", ["select pg_sleep(20)", "insert into pool_slow select 1 from"
                                  " pg_sleep(20)"])
def test_a_transaction_timeout_cancels_what_runs(pooled, session, filled, text):
    filled.execute("create table if not exists pool_slow (x int)", "tenant")
    filled.execute("grant all on pool_slow to public", "tenant")
    front = pooled(size=1, transaction_timeout="2s")
    wire, other = session(front), session(front)
    pid = wire.scalar(PID)
    wire.send(pgwire.query(text))
    ends_with(wire, "25P04", "terminating connection due to transaction timeout")
    assert other.scalar(PID) == pid
    assert other.scalar("select count(*) from pool_slow") == "0"


def test_an_idle_client_is_told_and_goes(pooled, session):
    front = pooled(size=1, client_idle_timeout="2s")
    wire = session(front)
    for _ in range(4):
        time.sleep(0.55)
        assert wire.scalar("select 1") == "1", "it asks something now and then"
    begun = time.monotonic()
    ends_with(wire, "57P05", "terminating connection due to idle-session timeout")
    assert 1 < time.monotonic() - begun < 10
    wait_until(lambda: front.metrics()['trunkline_closes_total{reason="client_idle_timeout"}'] == 1,
               "its end is counted")


def test_in_a_transaction_nobody_is_an_idle_client(pooled, session):
    wire = session(pooled(size=1, client_idle_timeout="2s"))
    wire.run("begin")
    time.sleep(2.5)
    wire.run("commit")


def test_an_idle_client_of_session_mode_gives_its_connection_back(pooled, session):
    front = pooled(mode="session", size=1, client_idle_timeout="2s")
    wire = session(front)
    pid = wire.scalar(PID)
    wire.run("create temp table mine (x int)")
    ends_with(wire, "57P05", "idle-session")
    other = session(front)
    assert other.scalar(PID) == pid
    assert other.scalar("select count(*) from pg_class where relname = 'mine'") == "0"


def test_timeouts_follow_a_reload(pooled, session):
    front = pooled(size=1)
    wire = session(front)
    assert wire.scalar("select pg_sleep(0.4)") == ""
    front.config["pool"]["query_timeout"] = "200ms"
    front.reload(front.config)
    with pytest.raises(WireError) as refused:
        wire.scalar("select pg_sleep(5)")
    assert refused.value.sqlstate == "57014"
    del front.config["pool"]["query_timeout"]
    front.reload(front.config)

    def lasts():
        try:
            return wire.scalar("select pg_sleep(0.4)") == ""
        except WireError:
            return False

    # From the next checkout on: until the cancel has arrived, the session keeps its connection.
    wait_until(lasts, "the session has had another checkout", 5)


def test_statement_mode_refuses_blocks(pooled, session):
    front = pooled(mode="statement", size=1)
    wire = session(front)
    for text in ("begin", "start transaction", "begin; select 1; commit"):
        with pytest.raises(WireError) as refused:
            wire.rows(text)
        assert refused.value.sqlstate == "0A000"
        assert "statement pooling mode" in str(refused.value)
    wire.send(pgwire.parse("", "begin") + pgwire.bind() + pgwire.execute() + pgwire.sync())
    answer = wire.read_until("Z")
    assert error_of(answer).sqlstate() == "0A000" and answer[-1].body == b"I"
    other = session(front)
    assert wire.scalar("select 1") == other.scalar("select 1") == "1"


def test_statement_mode_takes_back_a_block_it_could_not_see(pooled, session):
    front = pooled(mode="statement", size=1)
    wire = session(front)
    wire.send(pgwire.query("select length('" + "x" * 300_000 + "'); begin"))
    answer = wire.read_until("Z")
    assert error_of(answer).sqlstate() == "0A000" and answer[-1].body == b"I"
    assert wire.scalar("select now() = statement_timestamp()") == "t", "no block is open"


def test_statement_mode_shares_one_connection_statement_by_statement(pooled, session):
    front = pooled(mode="statement", size=1)
    wires = [session(front) for _ in range(4)]
    assert len({wire.scalar(PID) for wire in wires}) == 1
    wires[0].run("set work_mem = '7MB'")
    assert wires[1].scalar("show work_mem") == "4MB"
    assert wires[0].scalar("show work_mem") == "7MB"
