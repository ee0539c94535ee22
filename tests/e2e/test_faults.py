"""What goes wrong in production: servers die, clients vanish, networks stall, bytes are garbage."""

import fcntl
import os
import random
import signal
import socket
import ssl
import struct
import termios
import threading
import time

import pytest

from conftest import listener, upstream_of
from lib import pgwire
from lib.fake_server import FakeServer
from lib.pgwire import ServerClosed, Wire, WireError, connect
from lib.processes import free_port, open_descriptors, resident_bytes, wait_until
from lib.relay import Faults, PlainRelay
from lib.trunkline import client_tls, sanitized

ENDLESS = "select repeat('x', 1000), generate_series(1, 1000000000)"
BACKENDS = "select count(*) from pg_stat_activity where usename = 'trusty'"


def front_of(proxy_factory, server, **more):
    return proxy_factory(upstreams={"main": upstream_of(server)}, routes=[{"upstream": "main"}],
                         authentication=[{"method": "trust"}], **more)


def unacknowledged_bytes(connection: socket.socket) -> int:
    return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0]


def assert_ends_in_words(wire, found) -> None:
    """The last message is a FATAL, unless the stream broke inside a message: then nothing may."""
    if wire.buffer:
        return
    assert found and found[-1].type == "E" and found[-1].fields()["V"] == "FATAL"
    assert found[-1].sqlstate()[:2] in ("57", "08")


def test_the_server_is_killed_in_mid_result(proxy_factory, new_cluster):
    cluster = new_cluster(15)
    front = front_of(proxy_factory, cluster)
    with connect(front) as wire:
        wire.send(pgwire.query("select repeat('x', 1000) from generate_series(1, 10000000)"))
        wire.read_until("D", 1000)
        cluster.stop(signal.SIGQUIT)
        assert_ends_in_words(wire, wire.read_to_end())
    with pytest.raises(WireError) as caught:
        connect(front)
    assert caught.value.severity == "FATAL"
    cluster.start()
    connect(front).close()


def test_the_server_is_killed_while_idle(proxy_factory, new_cluster):
    cluster = new_cluster(18)
    front = front_of(proxy_factory, cluster)
    with connect(front) as wire:
        cluster.stop()
        assert wire.read_to_end()[-1].sqlstate() == "57P01"


def test_one_backend_is_killed_hard(proxy_factory, new_cluster):
    cluster = new_cluster(15)
    front = front_of(proxy_factory, cluster)
    with connect(front) as wire:
        os.kill(int(wire.scalar("select pg_backend_pid()")), signal.SIGKILL)
        errors = [each for each in wire.read_to_end() if each.type == "E"]
        assert errors and errors[-1].fields()["V"] == "FATAL"


@pytest.mark.parametrize("after", [0, 1, 9, 13, 100, 330, 400, 500])
def test_the_server_goes_at_any_byte(proxy_factory, pg15, after):
    """The stream is cut at places inside login and the first result; each must end in words."""
    with PlainRelay((pg15.host, pg15.port), to_client=Faults(cut_after=max(after, 1))) as relay:
        front = front_of(proxy_factory, relay)
        with Wire(front.host, front.port) as wire:
            wire.send(pgwire.startup([("user", "trusty"), ("database", "app")]),
                      pgwire.query("select repeat('r', 10000)"))
            assert_ends_in_words(wire, wire.read_to_end())


def test_the_server_sends_a_reset(proxy_factory, pg15):
    faults = Faults(cut_after=2000, reset=True)
    with PlainRelay((pg15.host, pg15.port), to_client=faults) as relay:
        with connect(front_of(proxy_factory, relay)) as wire:
            wire.send(pgwire.query("select repeat('r', 100000)"))
            with pytest.raises(ServerClosed):
                wire.read_until("Z")


@pytest.mark.parametrize("hold", [0, 5, 50])
def test_a_half_open_server_ends_at_the_deadline(proxy_factory, pg15, hold):
    with PlainRelay((pg15.host, pg15.port), to_client=Faults(hold_after=max(hold, 1))) as relay:
        front = front_of(proxy_factory, relay, login_timeout="1s")
        begun = time.monotonic()
        with pytest.raises(WireError) as caught:
            connect(front)
        assert caught.value.severity == "FATAL" and time.monotonic() - begun < 4


def test_a_server_that_never_accepts_ends_at_connect_timeout(proxy_factory):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for each in fillers:  # the backlog is full: further SYNs are dropped
            each.setblocking(False)
            each.connect_ex(deaf.getsockname())
        host, port = deaf.getsockname()
        front = proxy_factory(
            upstreams={"main": {"servers": [{"host": host, "port": port}],
                                "connect_timeout": "500ms", "tls": {"mode": "disable"}}},
            routes=[{"upstream": "main"}], authentication=[{"method": "trust"}])
        begun = time.monotonic()
        with pytest.raises(WireError):
            connect(front)
        assert time.monotonic() - begun < 4
        for each in fillers:
            each.close()


@pytest.mark.parametrize("farewell", ["fin", "rst", "terminate", "half message"])
@pytest.mark.parametrize("when", ["idle", "in a transaction", "in a result"])
def test_a_client_that_leaves_takes_its_server_connection_along(proxy_factory, pg18, farewell,
                                                                when):
    front = front_of(proxy_factory, pg18)
    before = pg18.scalar(BACKENDS)
    wire = connect(front)
    if when == "in a transaction":
        wire.run("begin")
    if when == "in a result":
        wire.send(pgwire.query("select repeat('x', 1000) from generate_series(1, 3000000)"))
        wire.read_until("D", 100)
    if farewell == "terminate":
        wire.send(pgwire.terminate())
    if farewell == "half message":
        wire.send(b"Q\0\0\1\0select")
    if farewell == "rst":
        wire.abort()
    wire.close()
    wait_until(lambda: pg18.scalar(BACKENDS) <= before, "the server connection is gone")


class SilentServer(FakeServer):
    """Takes a startup packet and says nothing; `.asked` when it has come, `.left` at its end."""

    def __init__(self) -> None:
        self.asked, self.left = threading.Event(), threading.Event()
        super().__init__(self._listen)

    def _listen(self, client: socket.socket) -> None:
        client.recv(1000)
        self.asked.set()
        try:
            client.settimeout(20)
            while client.recv(1000):
                pass
        except ConnectionResetError:
            pass
        self.left.set()


def nobody_is_left(front) -> bool:
    found = front.metrics()
    return found["trunkline_clients"] == 0 and found["trunkline_server_connections"] == 0


def client_hello() -> bytes:
    sent = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        client_tls(None).wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
    return sent.read()


@pytest.mark.parametrize("farewell", ["fin", "rst"])
@pytest.mark.parametrize("way", ["terminate", "relay", "passthrough", "tls"])
def test_a_client_that_leaves_while_its_server_is_logged_in_to(proxy_factory, certificates, way,
                                                               farewell):
    listen = None
    if way == "passthrough":
        listen = {"address": "127.0.0.1", "port": free_port(), "tls": {"mode": "passthrough"}}
    if way == "tls":
        listen = listener(certificates)
    with SilentServer() as server:
        front = proxy_factory(
            upstreams={"main": upstream_of(server)},
            routes=[{"upstream": "main", "auth": "relay" if way == "relay" else "terminate"}],
            authentication=[{"method": "trust"}], **({"listen": listen} if listen else {}))
        wire = Wire(front.host, front.port)
        if way == "passthrough":
            wire.send(pgwire.request(pgwire.SSL_CODE))
            assert wire.read_bytes(1) == b"S"
            wire.send(client_hello())
        else:
            if way == "tls":
                wire.start_tls(client_tls(None), "localhost")
            wire.send(pgwire.startup([("user", "trusty")]))
        assert server.asked.wait(10)
        if farewell == "rst":
            wire.abort()
        wire.close()
        assert server.left.wait(8), "the server is let go at once"
        wait_until(lambda: nobody_is_left(front), "the session has ended", 8)


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("auth", ["terminate", "relay"])
def test_what_is_asked_ahead_of_the_login_is_answered_after_the_fin(proxy_factory, pg18,
                                                                    certificates, auth, encrypted):
    """As by PostgreSQL: the client has closed its half, and reads."""
    with PlainRelay((pg18.host, pg18.port), to_client=Faults(delay_s=0.3)) as relay:
        front = proxy_factory(
            listen=listener(certificates), upstreams={"main": upstream_of(relay)},
            routes=[{"upstream": "main", "auth": auth}], authentication=[{"method": "trust"}])
        with Wire(front.host, front.port) as wire:
            if encrypted:
                wire.start_tls(client_tls(None), "localhost")
            wire.send(pgwire.startup([("user", "trusty"), ("database", "app")]))
            wire.send(pgwire.query("select 'asked ahead'"))
            wire.half_close()
            rows = [each for each in wire.read_to_end() if each.type == "D"]
    assert len(rows) == 1 and b"asked ahead" in rows[0].body


@pytest.mark.parametrize("inspect", ["messages", "bytes"])
@pytest.mark.parametrize("query", ["{}", "copy ({}) to stdout"], ids=["select", "copy"])
def test_a_reset_in_mid_result_ends_the_query_at_once(proxy_factory, pg18, inspect, query):
    """As without a proxy: PostgreSQL stops at its next write that fails."""
    front = proxy_factory(
        upstreams={"main": upstream_of(pg18)}, routes=[{"upstream": "main", "inspect": inspect}],
        authentication=[{"method": "trust"}])
    wire = connect(front)
    wire.send(pgwire.query(query.format(ENDLESS)))
    wire.read_until("Dd", 1000)
    wait_until(lambda: pg18.scalar(BACKENDS) == 1, "those of other tests have gone")
    wire.abort()
    wait_until(lambda: pg18.scalar(BACKENDS) == 0, "the query has ended", timeout=15)


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("farewell", ["close", "reset"])
def test_inserts_of_a_client_that_does_not_wait_are_all_there(proxy_factory, pg18, certificates,
                                                              encrypted, farewell):
    """The first answer that cannot be delivered comes long before the last of them is executed."""
    count = 400
    pg18.execute("DROP TABLE IF EXISTS left_behind; CREATE TABLE left_behind (a text);"
                 "GRANT ALL ON left_behind TO trusty", "app")
    front = front_of(proxy_factory, pg18, listen=listener(certificates))
    wire = connect(front, client_tls() if encrypted else None)
    wire.run("select 1")
    text = "insert into left_behind values (repeat('x', 10) /*" + "-" * 1000 + "*/)"
    wire.send(pgwire.query("select pg_sleep(0.2)"), pgwire.query(text) * (count // 2),
              (pgwire.parse("", text) + pgwire.bind() + pgwire.execute() + pgwire.sync()) *
              (count // 2))
    wait_until(lambda: unacknowledged_bytes(wire.socket) == 0, "all of it has left our system")
    if farewell == "reset":
        wire.abort()
    wire.close()
    wait_until(lambda: pg18.scalar("select count(*) from left_behind", "app") == count,
               "every insert is there")


def test_what_was_received_before_the_fin_is_still_executed(proxy_factory, pg18):
    pg18.execute("DROP TABLE IF EXISTS left_behind; CREATE TABLE left_behind (a int);"
                 "GRANT ALL ON left_behind TO trusty", "app")
    front = front_of(proxy_factory, pg18)
    for farewell in (b"", pgwire.terminate()):
        wire = connect(front)
        wire.send(pgwire.query("select pg_sleep(0.2)"),
                  pgwire.query("insert into left_behind values (1)"), farewell)
        wire.close()
    wait_until(lambda: pg18.scalar("select count(*) from left_behind", "app") == 2,
               "both inserts are there")


def test_a_slow_reader_holds_the_server_back_and_not_our_memory(proxy_factory, pg18):
    front = front_of(proxy_factory, pg18)
    with connect(front) as other, connect(front) as slow:
        before = resident_bytes(front.pid)
        slow.send(pgwire.query("select repeat('s', 10000) from generate_series(1, 20000)"))
        time.sleep(1)
        assert other.scalar("select 1") == "1"
        assert resident_bytes(front.pid) - before < 4 << 20 or sanitized()
        assert len(slow.read_until("Z")) == 20003


def test_a_slow_writer_with_large_answers_does_not_deadlock(proxy_factory, pg18):
    """Pipelining with large data both ways: the proxy must read while it cannot write."""
    front = front_of(proxy_factory, pg18)
    with connect(front) as wire:
        text = pgwire.query("select '" + "b" * 500_000 + "'") * 40
        wire.socket.settimeout(60)
        wire.socket.setblocking(False)
        sent, got = 0, 0
        deadline = time.monotonic() + 60
        while got < 40 and time.monotonic() < deadline:
            try:
                sent += wire.socket.send(text[sent:sent + 65536]) if sent < len(text) else 0
            except BlockingIOError:
                pass
            try:
                wire.buffer += wire.socket.recv(1 << 20)
            except BlockingIOError:
                time.sleep(0.001)
            while len(wire.buffer) >= 5 and \
                    len(wire.buffer) > int.from_bytes(wire.buffer[1:5], "big"):
                got += wire.read().type == "Z"
        assert got == 40


STAGES = ["first", "after ssl", "in tls", "as password", "after login", "in copy", "in pipeline"]


@pytest.mark.parametrize("stage", STAGES)
def test_garbage_at_each_stage(proxy_factory, pg18, certificates, stage):
    config = {"users": [{"name": "trusty", "password": "pw"}]} if stage == "as password" else {}
    front = proxy_factory(
        upstreams={"main": upstream_of(pg18)}, routes=[{"upstream": "main"}],
        listen=listener(certificates), **config,
        authentication=[{"method": "scram-sha-256" if config else "trust"}])
    before = None
    for seed in range(25):
        noise = random.Random(seed).randbytes(random.Random(seed).choice([1, 5, 100, 5000]))
        with Wire(front.host, front.port, timeout=20) as wire:
            try:
                if stage in ("after ssl", "in tls"):
                    wire.request_tls()
                if stage == "in tls":
                    wire.wrap(client_tls(), "localhost")
                if stage == "as password":
                    wire.send(pgwire.startup([("user", "trusty"), ("database", "app")]))
                    wire.read()
                if stage in ("after login", "in copy", "in pipeline"):
                    wire.login()
                if stage == "in copy":
                    wire.run("create temp table t(a int)")
                    wire.send(pgwire.query("copy t from stdin"))
                    wire.read()
                if stage == "in pipeline":
                    wire.send(pgwire.parse("", "select 1"), pgwire.bind())
                wire.send(noise)
                wire.half_close()
                wire.read_to_end()
            except (OSError, ServerClosed, AssertionError, ValueError):
                pass  # whatever it answers; what counts is that the proxy lives on
        if before is None:
            before = open_descriptors(front.pid)
    assert front.running()
    if not config:
        connect(front).close()
    wait_until(lambda: open_descriptors(front.pid) <= before + 2, "nothing is left open")


GARBAGE_FROM_SERVER = [b"\0" * 100, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"R\0\0\0\x03",
                       b"R\0\0\0\x08\0\0\0\x63", b"R\xff\xff\xff\xff", b"E\0\0\0\x04",
                       b"E\0\0\0\x0aSFATAL", b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x04",
                       b"R\0\0\0\x08\0\0\0\0S\0\0\0\x08abcd", b"R\0\0\0\x08\0\0\0\0K\0\0\0\x04"]


@pytest.mark.parametrize("garbage", GARBAGE_FROM_SERVER,
                         ids=range(len(GARBAGE_FROM_SERVER)))
def test_a_server_that_talks_garbage(proxy_factory, garbage):
    def talk(client):
        client.recv(1000)
        client.sendall(garbage)
        time.sleep(0.2)

    with FakeServer(talk) as server:
        front = front_of(proxy_factory, server, login_timeout="3s")
        with pytest.raises(WireError) as caught:
            connect(front)
        assert caught.value.severity == "FATAL"


def test_random_aborts_leave_nothing_behind(proxy_factory, pg18):
    """A short form of the 100,000 cycles that `./dev test --soak` makes."""
    front = front_of(proxy_factory, pg18)
    connect(front).close()
    time.sleep(0.3)
    before = open_descriptors(front.pid)
    script = [pgwire.startup([("user", "trusty"), ("database", "app")]), pgwire.query("select 1"),
              pgwire.parse("", "select 2"), pgwire.bind(), pgwire.execute(), pgwire.sync()]
    whole = b"".join(script)
    for seed in range(400):
        with Wire(front.host, front.port) as wire:
            wire.send(whole[:random.Random(seed).randrange(len(whole))])
            if seed % 3 == 0:
                wire.abort()
    wait_until(lambda: open_descriptors(front.pid) <= before, "every descriptor is closed")
    wait_until(lambda: pg18.scalar(BACKENDS) == 0, "every server connection is closed")
