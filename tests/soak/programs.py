"""The programs that make the load, and what a proxy must be back to when they are gone."""

import json
import os
import resource
import subprocess
from pathlib import Path
from typing import Dict, List

from lib.postgres import Cluster
from lib.processes import Program, open_descriptors, resident_bytes, wait_until
from lib.trunkline import Trunkline, binary

FAKE_PORT = 5432  # only names a unix socket


def program(name: str) -> Path:
    """One that the build of the proxy under test has made too."""
    path = binary().parent / name
    assert path.exists(), f"{path} does not exist: build it"
    return path


# The last CPU is the proxy's, the others are for everybody else in the test.
CPUS = sorted(os.sched_getaffinity(0))
PROXY_CPUS, OTHER_CPUS = (CPUS[-1:], CPUS[:-1]) if len(CPUS) > 1 else (CPUS, CPUS)


def place(pid: int, cpus: List[int], nice: int = 0, real_time: bool = False) -> None:
    """All threads that there are now: on these CPUs, and before or behind everybody else.

    Linux shares the CPU among sessions first: the process needs one of its own. Real time is not
    for who may be busy all the time: it is stopped for a twentieth of each second.
    """
    tasks = [int(each) for each in os.listdir(f"/proc/{pid}/task")]
    for task in tasks:
        os.sched_setaffinity(task, cpus)
    try:
        if real_time:
            os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))
        for task in tasks:
            os.setpriority(os.PRIO_PROCESS, task, nice)
        group = Path(f"/proc/{pid}/autogroup")
        if group.exists():
            group.write_text(str(nice), encoding="ascii")
    except PermissionError:
        pass  # the figures are then those of a machine that does other things too


class FastServer:
    """The benchmark's server: answers at once, whatever is asked; `select bulk(n)` is n KiB."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        path = folder / f".s.PGSQL.{FAKE_PORT}"
        self.program = Program([program("bench/bench_fake_server"), "--listen", path],
                               folder / "log")
        wait_until(path.exists, "the fast server listens", 10)

    def upstream(self) -> dict:
        return {"servers": [{"host": str(self.folder), "port": FAKE_PORT}],
                "tls": {"mode": "disable"}}

    def stop(self) -> None:
        self.program.kill()


def raise_descriptor_limit() -> None:
    """Of this process, for the proxies it starts."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def start_load(*command: object, stdin: bool = False) -> subprocess.Popen:
    return subprocess.Popen([str(each) for each in command], text=True, start_new_session=True,
                            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                            stdout=subprocess.PIPE)


def finish_load(process: subprocess.Popen, timeout: float) -> dict:
    try:
        output, _ = process.communicate(timeout=timeout)
    finally:
        process.kill()
    assert process.returncode == 0, f"the load ended with {process.returncode}: {output}"
    return json.loads(output.splitlines()[-1])


def settled(proxy: Trunkline) -> Dict[str, float]:
    """Waits until no client is left, and tells what is held then."""
    def at_rest() -> Dict[str, float]:
        seen = proxy.metrics()
        # A close is counted a moment before its session is given up.
        gone = (seen["trunkline_clients"] == 0 and seen.get("trunkline_sessions_active", 0) == 0 and
                seen["trunkline_buffers_in_use_bytes"] == 0)
        return seen if gone else {}

    seen = wait_until(at_rest, "no client and no buffer is left", 90, 0.5)
    assert seen["trunkline_clients_accepted_total"] == seen["trunkline_closes_total"]
    return {"descriptors": open_descriptors(proxy.pid),
            "resident": resident_bytes(proxy.pid, "Rss")}


def backends(cluster: Cluster, user: str) -> int:
    return cluster.scalar(f"select count(*) from pg_stat_activity where usename = '{user}'")
