"""2,000 hostile clients stay under memory_limit, and other clients' p99 less than doubles.

A quarter each sends half messages, reads slowly, sends Parse messages of 64 MiB, and pipelines
without end. What is looked at is the proxy, not who gets a CPU: hostile clients and the server they
use give way to everybody, while the proxy has a CPU to itself, and it and the others go first where
the system allows it. The others ask at a fixed rate; a latency counts from when a request was due.
Rounds without and with hostile clients take turns, and the medians of their p99 are compared.
"""

import json
import os
import statistics
import threading
import time

import pytest

from lib.pgwire import connect
from lib.processes import resident_bytes
from lib.trunkline import sanitized
from soak.programs import (OTHER_CPUS, PROXY_CPUS, FastServer, finish_load, place, program,
                           raise_descriptor_limit, settled, start_load)

OF_EACH_KIND = int(os.environ.get("TRUNKLINE_SOAK_HOSTILE", "2000")) // 4
ROUNDS = int(os.environ.get("TRUNKLINE_SOAK_ROUNDS", "5"))
SECONDS = 5
RATE = 500  # requests per second, of
CLIENTS = 20
LIMIT_MIB = 256
# Code, tables, free lists, and 2,000 sessions.
BASE_BYTES = 48 << 20


class HighWater(threading.Thread):
    """The most memory that a process has, looked at ten times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.bytes, self._over = pid, 0, threading.Event()
        self.start()

    def run(self) -> None:
        while not self._over.wait(0.1):
            self.bytes = max(self.bytes, resident_bytes(self.pid, "Rss"))

    def stop(self) -> int:
        self._over.set()
        self.join()
        return self.bytes


class Hostile:
    def __init__(self, front) -> None:
        self.process = start_load(program("tests/soak/soak_hostile"), "--target",
                                  f"{front.host}:{front.port}", "--of-each-kind", OF_EACH_KIND,
                                  stdin=True)
        place(self.process.pid, OTHER_CPUS, nice=19)
        assert "ready" in json.loads(self.process.stdout.readline())

    def stop(self) -> dict:
        self.process.stdin.write("\n")
        self.process.stdin.close()
        self.process.stdin = None
        return finish_load(self.process, 60)


@pytest.fixture
def front(proxy_factory, tmp_path):
    raise_descriptor_limit()
    good, bad = FastServer(tmp_path / "good"), FastServer(tmp_path / "bad")
    proxy = proxy_factory(
        upstreams={"good": good.upstream(), "bad": bad.upstream()},
        routes=[{"match": {"user": "hostile"}, "upstream": "bad"}, {"upstream": "good"}],
        authentication=[{"method": "trust"}], memory_limit=f"{LIMIT_MIB}MiB", workers=1,
        log={"level": "error"})
    place(bad.program.pid, OTHER_CPUS, nice=19)
    place(proxy.pid, PROXY_CPUS, nice=-20)
    place(good.program.pid, OTHER_CPUS, real_time=True)
    yield proxy
    good.stop()
    bad.stop()


def p99_us(front) -> float:
    load = start_load(program("bench/bench_load"), "--target", f"{front.host}:{front.port}",
                      "--rate", RATE, "--clients", CLIENTS, "--seconds", SECONDS)
    place(load.pid, OTHER_CPUS, real_time=True)
    told = finish_load(load, 60)
    assert told["requests"] > 0.9 * RATE * SECONDS, told
    return told["p99_us"]


def log_in_for(front, seconds: float) -> None:
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        connect(front, user="good").close()


def test_hostile_clients_cost_no_memory_and_little_time(front):
    """Under a sanitizer neither is measured: then only the proxy lives, and forgets them."""
    alone, beside, used, told = [], [], [], {}
    for _ in range(1 if sanitized() else ROUNDS):
        if not sanitized():
            alone.append(p99_us(front))
        high_water = HighWater(front.pid)
        hostile = Hostile(front)
        if sanitized():
            log_in_for(front, SECONDS)
        else:
            beside.append(p99_us(front))
        told = hostile.stop()
        used.append(high_water.stop())
        settled(front)
    print(json.dumps({"hostile": 4 * OF_EACH_KIND, "p99_us_alone": alone, "p99_us_beside": beside,
                      "resident_max_mib": [each >> 20 for each in used], "last": told}))
    assert front.running()
    assert told["sent_bytes"] > 1 << 20 and told["received_bytes"] > 1 << 20, "they were at work"
    if not sanitized():
        assert max(used) < (LIMIT_MIB << 20) + BASE_BYTES
        assert statistics.median(beside) < 2 * statistics.median(alone)
