"""Many hostile clients at once: the proxy stays small, and the others hardly notice."""

import socket
import statistics
import time

import pytest

from conftest import upstream_of
from lib import pgwire
from lib.pgwire import ServerClosed, Wire, WireError, connect
from lib.processes import open_descriptors, resident_bytes, wait_until
from lib.trunkline import sanitized

MEMORY_LIMIT_BYTES = 64 << 20
CLIENTS = 200
STARTUP = pgwire.startup([("user", "trusty"), ("database", "app")])


@pytest.fixture
def front(proxy_factory, pg18):
    return proxy_factory(upstreams={"main": upstream_of(pg18)}, routes=[{"upstream": "main"}],
                         authentication=[{"method": "trust"}], memory_limit="64MiB",
                         login_timeout="5s")


def half_message(wire: Wire) -> None:
    wire.login()
    wire.send(b"Q\x00\x10\x00\x00select '")


def half_startup(wire: Wire) -> None:
    wire.send(STARTUP[:15])


def slow_reader(wire: Wire) -> None:
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.login()
    wire.send(pgwire.query("select repeat('s', 10000) from generate_series(1, 5000)"))


def huge_parse(wire: Wire) -> None:
    """64 MiB are announced and begun; nobody may set them aside."""
    wire.login()
    wire.send(b"P\x04\x00\x00\x00stmt\0select '" + b"p" * 100_000)


def endless_pipeline(wire: Wire) -> None:
    wire.login()
    wire.socket.setblocking(False)
    piece = (pgwire.parse("", "select repeat('e', 5000)") + pgwire.bind() +
             pgwire.execute()) * 500
    try:
        while True:
            wire.socket.send(piece)
    except BlockingIOError:
        pass


def latencies_ms(front, count: int) -> list:
    found = []
    with connect(front) as wire:
        for _ in range(count):
            begun = time.perf_counter()
            wire.run("select 1")
            found.append((time.perf_counter() - begun) * 1000)
    return found


@pytest.mark.parametrize("behaviour", [half_message, half_startup, slow_reader, huge_parse,
                                       endless_pipeline], ids=lambda each: each.__name__)
def test_hostile_clients_cost_little(front, behaviour):
    latencies_ms(front, 100)
    descriptors, memory = open_descriptors(front.pid), resident_bytes(front.pid)
    wires = []
    for _ in range(CLIENTS):
        wire = Wire(front.host, front.port)
        wires.append(wire)
        try:
            behaviour(wire)
        except (OSError, ServerClosed, WireError):
            pass  # to be ended is one right answer
    # The process has code and tables of its own beside what `memory_limit` is about.
    assert resident_bytes(front.pid) - memory < MEMORY_LIMIT_BYTES or sanitized()
    slowest = statistics.quantiles(latencies_ms(front, 200), n=20)[-1]
    assert slowest < 250 or sanitized(), f"p95 of {slowest:.0f} ms"
    for wire in wires:
        wire.abort()
    wait_until(lambda: open_descriptors(front.pid) <= descriptors, "all of it is gone again", 30)


def test_an_idle_flood_is_accepted_and_let_go(front):
    before = open_descriptors(front.pid)
    sockets = [socket.create_connection((front.host, front.port)) for _ in range(500)]
    connect(front).close()
    for each in sockets:
        each.close()
    wait_until(lambda: open_descriptors(front.pid) <= before + 1, "every descriptor is closed")
