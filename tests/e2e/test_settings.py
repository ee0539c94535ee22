"""Settings whose effect no other file shows: each of them seen from outside."""

import base64
import re
import struct

import pytest

from conftest import listener, upstream_of
from lib import pgwire
from lib.fake_server import FakeServer
from lib.pgwire import Wire, WireError, connect
from lib.trunkline import client_tls


def config_of(cluster, **more) -> dict:
    return {"upstreams": {"main": upstream_of(cluster)}, "routes": [{"upstream": "main"}],
            "authentication": [{"method": "trust"}], **more}


def salt_for(front, user: str) -> bytes:
    """The salt of a SCRAM exchange that is broken off behind it."""
    with Wire(front.host, front.port) as wire:
        wire.send(pgwire.startup([("user", user)]))
        assert wire.read().type == "R"
        first = b"n,,n=,r=abcdefghijklmnopqrstuvwx"
        wire.send(pgwire.message("p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(first)) + first))
        challenge = wire.read().body[4:].decode()
        return base64.b64decode(re.search(r"s=([^,]+)", challenge)[1])


def test_secret_file_keeps_the_salts_of_unknown_users(proxy_factory, pg18, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("the same at each start")
    scram = {"authentication": [{"method": "scram-sha-256"}]}
    one, two = (proxy_factory(**config_of(pg18, secret_file=str(secret), **scram))
                for _ in range(2))
    other = proxy_factory(**config_of(pg18, **scram))
    assert salt_for(one, "nobody") == salt_for(two, "nobody") != salt_for(other, "nobody")
    assert salt_for(one, "nobody") != salt_for(one, "somebody")


def test_node_id_stands_in_cancel_keys(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18, node_id=0x1234))
    with connect(front) as wire:
        key = struct.pack("!I", wire.session.pid) + wire.session.key
    assert key[1:3] == b"\x34\x12"


def test_max_dynamic_upstreams(proxy_factory, pg18):
    front = proxy_factory(
        max_dynamic_upstreams=1, authentication=[{"method": "trust"}],
        routes=[{"match": {"database": "/via_(.*)/"}, "database": "app",
                 "upstream": {"host": "$1", "port": pg18.port}}])
    with connect(front, database="via_localhost"):
        with pytest.raises(WireError) as refused:
            connect(front, database="via_elsewhere")
        assert refused.value.sqlstate == "53400"
        connect(front, database="via_localhost").close()


@pytest.mark.parametrize("size,fits", [(15_000, True), (20_000, False)])
def test_max_message_size_bounds_what_is_held_during_login(proxy_factory, size, fits):
    def talk(server):
        server.recv(1000)
        server.sendall(pgwire.message("R", struct.pack("!I", 0)) +
                       pgwire.message("S", b"long\0" + b"x" * size + b"\0") +
                       pgwire.message("Z", b"I"))
        server.recv(1000)

    with FakeServer(talk) as server:
        front = proxy_factory(
            max_message_size="16KiB", authentication=[{"method": "trust"}],
            upstreams={"main": {"servers": [{"host": server.host, "port": server.port}],
                                "tls": {"mode": "disable"}}}, routes=[{"upstream": "main"}])
        if fits:
            with connect(front) as wire:
                assert len(wire.session.parameters["long"]) == size
        else:
            with pytest.raises(WireError) as refused:
                connect(front)
            assert refused.value.sqlstate == "08P01"
            assert "max_message_size" in str(refused.value.fields)


def test_ident_file(proxy_factory, pg18, certificates, tmp_path):
    maps = tmp_path / "pg_ident.conf"
    maps.write_text("# the company's certificates\ncorp  /^(.*)@corp\\.example$  \\1\n")
    pair = certificates.client_mapped
    front = proxy_factory(**config_of(
        pg18, routes=[{"upstream": "main", "login": {"user": "trusty"}}], ident_file=str(maps),
        authentication=[{"type": "hostssl", "method": "cert", "map": "corp"}],
        listen=listener(certificates, client_certificate="request",
                        client_ca=str(certificates.ca))))
    shown = client_tls(None, pair.cert, pair.key)
    connect(front, tls=shown, server_name="localhost", user="certy").close()
    with pytest.raises(WireError) as refused:
        connect(front, tls=shown, server_name="localhost", user="alice")
    assert refused.value.sqlstate == "28000"
