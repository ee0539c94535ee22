"""What the first bytes may be, whole and in pieces, and one deadline for all."""

import contextlib
import socket
import struct
import time

import pytest

from conftest import listener, upstream_of
from lib import pgwire
from lib.pgwire import Wire, connect
from lib.trunkline import client_tls

STARTUP = pgwire.startup([("user", "trusty"), ("database", "app")])


def front_of(proxy_factory, pg18, certificates, **more):
    return proxy_factory(
        upstreams={"main": upstream_of(pg18)}, routes=[{"upstream": "main"}],
        authentication=[{"method": "trust"}], listen=listener(certificates), **more)


@pytest.fixture
def front(proxy_factory, pg18, certificates):
    return front_of(proxy_factory, pg18, certificates)


@pytest.fixture
def strict(proxy_factory, pg18, certificates):
    """For tests that wait for the deadline."""
    return front_of(proxy_factory, pg18, certificates, login_timeout="1500ms")


def finish(wire: Wire) -> None:
    wire.authenticate("trusty")
    assert wire.scalar("select current_database()") == "app"


@pytest.mark.parametrize("piece", [1, 2, 3, 7])
def test_a_startup_packet_in_pieces_logs_in(front, piece):
    with Wire(front.host, front.port) as wire:
        wire.send_slowly(STARTUP, piece)
        finish(wire)


def test_ssl_request_byte_by_byte(front):
    with Wire(front.host, front.port) as wire:
        wire.send_slowly(pgwire.request(pgwire.SSL_CODE))
        assert wire.read_bytes(1) == b"S"
        wire.wrap(client_tls(), "localhost")
        wire.send(STARTUP)
        finish(wire)


@pytest.mark.parametrize("order", [("gss", "ssl"), ("gss",), ("ssl",)])
def test_encryption_requests_in_every_order(front, order):
    with Wire(front.host, front.port) as wire:
        for each in order:
            if each == "gss":
                assert wire.request_tls(pgwire.GSS_CODE) == b"N"
            else:
                wire.start_tls(client_tls(), "localhost")
        wire.send(STARTUP)
        finish(wire)


def test_direct_tls_logs_in(front):
    with Wire(front.host, front.port) as wire:
        wire.wrap(client_tls(alpn=["postgresql"]), "localhost")
        assert wire.socket.selected_alpn_protocol() == "postgresql"
        wire.send(STARTUP)
        finish(wire)


def test_direct_tls_without_alpn_is_closed(front):
    with Wire(front.host, front.port) as wire:
        try:
            wire.wrap(client_tls(), "localhost")
            wire.send(STARTUP)
        except OSError:
            return
        assert "R" not in [each.type for each in wire.read_to_end()]


@pytest.mark.parametrize("version,key", [(pgwire.VERSION_3_0, 4), (pgwire.VERSION_3_2, 32),
                                         (pgwire.VERSION_GREASE, 32)])
def test_the_key_has_the_length_of_the_version(front, version, key):
    with connect(front, version=version) as wire:
        assert len(wire.session.key) == key


def test_grease_is_negotiated_down_and_options_are_echoed(front):
    options = [("_pq_.test_protocol_negotiation", ""), ("_pq_.other", "1")]
    with connect(front, version=pgwire.VERSION_GREASE, parameters=options) as wire:
        first = pgwire.decode(wire.session.messages[0])
        assert first == ("v", (pgwire.VERSION_3_2, tuple(name for name, _ in options)))


def test_a_known_version_without_options_is_not_negotiated(front):
    with connect(front, version=pgwire.VERSION_3_2) as wire:
        assert "v" not in [each.type for each in wire.session.messages]


def test_proxy_offers_3_2_over_a_server_that_cannot(proxy_factory, pg15):
    front = proxy_factory(upstreams={"main": upstream_of(pg15)}, routes=[{"upstream": "main"}],
                          authentication=[{"method": "trust"}])
    with connect(front, version=pgwire.VERSION_3_2) as wire:
        assert len(wire.session.key) == 32
        assert wire.scalar("show server_version").startswith("15")


def test_bytes_stuffed_behind_ssl_request_are_refused(front):
    """CVE-2021-23214: what came before the handshake must never be taken for what came inside."""
    with Wire(front.host, front.port) as wire:
        wire.send(pgwire.request(pgwire.SSL_CODE) + STARTUP + pgwire.query("select 1"))
        got = b""
        try:
            while len(got) < 4096:
                data = wire.socket.recv(4096)
                if not data:
                    break
                got += data
        except ConnectionError:
            pass
        assert not got.startswith(b"SR") and b"SELECT 1" not in got


def test_names_of_more_than_63_bytes_are_cut_before_routing(proxy_factory, pg18):
    long = "n" * 63
    pg18.execute(f'CREATE DATABASE "{long}"')
    try:
        front = proxy_factory(
            upstreams={"main": upstream_of(pg18)}, authentication=[{"method": "trust"}],
            routes=[{"match": {"database": long}, "upstream": "main"}])
        with connect(front, database=long + "cut off") as wire:
            assert wire.scalar("select current_database()") == long
    finally:
        pg18.execute(f'DROP DATABASE "{long}" WITH (FORCE)')


@pytest.mark.parametrize("size,accepted", [(10004, True), (10005, False)])
def test_the_startup_packet_has_a_limit(front, size, accepted):
    fixed = len(pgwire.startup([("user", "trusty"), ("database", "app"),
                                ("application_name", "")]))
    packet = pgwire.startup([("user", "trusty"), ("database", "app"),
                             ("application_name", "a" * (size - fixed))])
    assert len(packet) == size
    with Wire(front.host, front.port) as wire:
        wire.send(packet)
        types = [each.type for each in (wire.read_until("ZE") if accepted else wire.read_to_end())]
        assert ("Z" in types) == accepted


@pytest.mark.parametrize("first", [b"", b"\0\0", STARTUP[:20], b"\x16\x03\x01"])
def test_half_a_beginning_is_closed_at_the_deadline(strict, first):
    begun = time.monotonic()
    with Wire(strict.host, strict.port) as wire:
        wire.send(first)
        wire.read_to_end()
        assert 1.0 < time.monotonic() - begun < 4


def test_the_deadline_covers_the_tls_handshake_and_the_login(strict):
    with Wire(strict.host, strict.port) as wire:
        begun = time.monotonic()
        wire.start_tls(client_tls(), "localhost")
        time.sleep(0.8)
        wire.send(STARTUP[:12])
        wire.read_to_end()
        assert time.monotonic() - begun < 4


def test_a_trickle_does_not_extend_the_deadline(strict):
    with Wire(strict.host, strict.port) as wire:
        begun = time.monotonic()
        try:
            for byte in STARTUP[:-1]:
                wire.send(bytes([byte]))
                time.sleep(0.1)
                if time.monotonic() - begun > 5:
                    break
            wire.read_to_end()
        except OSError:
            pass
        assert time.monotonic() - begun < 4.5


@pytest.mark.parametrize("length", [4, 8, 32, 256])
def test_cancel_requests_with_any_key_length_are_closed_in_silence(front, length):
    with Wire(front.host, front.port) as wire:
        wire.send(pgwire.cancel_request(4711, b"k" * length))
        assert wire.closed_without_a_word()


@pytest.mark.parametrize("length", [0, 3, 257])
def test_cancel_requests_outside_the_key_limits_are_closed(front, length):
    with Wire(front.host, front.port) as wire:
        wire.send(pgwire.cancel_request(4711, b"k" * length))
        assert "R" not in [each.type for each in wire.read_to_end()]


def test_garbage_is_closed_and_the_next_client_served(front):
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 64, b"\xff" * 64, b"SSH-2.0-x\r\n",
                 struct.pack("!II", 8, 0x01020304)):
        with Wire(front.host, front.port) as wire:
            wire.send(data)
            with contextlib.suppress(OSError):  # it may be closed by now
                wire.socket.shutdown(socket.SHUT_WR)
            assert "R" not in [each.type for each in wire.read_to_end()]
    connect(front).close()
