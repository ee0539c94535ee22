"""LISTEN and NOTIFY through transaction pools: who listens keeps no server connection.

What a client sees is the subject of row I of tests/semantics, too; here it is what becomes of server
connections, of listeners that are lost, and of clients that do not read.
"""

import select
import threading
import time

import pytest

from conftest import upstream_of
from lib import pgwire
from lib.pgwire import connect
from lib.postgres import password_of
from lib.processes import wait_until

LISTENERS = "select pid from pg_stat_activity where application_name = 'trunkline listener'"
USERS = ("bob", "alice")
WAIT_SECONDS = 5


@pytest.fixture
def pooled(proxy_factory, clusters):
    """Makes a proxy with a pool before the shared server; everybody is who he says he is."""
    def make(cluster=None, **more):
        pool = {"mode": "transaction", "size": 1, "wait_timeout": "5s", **more.pop("pool", {})}
        return proxy_factory(upstreams={"main": upstream_of(cluster or clusters.shared(15))},
                             pool=pool, authentication=[{"method": "trust"}],
                             users=[{"name": name, "password": password_of(name)}
                                    for name in USERS], **more)
    return make


def enter(front, user="bob", **more):
    return connect(front, user=user, database="app", **more)


def notified(wire, count=1, seconds=WAIT_SECONDS):
    """(pid, channel, payload) of so many notifications that come while idle, or of those in time."""
    found, deadline = [], time.monotonic() + seconds
    while len(found) < count:
        left = max(0.0, deadline - time.monotonic())
        if not wire.buffer and not select.select([wire.socket], [], [], left)[0]:
            break
        each = wire.read()
        if each.type == "A":
            found.append(pgwire.decode(each)[1])
    return found


def of_answer(messages):
    return [pgwire.decode(each)[1] for each in messages if each.type == "A"]


def types(messages):
    return "".join(each.type for each in messages if each.type != "S")


def test_many_listen_with_one_connection_and_one_listener(pooled, clusters):
    front = pooled()
    listeners = [enter(front) for _ in range(20)]
    for number, wire in enumerate(listeners):
        assert types(wire.run(f"listen many; listen own{number}")) == "CCZ"
    with enter(front) as other:
        assert other.scalar("select 1") == "1"
        assert types(other.run("notify many, 'all'; notify own7, 'one'")) == "CCZ"
    for number, wire in enumerate(listeners):
        wanted = [("many", "all")] + ([("own7", "one")] if number == 7 else [])
        assert [each[1:] for each in notified(wire, len(wanted))] == wanted
        assert not notified(wire, seconds=0)
    assert int(clusters.shared(15).scalar(f"select count(*) from ({LISTENERS}) as found")) == 1
    for wire in listeners:
        wire.close()


def test_the_sender_is_the_process_of_its_cancel_key(pooled):
    front = pooled(pool={"size": 3})
    with enter(front) as a, enter(front) as b, enter(front, user="alice") as c:
        a.run("listen chat")
        for sender in (b, c, b):
            sender.run("notify chat, 'x'")
            assert notified(a) == [(sender.session.pid, "chat", "x")]
        assert of_answer(a.run("notify chat, 'own'")) == [(a.session.pid, "chat", "own")]
        b.run("notify chat, 'x'")
        assert notified(a) == [(b.session.pid, "chat", "x")]


def test_who_is_no_client_is_the_process_of_the_server(pooled, clusters):
    front = pooled()
    with enter(front) as a, connect(clusters.shared(15), user="postgres", database="app",
                                    password=password_of("postgres")) as other:
        a.run("listen chat")
        pid = int(other.scalar("select pg_backend_pid()"))
        other.run("notify chat, 'x'")
        assert notified(a) == [(pid, "chat", "x")]


def test_another_clients_notifications_never_pass_for_ones_own(pooled):
    """They share one connection, and clients drop what they have sent themselves."""
    front = pooled()
    with enter(front) as a, enter(front) as b:
        a.run("listen chat")
        seen = []
        for number in range(200):
            b.send(pgwire.query(f"notify chat, 'b{number}'"))
            seen += of_answer(a.run(f"notify chat, 'a{number}'"))
            b.read_until("Z")
        seen += notified(a, 400 - len(seen))
    assert len(seen) == 400
    assert {pid for pid, _, payload in seen if payload[0] == "a"} == {a.session.pid}
    assert {pid for pid, _, payload in seen if payload[0] == "b"} == {b.session.pid}


def test_ones_own_notifications_come_before_ready_for_query(pooled):
    front = pooled(pool={"size": 4}, workers=2)
    clients = [enter(front) for _ in range(4)]
    missed = []

    def play(slot, wire):
        wire.run(f"listen own{slot}")
        for number in range(300):
            said = types(wire.run(f"notify own{slot}, '{number}'"))
            if said != "CAZ":
                missed.append(said)

    threads = [threading.Thread(target=play, args=each) for each in enumerate(clients)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for wire in clients:
        wire.close()
    assert not missed


def test_what_is_notified_once_listen_is_committed_is_not_missed(pooled):
    """a's commit shows in a table; whoever sees it there notifies, and a must be told."""
    front = pooled(pool={"size": 3}, workers=2)
    with enter(front) as b:
        b.run("drop table if exists listens; create table listens (n int)")
        for number in range(100):
            with enter(front) as a:
                a.send(pgwire.query(f"listen chat{number}; insert into listens values ({number})"))
                wait_until(lambda number=number: b.rows(
                    f"select 1 from listens where n = {number}"), "it is committed")
                b.run(f"notify chat{number}")
                found = of_answer(a.read_until("Z")) + notified(a, seconds=0.2)
                if not found:
                    found = notified(a)
                assert [each[1] for each in found] == [f"chat{number}"]


def test_a_function_that_notifies_tells_its_caller(pooled):
    front = pooled()
    with enter(front) as a:
        a.run("create or replace function tell() returns void language plpgsql as"
              " $$ begin perform pg_notify('chat', 'from a function'); end $$")
        a.run("listen chat")
        assert of_answer(a.run("select tell()")) == [(a.session.pid, "chat", "from a function")]


def test_listen_of_code_that_is_not_seen_stays_on_its_connection(pooled):
    front = pooled(pool={"size": 2})
    with enter(front) as a, enter(front) as b:
        a.run("listen seen")
        a.run("do $$ begin execute 'listen unseen'; end $$")
        b.run("notify seen, '1'")
        b.run("notify unseen, '2'")
        # They come by two connections, and in no order.
        assert sorted(each[1:] for each in notified(a, 2)) == [("seen", "1"), ("unseen", "2")]
        assert [each[0] for each in of_answer(a.run("notify unseen, '3'"))] == [a.session.pid]
        assert a.scalar("select pg_backend_pid()") == a.scalar("select pg_backend_pid()")
        a.run("unlisten *")
        b.run("notify seen; notify unseen")
        assert not notified(a, seconds=0.1)


def test_no_connection_of_the_pool_goes_on_listening(pooled, clusters):
    front = pooled()
    with enter(front) as a, enter(front) as b:
        a.run("listen chat")
        pid = b.scalar("select pg_backend_pid()")
        assert b.rows("select pg_listening_channels()") == []
        assert a.scalar("select pg_listening_channels()") == "chat"
        assert b.rows("select pg_listening_channels()") == []
        assert b.scalar("select pg_backend_pid()") == pid


def test_a_listener_that_is_lost_listens_again_and_the_gap_is_logged(pooled, new_cluster):
    server = new_cluster(15, tls=False)
    front = pooled(server)
    with enter(front) as a, enter(front) as b:
        a.run("listen chat")
        server.scalar(f"select pg_terminate_backend(pid) from ({LISTENERS}) as found")
        wait_until(lambda: "listening again" in front.log(), "the gap is logged")
        b.run("notify chat, 'after'")
        assert [each[1:] for each in notified(a)] == [("chat", "after")]
        assert "gap_ms" in front.log() and "a listening connection is lost" in front.log()
        # All of the server goes away, and comes again.
        server.restart()
        wait_until(lambda: front.log().count("listening again") == 2, "it listens again", 15)
        with enter(front) as c:
            c.run("notify chat, 'restarted'")
        assert [each[1:] for each in notified(a)] == [("chat", "restarted")]


def test_a_listener_goes_on_where_the_server_ends_idle_sessions(pooled, new_cluster):
    server = new_cluster(15, tls=False, idle_session_timeout="1800ms",
                         statement_timeout="1800ms")
    front = pooled(server)
    with enter(front) as a:
        a.run("listen chat")
        time.sleep(2.5)
        with enter(front) as b:
            b.run("notify chat, 'x'")
        assert [each[1:] for each in notified(a)] == [("chat", "x")]
    assert "listening connection is lost" not in front.log()


def test_without_a_listener_the_session_keeps_its_connection(pooled, new_cluster):
    server = new_cluster(15, tls=False)
    server.execute("alter role bob connection limit 1")
    front = pooled(server)
    with enter(front) as a, connect(server, user="alice", database="app",
                                    password=password_of("alice")) as other:
        a.run("listen chat")
        wait_until(lambda: "server login of a listener failed" in front.log(), "it is logged")
        other.run("notify chat, 'x'")
        assert [each[1:] for each in notified(a)] == [("chat", "x")]
        assert [each[0] for each in of_answer(a.run("notify chat"))] == [a.session.pid]


def test_who_listens_is_ended_by_a_reload_that_changes_the_server(pooled, new_cluster):
    front = pooled(pool={"size": 2})
    with enter(front) as idle, enter(front) as inside, enter(front) as other:
        idle.run("listen chat")
        inside.run("listen chat")
        inside.run("begin")
        other.run("listen chat")
        other.run("unlisten chat")
        config = {**front.config, "upstreams": {"main": upstream_of(new_cluster(15, tls=False))}}
        front.reload(config)
        # Without a query: what is notified at the new server it would not hear.
        said = idle.read_to_end()
        assert [each.sqlstate() for each in said if each.type == "E"] == ["57P01"]
        # What runs comes to its end on the old one.
        assert inside.scalar("select 1") == "1"
        inside.run("commit")
        assert [each.sqlstate() for each in inside.read_to_end() if each.type == "E"] == ["57P01"]
        assert other.scalar("select 1") == "1"


def test_a_client_that_does_not_read_is_ended_and_others_go_on(pooled):
    front = pooled(pool={"size": 2})
    with enter(front) as a, enter(front) as b, enter(front) as c:
        a.run("listen flood")
        b.run("listen flood")
        a.run("begin")
        payload = "x" * 7000
        count = 300
        for number in range(count):
            c.run(f"notify flood, '{number} {payload}'")
            assert len(notified(b)) == 1
        said = a.read_to_end()
        assert [each.sqlstate() for each in said if each.type == "E"] == ["53400"]
        wait_until(lambda: "too many notifications" in front.log(), "the log says why")
        assert c.scalar("select 1") == "1"


def test_payloads_come_in_the_clients_encoding(pooled):
    front = pooled()
    with enter(front, parameters=[("client_encoding", "LATIN1")]) as a, \
            enter(front, parameters=[("client_encoding", "UTF8")]) as b:
        for wire, channel in ((a, b"caf\xe9"), (b, "café".encode())):
            wire.run(b'listen "' + channel + b'"')
        said = [each for each in b.run("notify \"café\", 'né'".encode()) if each.type == "A"]
        assert [each.body[4:] for each in said] == ["café\0né\0".encode()]
        assert a.read().body[4:] == "café\0né\0".encode("latin-1")


def test_a_session_pool_keeps_listen_on_the_sessions_connection(pooled, clusters):
    front = pooled(pool={"mode": "session", "size": 2})
    with enter(front) as a, enter(front) as b:
        a.run("listen chat")
        b.run("notify chat, 'x'")
        assert [each[1:] for each in notified(a)] == [("chat", "x")]
        assert of_answer(a.run("notify chat, 'own'")) == [(a.session.pid, "chat", "own")]
