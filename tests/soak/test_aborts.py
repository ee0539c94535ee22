"""100,000 clients that break off at random places leave no descriptor, buffer or counter behind.

Most meet a server that answers at once; every twentieth a real PostgreSQL, whose backends must be
gone too. TRUNKLINE_SOAK_CYCLES and TRUNKLINE_SOAK_SEED change how many and which.
"""

import json
import os
import time

import pytest

from conftest import listener, upstream_of
from lib.processes import open_descriptors, wait_until
from lib.trunkline import sanitized
from soak.programs import (FastServer, backends, finish_load, program, raise_descriptor_limit,
                           settled, start_load)

CYCLES = int(os.environ.get("TRUNKLINE_SOAK_CYCLES", "100000"))
SEED = int(os.environ.get("TRUNKLINE_SOAK_SEED", str(time.time_ns() % 1_000_000)))
REAL_SHARE = 20  # one in so many meets PostgreSQL
# What an allocator keeps, and pages of code and tables that are used for the first time.
RESIDENT_SLACK_BYTES = 4 << 20
# Of those that meet the proxy, so few may be closed by it before they have left by themselves.
EARLY_SHARE_MAX = 0.02
REAL_QUERY = "select repeat('x', 1000) from generate_series(1, 1000000)"


@pytest.fixture
def front(proxy_factory, pg18, certificates, tmp_path):
    raise_descriptor_limit()
    server = FastServer(tmp_path / "fast")
    yield proxy_factory(
        upstreams={"fast": server.upstream(), "real": upstream_of(pg18)},
        routes=[{"match": {"user": "trusty"}, "upstream": "real"}, {"upstream": "fast"}],
        listen=listener(certificates), users=[{"name": "scrammy", "password": "scrammy-pw"}],
        authentication=[{"user": "scrammy", "method": "scram-sha-256"}, {"method": "trust"}],
        log={"level": "error"})
    server.stop()


def run_aborts(front, cycles: int, seed: int) -> list:
    real = max(cycles // REAL_SHARE, 1)
    common = [program("tests/soak/soak_aborts"), "--target", f"{front.host}:{front.port}", "--tls",
              "--seed", seed]
    loads = [start_load(*common, "--cycles", cycles - real, "--clients", 200, "--user", "fast",
                        "--scram-user", "scrammy", "--password", "scrammy-pw"),
             start_load(*common, "--cycles", real, "--clients", 20, "--user", "trusty",
                        "--bulk-query", REAL_QUERY)]
    return [finish_load(each, 3600) for each in loads]


def test_random_aborts_leave_nothing_behind(front, pg18):
    print(f"seed {SEED}, {CYCLES} cycles")
    run_aborts(front, max(CYCLES // 20, 100), SEED + 1)  # fills caches and free lists
    base = settled(front)
    before = open_descriptors(front.pid)

    told = run_aborts(front, CYCLES, SEED)
    print(json.dumps(told))
    left = settled(front)
    wait_until(lambda: open_descriptors(front.pid) <= before, "every descriptor is closed")
    wait_until(lambda: backends(pg18, "trusty") == 0, "every server connection is closed")
    print(f"resident before {base['resident'] >> 10} KiB, after {left['resident'] >> 10} KiB, "
          f"descriptors {before}")

    assert sum(each["cycles"] for each in told) == CYCLES
    for each in told:
        assert sum(each["stuck"].values()) == 0, each
        assert sum(each["early"].values()) <= EARLY_SHARE_MAX * each["cycles"] + 10, each
        missing = [stage for stage, count in each["planned"].items() if count == 0]
        # No SCRAM at the real server; and a short run may miss one.
        assert missing in ([], ["authentication"]) or each["cycles"] < 1000, each
    assert left["resident"] - base["resident"] < RESIDENT_SLACK_BYTES or sanitized()
