"""`auth: relay`: the client's own exchange passes through, where that can work."""

import contextlib

import psycopg
import pytest

from conftest import listener, upstream_of
from lib import pgwire
from lib.fake_server import FakeServer
from lib.pgwire import Wire, WireError, connect
from lib.postgres import password_of
from lib.processes import resident_bytes
from lib.trunkline import client_tls

WHO = "select current_user"


def relaying(cluster, **more) -> dict:
    return {"upstreams": {"main": upstream_of(cluster, **more.pop("tls", {"mode": "disable"}))},
            "routes": [{"upstream": "main", "auth": "relay", **more.pop("route", {})}], **more}


@pytest.mark.parametrize("user", ["alice", "plain", "md5y", "trusty"])
def test_relay_passes_every_method(proxy_factory, cluster, user):
    front = proxy_factory(**relaying(cluster))
    with connect(front, user=user, password=password_of(user)) as wire:
        assert wire.scalar(WHO) == user
    if user != "trusty":
        with pytest.raises(WireError) as caught:
            connect(front, user=user, password="wrong")
        assert caught.value.sqlstate == "28P01"


def test_relay_with_tls_to_the_client_only(proxy_factory, pg18, certificates):
    front = proxy_factory(**relaying(pg18, listen=listener(certificates)))
    connect(front, tls=client_tls(), server_name="localhost", user="alice",
            password=password_of("alice")).close()


@pytest.mark.parametrize("binding,works", [("disable", True), ("prefer", False)])
def test_relay_with_tls_on_both_sides(proxy_factory, pg18, certificates, binding, works):
    front = proxy_factory(**relaying(pg18, tls={"mode": "require"},
                                     listen=listener(certificates)))
    login = {"tls": client_tls(), "server_name": "localhost", "user": "alice",
             "password": password_of("alice"), "scram": {"binding": binding}}
    if works:
        connect(front, **login).close()
        return
    with pytest.raises(WireError) as caught:
        connect(front, **login)
    assert caught.value.severity == "FATAL"
    assert "auth" in str(caught.value.fields), "the message names the setting"


def test_relay_of_a_plain_client_to_a_server_with_tls(proxy_factory, pg18):
    """libpq gives up when it is offered channel binding without TLS."""
    front = proxy_factory(**relaying(pg18, tls={"mode": "require"}))
    with psycopg.connect(host=front.host, port=front.port, user="alice", dbname="app",
                         password=password_of("alice"), sslmode="disable") as connection:
        assert connection.execute(WHO).fetchone() == ("alice",)


def test_relay_of_what_is_sent_behind_the_startup_packet(proxy_factory, pg18):
    front = proxy_factory(**relaying(pg18))
    with Wire(front.host, front.port) as wire:
        wire.send(pgwire.startup([("user", "trusty"), ("database", "app")])
                  + pgwire.query("select 'early'"))
        wire.read_until("Z")
        assert [each.type for each in wire.read_until("Z")] == ["T", "D", "C", "Z"]


def test_relay_does_not_hoard_what_comes_before_the_server_is_ready(proxy_factory):
    def talk(client):
        client.recv(1000)
        client.sendall(pgwire.message("R", b"\0\0\0\0"))
        client.recv(1000)  # never ready

    with FakeServer(talk) as server:
        front = proxy_factory(**relaying(server))
        before = resident_bytes(front.pid)
        with Wire(front.host, front.port) as wire:
            wire.send(pgwire.startup([("user", "alice"), ("database", "app")]))
            wire.socket.settimeout(1)
            with contextlib.suppress(TimeoutError):
                for _ in range(200):
                    wire.socket.sendall(b"Q" + b"\0" * (1 << 20))
            assert resident_bytes(front.pid) - before < 16 << 20


def test_relay_with_the_servers_own_certificate_binds(proxy_factory, pg18, certificates):
    pair = certificates.server
    listen = listener(certificates, certificates=[{"cert": str(pair.cert), "key": str(pair.key)}])
    front = proxy_factory(**relaying(pg18, tls={"mode": "require"}, listen=listen))
    connect(front, tls=client_tls(), server_name="localhost", user="alice",
            password=password_of("alice"), scram={"binding": "require"}).close()


def test_relay_of_md5_with_another_user_is_a_readable_fatal(proxy_factory, pg18):
    front = proxy_factory(**relaying(pg18, route={"login": {"user": "md5y"}}))
    with pytest.raises(WireError) as caught:
        connect(front, user="alice", password=password_of("md5y"))
    assert caught.value.severity == "FATAL" and "login" in str(caught.value.fields)


def test_relay_of_a_64_kb_oauth_token(proxy_factory):
    tokens = []

    def talk(client):
        with client.makefile("rb") as stream:
            stream.read(int.from_bytes(stream.read(4), "big") - 4)
            client.sendall(pgwire.message("R", b"\0\0\0\x0aOAUTHBEARER\0\0"))
            head = stream.read(5)
            tokens.append(stream.read(int.from_bytes(head[1:], "big") - 4))
            client.sendall(pgwire.message("R", b"\0\0\0\0") +
                           pgwire.message("K", b"\0\0\0\1\0\0\0\2") + pgwire.message("Z", b"I"))
            stream.read(5)

    response = b"n,,\x01auth=Bearer " + b"t" * 65000 + b"\x01\x01"
    body = b"OAUTHBEARER\0" + len(response).to_bytes(4, "big") + response
    with FakeServer(talk) as server:
        front = proxy_factory(**relaying(server))
        with Wire(front.host, front.port) as wire:
            wire.send(pgwire.startup([("user", "alice"), ("database", "app")]))
            assert pgwire.decode(wire.read()) == ("R", (10, b"OAUTHBEARER\0\0"))
            wire.send(pgwire.message("p", body))
            wire.read_until("Z")
        assert tokens == [body]
        assert "tttttttt" not in front.log()
