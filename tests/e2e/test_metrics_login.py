"""What a login itself moves in Envoy's counters, exact; how the servers' part is known: a client
that logs in straight counts the messages it gets."""

import time

import pytest

from conftest import listener, upstream_of
from lib import pgwire
from lib.fake_server import FakeServer
from lib.pgauth import verifier
from lib.pgwire import Wire, WireError, connect
from lib.postgres import password_of
from lib.processes import free_port, wait_until
from lib.trunkline import client_tls
from test_metrics import COUNTERS, counters

READY = (pgwire.message("R", b"\0\0\0\0") + pgwire.message("S", b"TimeZone\0UTC\0") +
         pgwire.message("K", b"\0\0\0\1\0\0\0\2") + pgwire.message("Z", b"I"))


def said(kind: str, severity: str, code: str = "57P03") -> bytes:
    return pgwire.message(kind, f"S{severity}\0V{severity}\0C{code}\0Mwords\0\0".encode())


def saying(*messages: bytes):
    """A server that answers the startup packet with this and then waits for the end."""
    def talk(client) -> None:
        client.recv(1000)
        client.sendall(b"".join(messages))
        while client.recv(1000):
            pass
    return talk


def attempt(where, **login) -> int:
    """How many messages a login got, whether it worked or not."""
    try:
        with connect(where, **login) as wire:
            return len(wire.session.messages)
    except WireError as error:
        return len(error.messages)


def moved(front, messages: int, **login) -> dict:
    """What one login moves, when `messages` have been counted and nothing more comes."""
    before = counters(front)
    attempt(front, **login)
    wait_until(lambda: front.counter("messages") - before["messages"] >= messages,
               f"{messages} messages are counted", 5)
    time.sleep(0.1)
    after = counters(front)
    return {key: after[key] - before[key] for key in COUNTERS
            if after[key] != before[key] and not key.startswith("sessions")}


def messages(frontend: int, backend: int, **more: int) -> dict:
    found = {"messages": frontend + backend, "messages_frontend": frontend,
             "messages_backend": backend, **more}
    return {key: value for key, value in found.items() if value}


def front_of(proxy_factory, upstream, auth="terminate", method="trust", route=None, **more):
    return proxy_factory(upstreams={"main": upstream},
                         routes=[{"upstream": "main", "auth": auth, **(route or {})}],
                         authentication=[{"method": method}], **more)


# The startup packet is a message, and each answer of the client to an authentication request.
@pytest.mark.parametrize("user,frontend", [("trusty", 1), ("plain", 2), ("md5y", 2), ("alice", 3)])
def test_a_relayed_login(proxy_factory, pg18, user, frontend):
    login = {"user": user, "password": password_of(user)}
    front = front_of(proxy_factory, upstream_of(pg18), auth="relay")
    backend = attempt(pg18, **login)
    assert backend > 10
    assert moved(front, frontend + backend, **login) == messages(frontend, backend)


def test_a_relayed_login_with_a_wrong_password(proxy_factory, pg18):
    login = {"user": "alice", "password": "wrong"}
    front = front_of(proxy_factory, upstream_of(pg18), auth="relay")
    backend = attempt(pg18, **login)
    assert moved(front, 3 + backend, **login) == messages(3, backend, errors=1, errors_fatal=1)


@pytest.mark.parametrize("method,frontend", [("trust", 1), ("password", 2), ("scram-sha-256", 3)])
def test_a_terminated_login_has_two_exchanges(proxy_factory, pg18, method, frontend):
    front = front_of(proxy_factory, upstream_of(pg18), method=method,
                     route={"login": {"user": "alice", "password": password_of("alice")}},
                     users=[{"name": "x_user", "password": verifier("pw-of-x")}])
    backend = attempt(pg18, user="alice", password=password_of("alice"))
    assert moved(front, frontend + backend, user="x_user", password="pw-of-x") == \
        messages(frontend, backend)


def test_a_terminated_login_with_a_wrong_password_reaches_no_server(proxy_factory, pg18):
    front = front_of(proxy_factory, upstream_of(pg18), method="scram-sha-256",
                     users=[{"name": "x_user", "password": "pw-of-x"}])
    assert moved(front, 3, user="x_user", password="wrong") == messages(3, 0)


def test_a_server_that_refuses_a_terminated_login(proxy_factory, pg18):
    front = front_of(proxy_factory, upstream_of(pg18))
    backend = attempt(pg18, database="none such")
    assert backend == 2
    assert moved(front, 1 + backend, database="none such") == \
        messages(1, backend, errors=1, errors_fatal=1)


def test_errors_and_notices_of_a_login_by_severity(proxy_factory):
    with FakeServer(saying(said("N", "NOTICE"), said("N", "WARNING"), said("N", "DEBUG1"),
                           READY)) as server:
        for auth in ("terminate", "relay"):
            front = front_of(proxy_factory, upstream_of(server), auth=auth)
            assert moved(front, 8) == messages(1, 7, notices=3, notices_notice=1,
                                               notices_warning=1, notices_debug=1)
    for severity in ("ERROR", "FATAL", "PANIC", "UNKNOWN"):
        with FakeServer(saying(said("E", severity, "28000"))) as server:
            for auth in ("terminate", "relay"):
                front = front_of(proxy_factory, upstream_of(server), auth=auth)
                assert moved(front, 2) == \
                    messages(1, 1, errors=1, **{f"errors_{severity.lower()}": 1})


def test_a_first_server_that_cannot_be_connected_to_now_is_counted_too(proxy_factory, pg18):
    with FakeServer(saying(said("E", "FATAL"))) as server:
        upstream = upstream_of(pg18)
        upstream["servers"].insert(0, {"host": server.host, "port": server.port})
        front = front_of(proxy_factory, upstream)
        backend = 1 + attempt(pg18)
        assert moved(front, 1 + backend) == messages(1, backend, errors=1, errors_fatal=1)


def test_a_fatal_of_the_proxy_is_no_error_of_a_server(proxy_factory):
    dead = {"servers": [{"host": "127.0.0.1", "port": free_port()}], "tls": {"mode": "disable"}}
    for auth in ("terminate", "relay"):
        front = front_of(proxy_factory, dead, auth=auth)
        assert moved(front, 1) == messages(1, 0)


def test_a_client_without_a_route_is_counted_nowhere(proxy_factory, pg18):
    front = front_of(proxy_factory, upstream_of(pg18), route={"match": {"database": "other"}})
    assert moved(front, 0) == {}


def test_a_stranger_fills_no_counters_with_hosts_of_his_invention(proxy_factory, pg18):
    routes = [{"match": {"database": "/(.*)/"}, "upstream": {"host": "$1.invalid"}}]
    front = proxy_factory(routes=routes, users=[{"name": "x_user", "password": "pw-of-x"}],
                          authentication=[{"method": "scram-sha-256"}])
    attempt(front, user="x_user", password="wrong", database="invented")
    time.sleep(0.2)
    assert "invented" not in front.http("/metrics")[1]


def byte_counters(front) -> tuple:
    found = front.metrics()
    return tuple(int(found[f"trunkline_client_{way}_bytes_total"]) for way in ("received", "sent"))


@pytest.mark.parametrize("auth,user,password", [
    ("terminate", "x_user", "pw-of-x"), ("terminate", "x_user", "wrong"),
    ("relay", "alice", password_of("alice")), ("relay", "alice", "wrong"),
    ("terminate", "nobody", "wrong")])
@pytest.mark.parametrize("tls", [False, True])
def test_bytes_of_a_session_and_its_login(proxy_factory, pg18, certificates, auth, user, password,
                                          tls):
    route = {"login": {"user": "trusty"}} if auth == "terminate" else {}
    front = front_of(proxy_factory, upstream_of(pg18), auth, "scram-sha-256", route,
                     users=[{"name": "x_user", "password": "pw-of-x"}],
                     listen=listener(certificates))
    with Wire(front.host, front.port) as wire:
        if tls:
            wire.start_tls(client_tls(), "localhost")
            wire.sent_bytes = wire.received_bytes = 0
        try:
            wire.login(user, password=password, version=pgwire.VERSION_3_2,
                       parameters=[("_pq_.unknown", "1")])
            wire.run("select 1")
            wire.send(pgwire.terminate())
        except WireError:
            pass
        wire.read_to_end()
        moved_bytes = (wire.sent_bytes, wire.received_bytes)
    wait_until(lambda: byte_counters(front) == moved_bytes,
               f"{byte_counters(front)} becomes {moved_bytes}", 5)


def test_bytes_sent_right_behind_the_startup_packet(proxy_factory, pg18):
    front = front_of(proxy_factory, upstream_of(pg18))
    with Wire(front.host, front.port) as wire:
        wire.send(pgwire.startup([("user", "trusty"), ("database", "app")]),
                  pgwire.query("select 'early'"), pgwire.terminate())
        wire.read_to_end()
        moved_bytes = (wire.sent_bytes, wire.received_bytes)
    wait_until(lambda: byte_counters(front) == moved_bytes,
               f"{byte_counters(front)} becomes {moved_bytes}", 5)
