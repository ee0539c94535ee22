"""A 1 GB row and a 2 GB COPY pass, and the proxy's memory hardly grows."""

import threading

import pytest

from conftest import listener, upstream_of
from lib import pgwire
from lib.pgwire import connect
from lib.processes import resident_bytes
from lib.trunkline import client_tls, sanitized

GROWTH_BYTES_MAX = 4 << 20
pytestmark = pytest.mark.slow


class Watch:
    """The largest resident memory of a process while the block runs."""

    def __init__(self, pid: int) -> None:
        self.pid, self.before = pid, resident_bytes(pid, "Rss")
        self.largest = self.before
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            self.largest = max(self.largest, resident_bytes(self.pid, "Rss"))

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        return self.largest - self.before


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def wire(request, proxy_factory, pg18, certificates):
    front = proxy_factory(upstreams={"main": upstream_of(pg18)}, routes=[{"upstream": "main"}],
                          authentication=[{"method": "trust"}], listen=listener(certificates))
    for _ in range(3):  # what the first sessions allocate for good is not growth
        with connect(front) as first:
            first.run("select repeat('x', 1000000)")
    tls = client_tls() if request.param else None
    with connect(front, tls=tls, server_name="localhost" if tls else None) as connection:
        connection.socket.settimeout(300)
        connection.pid = front.pid
        yield connection


def skip_body(wire, size: int) -> None:
    """Read without keeping."""
    taken = min(size, len(wire.buffer))
    del wire.buffer[:taken]
    space = memoryview(bytearray(1 << 20))
    while taken < size:
        got = wire.socket.recv_into(space[:min(len(space), size - taken)])
        assert got, "the stream ended early"
        taken += got


def drain_answer(wire) -> int:
    """Read up to ReadyForQuery, return how many bytes of D and d went by."""
    total = 0
    while True:
        head = wire.read_bytes(5)
        size = int.from_bytes(head[1:], "big") - 4
        assert head[:1] != b"E", wire.read_bytes(size)
        skip_body(wire, size)
        if head[:1] in b"Dd":
            total += size
        if head[:1] == b"Z":
            return total


def test_a_row_of_one_gigabyte(wire):
    size = (1 << 30) - 100
    with Watch(wire.pid) as watch:
        wire.send(pgwire.query(f"select repeat('r', {size})"))
        assert drain_answer(wire) > size
    assert watch.growth < GROWTH_BYTES_MAX or sanitized()


def test_copy_out_of_two_gigabytes(wire):
    with Watch(wire.pid) as watch:
        wire.send(pgwire.query("copy (select repeat('c', 8000) from generate_series(1, 268500)) "
                               "to stdout"))
        assert drain_answer(wire) > 2 << 30
    assert watch.growth < GROWTH_BYTES_MAX or sanitized()


def test_copy_in_of_two_gigabytes(wire):
    """The rows are filtered away, so that only the way there is measured, not the disk."""
    wire.run("create temp table t (a text)")
    piece = pgwire.copy_data((b"i" * 8000 + b"\n") * 64) * 4
    with Watch(wire.pid) as watch:
        wire.send(pgwire.query("copy t from stdin where false"))
        sent = 0
        while sent < 2 << 30:
            wire.send(piece)
            sent += len(piece)
        wire.send(pgwire.copy_done())
        found = wire.read_until("Z")
        assert [each.type for each in found] == ["G", "C", "Z"]
    assert watch.growth < GROWTH_BYTES_MAX or sanitized()
