"""The counters of Envoy's filter, exact, in 24 cases; gauges, health, histograms."""

import ssl
import threading
import time

import pytest

from conftest import Proxy, listener, upstream_of
from lib import pgwire
from lib.fake_server import FakeServer
from lib.pgwire import Wire, connect
from lib.processes import free_port, wait_until
from lib.trunkline import base_config, client_tls

COUNTERS = """errors errors_error errors_fatal errors_panic errors_unknown messages
messages_backend messages_frontend messages_unknown sessions sessions_encrypted
sessions_unencrypted sessions_terminated_ssl sessions_upstream_ssl_success
sessions_upstream_ssl_failed statements statements_insert statements_update statements_delete
statements_select statements_other transactions transactions_commit transactions_rollback notices
notices_notice notices_log notices_warning notices_debug notices_info notices_unknown""".split()


@pytest.fixture(scope="module")
def front(clusters, session_folder, certificates):
    """One proxy for the module: the cases look at differences."""
    cluster = clusters.shared(18)
    config = base_config(upstreams={"main": upstream_of(cluster)}, routes=[{"upstream": "main"}],
                         authentication=[{"method": "trust"}], listen=listener(certificates))
    proxy = Proxy(session_folder, config, "metrics").start()
    proxy.cluster = cluster
    yield proxy
    proxy.stop()


def q(text):
    return pgwire.query(text)


def x(text):
    return pgwire.parse("", text) + pgwire.bind() + pgwire.execute()


S = pgwire.sync()
TEMP = "create temp table t(a int)"

# name, what is sent in turn after login: (bytes, ReadyForQuery to wait for), and what must be
# counted, exactly; a counter that is not named must not move (messages are looked at on their own).
CASES = {
    "1 select": ([(q("select 1"), 1)],
                 {"statements": 1, "statements_select": 1, "transactions": 1,
                  "transactions_commit": 1}),
    "2 insert update delete": (
        [(q(TEMP), 1), (q("insert into t values (1)"), 1), (q("update t set a = 2"), 1),
         (q("delete from t"), 1)],
        {"statements": 4, "statements_insert": 1, "statements_update": 1, "statements_delete": 1,
         "statements_other": 1, "transactions": 4, "transactions_commit": 4}),
    "3 begin commit": (
        [(q("begin"), 1), (q("select 1"), 1), (q("commit"), 1)],
        {"statements": 3, "statements_select": 1, "statements_other": 2, "transactions": 1,
         "transactions_commit": 1}),
    "4 begin rollback": (
        [(q("begin"), 1), (q("rollback"), 1)],
        {"statements": 2, "statements_other": 2, "transactions": 1, "transactions_rollback": 1}),
    "5 savepoint rolled back to does not end it": (
        [(q("begin"), 1), (q("savepoint s"), 1), (q("rollback to s"), 1), (q("commit"), 1)],
        {"statements": 4, "statements_other": 4, "transactions": 1, "transactions_commit": 1}),
    "6 savepoint after an error": (
        [(q("begin"), 1), (q("savepoint s"), 1), (q("select 1/0"), 1), (q("rollback to s"), 1),
         (q("commit"), 1)],
        {"statements": 4, "statements_other": 4, "errors": 1, "errors_error": 1,
         "transactions": 1, "transactions_commit": 1}),
    "7 commit of a failed block is a rollback": (
        [(q("begin"), 1), (q("select 1/0"), 1), (q("commit"), 1)],
        {"statements": 2, "statements_other": 2, "errors": 1, "errors_error": 1,
         "transactions": 1, "transactions_rollback": 1}),
    "8 implicit transaction that fails": (
        [(q("select 1/0"), 1)],
        {"errors": 1, "errors_error": 1, "transactions": 1, "transactions_rollback": 1}),
    "9 several statements are one transaction": (
        [(q("select 1; select 2; select 3"), 1)],
        {"statements": 3, "statements_select": 3, "transactions": 1, "transactions_commit": 1}),
    "10 several statements, the last fails": (
        [(q(TEMP + "; insert into t values (1); select 1/0"), 1)],
        {"statements": 2, "statements_other": 1, "statements_insert": 1, "errors": 1,
         "errors_error": 1, "transactions": 1, "transactions_rollback": 1}),
    "11 pipeline is one transaction": (
        [(x("select 1") * 5 + S, 1)],
        {"statements": 5, "statements_select": 5, "transactions": 1, "transactions_commit": 1}),
    "12 pipeline that fails commits nothing": (
        [(q(TEMP), 1), (x("insert into t values (1)") + x("select 1/0") + x("select 3") + S, 1)],
        {"statements": 2, "statements_other": 1, "statements_insert": 1, "errors": 1,
         "errors_error": 1, "transactions": 2, "transactions_commit": 1,
         "transactions_rollback": 1}),
    "13 a sync each": (
        [((x("select 1") + S) * 3, 3)],
        {"statements": 3, "statements_select": 3, "transactions": 3, "transactions_commit": 3}),
    "14 prepared once, executed often": (
        [(pgwire.parse("p", "select 1") + pgwire.bind("", "p") + pgwire.execute() + S, 1)] +
        [(pgwire.bind("", "p") + pgwire.execute() + S, 1)] * 3,
        {"statements": 4, "statements_select": 4, "transactions": 4, "transactions_commit": 4}),
    "15 copy in": (
        [(q(TEMP), 1), (q("copy t from stdin") + pgwire.copy_data("1\n") * 3 +
                        pgwire.copy_done(), 1)],
        {"statements": 2, "statements_other": 2, "transactions": 2, "transactions_commit": 2}),
    "16 copy in that fails": (
        [(q(TEMP), 1), (q("copy t from stdin") + pgwire.copy_fail("no"), 1)],
        {"statements": 1, "statements_other": 1, "errors": 1, "errors_error": 1,
         "transactions": 2, "transactions_commit": 1, "transactions_rollback": 1}),
    "17 copy out": (
        [(q("copy (select generate_series(1, 1000)) to stdout"), 1)],
        {"statements": 1, "statements_other": 1, "transactions": 1, "transactions_commit": 1}),
    "18 notices of each severity": (
        [(q("set client_min_messages = debug1; do $$ begin raise debug 'd'; raise log 'l'; "
            "raise info 'i'; raise notice 'n'; raise warning 'w'; end $$"), 1)],
        {"statements": 2, "statements_other": 2, "notices": 5, "notices_debug": 1,
         "notices_log": 1, "notices_info": 1, "notices_notice": 1, "notices_warning": 1,
         "transactions": 1, "transactions_commit": 1}),
    "19 a fatal error": (
        [(q("select pg_terminate_backend(pg_backend_pid())"), 0)],
        {"errors": 1, "errors_fatal": 1, "transactions": 1, "transactions_rollback": 1}),
    # PostgreSQL's own xact_commit moves for an empty query and a function call, too.
    "20 an empty query is no statement": (
        [(q(""), 1)], {"transactions": 1, "transactions_commit": 1}),
    "21 a statement in five pieces is one": (
        [(q("select 2")[:3], -1), (q("select 2")[3:7], -1), (q("select 2")[7:9], -1),
         (q("select 2")[9:], 1)],
        {"statements": 1, "statements_select": 1, "transactions": 1, "transactions_commit": 1}),
    "22 function call": (
        [(pgwire.function_call(177, [b"\0\0\0\1", b"\0\0\0\2"]), 1)],
        {"transactions": 1, "transactions_commit": 1}),
    "23 loss inside a transaction is a rollback": (
        [(q("begin"), 1), (b"", -2)],
        {"statements": 1, "statements_other": 1, "transactions": 1, "transactions_rollback": 1}),
    "24 loss while idle is nothing": (
        [(q("select 1"), 1), (b"", -2)],
        {"statements": 1, "statements_select": 1, "transactions": 1, "transactions_commit": 1}),
}


def counters(front):
    return {name: front.counter(name) for name in COUNTERS}


def run_case(front, steps) -> None:
    with connect(front) as wire:
        wait_until(lambda: front.counter("sessions"), "the session is counted")
        for data, ready in steps:
            wire.send(data)
            if ready > 0:
                wire.read_until("Z", ready)
            elif ready == 0:
                wire.read_to_end()
                return
            elif ready == -1:
                time.sleep(0.03)
            else:
                wire.abort()
                return
        wire.send(pgwire.terminate())
        wire.read_to_end()


@pytest.mark.parametrize("name", CASES)
def test_exact_counts(front, name):
    steps, expected = CASES[name]
    # What a login alone moves is measured, not assumed: its messages and its session.
    before = counters(front)
    run_case(front, [])
    settled(front, before, "sessions")
    login = counters(front)
    alone = {key: login[key] - before[key] for key in COUNTERS}
    run_case(front, steps)
    settled(front, login, "sessions")
    wait_until(lambda: front.counter("transactions") - login["transactions"] >=
               expected.get("transactions", 0), "the transactions are counted", 5)
    time.sleep(0.1)
    after = counters(front)
    moved = {key: after[key] - login[key] - alone[key] for key in COUNTERS}
    moved = {key: value for key, value in moved.items()
             if value and not key.startswith("messages")}
    assert moved == expected


def settled(front, before, name) -> None:
    wait_until(lambda: front.counter(name) > before[name], f"{name} moves", 5)
    time.sleep(0.1)


def test_messages_are_counted_whole_not_by_chunk(front):
    with connect(front) as wire:
        before = counters(front)
        data = pgwire.query("select repeat('x', 3000000)") + pgwire.query("select 1") * 9
        wire.send_slowly(data, 7)
        found = wire.read_until("Z", 10)
        wait_until(lambda: counters(front)["messages_frontend"] - before["messages_frontend"] >= 10,
                   "ten messages are counted")
        after = counters(front)
        assert after["messages_frontend"] - before["messages_frontend"] == 10
        assert after["messages_backend"] - before["messages_backend"] == len(found)
        assert after["messages"] - before["messages"] == 10 + len(found)
        assert after["messages_unknown"] == before["messages_unknown"]


def test_sessions_by_encryption(front):
    before = counters(front)
    connect(front).close()
    connect(front, tls=client_tls(), server_name="localhost").close()
    wait_until(lambda: counters(front)["sessions"] - before["sessions"] >= 2, "two sessions")
    after = counters(front)
    moved = {key: after[key] - before[key] for key in COUNTERS if key.startswith("sessions")}
    assert moved == {"sessions": 2, "sessions_encrypted": 1, "sessions_unencrypted": 1,
                     "sessions_terminated_ssl": 1, "sessions_upstream_ssl_success": 0,
                     "sessions_upstream_ssl_failed": 0}


def test_cancel_and_encryption_requests_are_no_sessions(front):
    before = counters(front)
    with Wire(front.host, front.port) as wire:
        wire.send(pgwire.cancel_request(1, b"nope"))
        wire.read_to_end()
    with Wire(front.host, front.port) as wire:
        assert wire.request_tls(pgwire.GSS_CODE) == b"N"
    time.sleep(0.2)
    assert counters(front)["sessions"] == before["sessions"]


@pytest.mark.parametrize("tls,success,failed", [(True, 1, 0), (False, 0, 1)])
def test_upstream_tls_is_counted(proxy_factory, new_cluster, tls, success, failed):
    cluster = new_cluster(15, tls=tls)
    front = proxy_factory(upstreams={"main": upstream_of(cluster, mode="require")},
                          routes=[{"upstream": "main"}], authentication=[{"method": "trust"}])
    try:
        connect(front).close()
    except pgwire.WireError:
        pass
    found = counters(front)
    assert found["sessions_upstream_ssl_success"] == success
    assert found["sessions_upstream_ssl_failed"] == failed


@pytest.mark.parametrize("auth", ["terminate", "relay"])
@pytest.mark.parametrize("mode,tried,user,expected", [
    ("require", 2, "trusty", (1, 1)), ("prefer", 1, "alice", (0, 1)), ("require", 1, "alice", (0, 1))],
    ids=["passed by", "refused in plain text", "needed"])
def test_upstream_tls_is_counted_whatever_becomes_of_the_login(
        proxy_factory, without_tls, pg18, auth, mode, tried, user, expected):
    """The first server has no TLS, the second has; alice's password is wrong."""
    servers = [{"host": each.host, "port": each.port} for each in (without_tls, pg18)][:tried]
    front = proxy_factory(upstreams={"main": {"servers": servers, "tls": {"mode": mode}}},
                          routes=[{"upstream": "main", "auth": auth}],
                          authentication=[{"method": "trust"}])
    try:
        connect(front, user=user, password="wrong").close()
        logged_in = True
    except pgwire.WireError:
        logged_in = False
    assert logged_in == (user == "trusty")
    found = counters(front)
    assert (found["sessions_upstream_ssl_success"],
            found["sessions_upstream_ssl_failed"]) == expected


@pytest.fixture(scope="module")
def without_tls(clusters):
    cluster = clusters.new(15, tls=False)
    yield cluster
    cluster.stop()


def test_every_counter_of_envoy_is_there(front):
    metrics = front.metrics()
    for name in COUNTERS:
        assert f"trunkline_postgres_{name}_total" in metrics


def test_the_text_is_well_formed_and_has_routes_and_upstreams(front):
    status, text = front.http("/metrics")
    assert status == 200
    names = set()
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            name = line.split()[2]
            assert name not in names, f"{name} has two TYPE lines"
            names.add(name)
        elif line and not line.startswith("#"):
            float(line.rsplit(" ", 1)[1])
    assert 'upstream="main"' in text and "route=" in text
    assert any(name.endswith("_seconds") for name in names), "histograms are in seconds"


def test_gauges_and_closes_follow_the_sessions(front):
    def open_now():
        return sum(value for name, value in front.metrics().items()
                   if "client" in name and "{" in name and 'state="' in name)

    before = open_now()
    with connect(front), connect(front):
        wait_until(lambda: open_now() == before + 2, "both are counted as open")
    wait_until(lambda: open_now() == before, "both are counted as closed")
    assert any('reason="' in name for name in front.metrics())


def test_server_connections_by_state(proxy_factory, pg18):
    front = proxy_factory(upstreams={"main": upstream_of(pg18)},
                          routes=[{"match": {"database": "tenant"}, "upstream": "main",
                                   "inspect": "bytes"}, {"upstream": "main"}],
                          authentication=[{"method": "trust"}])

    def now():
        found = front.metrics()
        return tuple(found[f'trunkline_server_connections{{upstream="main",state="{state}"}}']
                     for state in ("login", "idle", "active", "opaque"))

    assert now() == (0, 0, 0, 0), "they are there from the start"
    with connect(front) as one, connect(front) as two, connect(front, database="tenant"):
        wait_until(lambda: now() == (0, 2, 0, 1), "two are idle, one is not looked at")
        one.run("begin")
        two.send(q("select pg_sleep(30)"))
        wait_until(lambda: now() == (0, 0, 2, 1), "one in a transaction, one in a query")
        one.run("commit")
        wait_until(lambda: now() == (0, 1, 1, 1), "the transaction is over")
    # The query that runs still has its server until it sees that its client is gone.
    pg18.scalar("select count(pg_terminate_backend(pid)) from pg_stat_activity "
                "where query like 'select pg_sleep(30)%' and pid <> pg_backend_pid()")
    wait_until(lambda: now() == (0, 0, 0, 0), "all are gone", 10)


@pytest.mark.parametrize("auth", ["terminate", "relay"])
def test_a_server_connection_that_logs_in_is_counted(proxy_factory, auth):
    asked, go_on = threading.Event(), threading.Event()

    def talk(server):
        server.recv(1000)
        asked.set()
        go_on.wait(10)

    with FakeServer(talk) as server:
        front = proxy_factory(
            upstreams={"main": {"servers": [{"host": server.host, "port": server.port}],
                                "tls": {"mode": "disable"}}},
            routes=[{"upstream": "main", "auth": auth}], authentication=[{"method": "trust"}])
        login = 'trunkline_server_connections{upstream="main",state="login"}'
        with Wire(front.host, front.port) as wire:
            wire.send(pgwire.startup([("user", "trusty")]))
            assert asked.wait(10)
            assert front.metrics()[login] == 1
            go_on.set()
            wire.read_to_end()
        wait_until(lambda: front.metrics()[login] == 0, "the login has failed")


@pytest.mark.parametrize("way", ["relay", "passthrough"])
def test_names_that_strangers_invent_are_no_labels(proxy_factory, way):
    """The host comes from what a client says, and there is no such server."""
    passed = way == "passthrough"
    listen = {"address": "127.0.0.1", "port": free_port(),
              "tls": {"mode": "passthrough" if passed else "disable"}}
    front = proxy_factory(
        listen=listen,
        routes=[{"match": {"sni" if passed else "database": "/(.*)/"}, "auth": "relay",
                 "upstream": {"host": "$1.invalid", "port": 5432, "tls": {"mode": "disable"}}}])
    for name in ("stranger1", "stranger2"):
        with Wire(front.host, front.port) as wire:
            if passed:
                hello = ssl.MemoryBIO()
                client = client_tls(None).wrap_bio(ssl.MemoryBIO(), hello, server_hostname=name)
                with pytest.raises(ssl.SSLWantReadError):
                    client.do_handshake()
                wire.send(hello.read())
            else:
                wire.send(pgwire.startup([("user", "trusty"), ("database", name)]))
            wire.read_to_end()
    found = front.metrics()
    assert not [name for name in found if "stranger" in name]
    login = 'trunkline_server_connections{upstream="$1.invalid:5432",state="login"}'
    assert found[login] == 0


def test_the_prefix_can_be_changed(proxy_factory, pg18):
    front = proxy_factory(upstreams={"main": upstream_of(pg18)}, routes=[{"upstream": "main"}],
                          authentication=[{"method": "trust"}], metrics={"prefix": "envoy"})
    connect(front).close()
    wait_until(lambda: front.counter("sessions") == 1, "it is counted")
    assert "envoy_postgres_sessions_total" in front.metrics()


def test_health(proxy_factory, pg18):
    front = proxy_factory(upstreams={"main": upstream_of(pg18)}, routes=[{"upstream": "main"}],
                          authentication=[{"method": "trust"}])
    assert front.http("/healthz")[0] == 200
    wait_until(lambda: front.http("/readyz")[0] == 200, "it is ready", 12)
    assert front.http("/nowhere")[0] == 404


def test_not_ready_without_a_server(proxy_factory, pg18):
    dead = {"servers": [{"host": "127.0.0.1", "port": free_port()}], "tls": {"mode": "disable"}}
    front = proxy_factory(upstreams={"main": upstream_of(pg18), "dead": dead},
                          routes=[{"upstream": "main"}], authentication=[{"method": "trust"}])
    time.sleep(1)
    assert front.http("/healthz")[0] == 200
    assert front.http("/readyz")[0] == 503
    assert "dead" in front.http("/readyz")[1]
