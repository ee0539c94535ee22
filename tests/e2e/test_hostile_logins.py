"""Clients and servers that misbehave during a login: it ends, and nobody else waits for it."""

import time

import pytest

from conftest import upstream_of
from lib import pgwire
from lib.fake_server import FakeServer
from lib.pgauth import verifier
from lib.pgwire import Wire, WireError, connect
from lib.processes import wait_until


@pytest.mark.parametrize("auth", ["terminate", "relay"])
@pytest.mark.parametrize("endless", [
    pgwire.message("v", b"\0\3\0\0\0\0\0\0"), pgwire.message("K", b"\0\0\0\1\0\0\0\2"),
    pgwire.message("S", b"a\0b\0")], ids=["v", "K", "S"])
def test_a_server_that_never_comes_to_the_end_of_a_login(proxy_factory, auth, endless):
    def talk(client) -> None:
        client.recv(1000)
        client.sendall(pgwire.message("R", b"\0\0\0\0"))
        while True:
            client.sendall(endless * 10_000)

    with FakeServer(talk) as server:
        front = proxy_factory(upstreams={"main": upstream_of(server)}, workers=1,
                              routes=[{"upstream": "main", "auth": auth}],
                              authentication=[{"method": "trust"}], login_timeout="20s")
        begun = time.monotonic()
        with pytest.raises(WireError) as caught:
            connect(front)
        assert caught.value.sqlstate == "08P01"
        assert time.monotonic() - begun < 5


def test_a_server_that_asks_again_after_it_has_let_the_client_in(proxy_factory):
    """Nothing but a phishing server asks an accepted client for his password."""
    def talk(client) -> None:
        client.recv(1000)
        client.sendall(pgwire.message("R", b"\0\0\0\0") + pgwire.message("R", b"\0\0\0\3"))
        client.recv(1000)

    with FakeServer(talk) as server:
        front = proxy_factory(upstreams={"main": upstream_of(server)},
                              routes=[{"upstream": "main", "auth": "relay"}])
        with pytest.raises(WireError) as caught:
            connect(front, password="not for you")
        assert caught.value.sqlstate == "08P01"
        assert [each.type for each in caught.value.messages] == ["E"]


@pytest.mark.parametrize("method,words", [("password", "password"), ("scram-sha-256", "SASL")])
def test_a_query_in_the_place_of_a_password_is_refused_in_postgres_words(proxy_factory, pg18,
                                                                        method, words):
    front = proxy_factory(upstreams={"main": upstream_of(pg18)}, routes=[{"upstream": "main"}],
                          authentication=[{"method": method}],
                          users=[{"name": "x_user", "password": verifier("pw-of-x")}])
    with Wire(front.host, front.port) as wire:
        wire.send(pgwire.startup([("user", "x_user"), ("database", "app")]) +
                  pgwire.query("select 1"))
        told = wire.read_to_end()
    assert [each.type for each in told] == ["R", "E"]
    assert told[1].fields()["M"] == f"expected {words} response, got message type 81"


@pytest.mark.parametrize("auth", ["terminate", "relay"])
def test_a_client_that_half_closes_instead_of_answering(proxy_factory, pg18, auth):
    front = proxy_factory(upstreams={"main": upstream_of(pg18)},
                          routes=[{"upstream": "main", "auth": auth}],
                          users=[{"name": "alice", "password": "alice-pw"}])
    with Wire(front.host, front.port) as wire:
        wire.send(pgwire.startup([("user", "alice"), ("database", "app")]))
        wire.half_close()
        # With `relay` there may be nobody left to be asked by the time the server asks.
        told = [each.type for each in wire.read_to_end()]
        assert told == ["R"] or (auth == "relay" and told == [])
    wait_until(lambda: front.metrics()['trunkline_closes_total{reason="client_closed"}'] == 1,
               "the session is over", 5)
