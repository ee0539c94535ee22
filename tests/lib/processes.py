"""What every started program shares: free ports, ending by pid, no orphan when the tests die."""

import atexit
import ctypes
import itertools
import os
import pwd
import random
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterable, Optional

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


# Below those that the kernel gives to connections, which could take one before its server binds it.
PORTS = range(10_000, 32_000)
_ports = itertools.cycle(PORTS)
# Every process of tests begins somewhere else, as several run at once.
next(itertools.islice(_ports, random.SystemRandom().choice(PORTS) - PORTS.start, None))


def free_port() -> int:
    """A loopback port nobody listens on now; the caller binds it soon."""
    for port in itertools.islice(_ports, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no port of {PORTS} is free")


def wait_until(condition: Callable[[], object], what: str, timeout: float = 20.0,
               interval: float = 0.02) -> object:
    """Poll until the condition is true and return its value; fail with `what` in words."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"gave up after {timeout} s waiting until {what}")
        time.sleep(interval)


def unprivileged_user() -> Optional[str]:
    """The account PostgreSQL runs as: it refuses root, so root borrows `postgres` or `nobody`."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
            return name
        except KeyError:
            continue
    raise RuntimeError("running as root needs a system user `postgres` or `nobody`")


def user_options(user: Optional[str]) -> dict:
    """Keyword arguments of subprocess that run a program as `user` (None: as we are)."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def give_to(path: Path, user: Optional[str]) -> None:
    """Make `user` own a file or folder; nothing to do when we run unprivileged ourselves."""
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


class Program:
    """A child process with its output in a file, ended at the latest when the tests end.

    Bounded three ways: stop() by the fixture, atexit when a fixture was skipped, and a parent-death
    signal when pytest itself is killed.
    """

    def __init__(self, arguments: Iterable[object], log_path: Path, user: Optional[str] = None,
                 environment: Optional[dict] = None, death_signal: int = signal.SIGTERM,
                 pass_fds: tuple = ()) -> None:
        self.log_path = log_path
        self.arguments = [str(argument) for argument in arguments]

        def follow_parent() -> None:
            _libc.prctl(PR_SET_PDEATHSIG, death_signal)

        with open(log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env=environment, preexec_fn=follow_parent, pass_fds=pass_fds,
                start_new_session=True, cwd="/", **user_options(user))
        atexit.register(self.kill)

    @property
    def pid(self) -> int:
        return self.process.pid

    def running(self) -> bool:
        return self.process.poll() is None

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def signal(self, number: int) -> None:
        if self.running():
            self.process.send_signal(number)

    def wait(self, timeout: float) -> Optional[int]:
        """The exit status, or None when it still runs after `timeout` seconds."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        if self.running():
            self.process.kill()
            self.process.wait()
        atexit.unregister(self.kill)


def resident_bytes(pid: int, field: str = "Pss") -> int:
    """Memory of a process from smaps_rollup: Pss, Rss, Private_Dirty, in bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def open_descriptors(pid: int) -> int:
    """How many descriptors a process holds open."""
    return len(os.listdir(f"/proc/{pid}/fd"))
