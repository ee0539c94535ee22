"""One play of one case: its clients, the administrator beside them, and who holds what.

`Lab` is the PostgreSQL server with an administrator's connection; `Target` is where clients go:
PostgreSQL itself or a proxy in front of it. A `Stage` lives for one play and closes what it opened.
"""

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from lib import pgwire
from lib.pgwire import Bytes, ServerClosed, Wire
from lib.processes import resident_bytes
from semantics import schema
from semantics.case import Case
from semantics.client import Client

Address = Tuple[str, int]
DEAD_SECONDS = 10.0  # a proxy that answers no new client for so long is dead
PINNED_SECONDS = 0.3  # a holder that gets no connection for so long waits for a pinned one
HELD_KEY = 4711
HELD = f"pg_advisory_xact_lock({HELD_KEY})"  # reads, as far as a proxy knows; see Stage.holding()
BACKENDS = ("FROM pg_stat_activity WHERE usename = '{user}' AND backend_type = 'client backend' "
            "AND pid <> pg_backend_pid()")


class Mismatch(Exception):
    """A client saw something else than it must."""


class Dead(Mismatch):
    """The proxy serves nobody any more, not even after its server connections were ended."""


@dataclass
class Target:
    """Where the clients of a play connect. `restart` is there when the runner started it all."""

    name: str
    address: Address
    direct: bool = False
    pid: int = 0
    restart_server: Optional[Callable[[], None]] = None


class Lab:
    """The PostgreSQL server behind every target, and the administrator's connection to it."""

    def __init__(self, address: Address, user: str, database: str, admin: str) -> None:
        self.address, self.user, self.database, self.admin = address, user, database, admin
        self.wire: Optional[Wire] = None
        self.backends = BACKENDS.format(user=user)
        self.sql(schema.SCHEMA.format(user=user))
        self.version = int(self.sql("SHOW server_version_num")[0][0]) // 10000

    def sql(self, text: str) -> List[List[str]]:
        """Run SQL as the administrator, on a new connection when the server was restarted."""
        for attempt in range(100):
            try:
                if self.wire is None:
                    self.wire = Wire(*self.address).login(self.admin, self.database)
                return [[each.decode() if each is not None else "" for each in row]
                        for row in self.wire.rows(text)]
            except (ServerClosed, OSError, pgwire.WireError) as error:
                if isinstance(error, pgwire.WireError) and error.severity != "FATAL":
                    raise
                self.wire = None
                if attempt == 99:
                    raise
                time.sleep(0.05)
        return []

    def clear(self) -> None:
        """End every backend of the test user and wait until they are gone."""
        deadline = time.monotonic() + 10
        while self.sql("SELECT pg_terminate_backend(pid) " + self.backends):
            if time.monotonic() > deadline:
                raise Mismatch("backends of the play before do not end")
            time.sleep(0.003)
        # Whoever pools them hears of it in a moment; what becomes of those who are quicker is row Z's.
        time.sleep(0.02)

    def last_backend(self) -> int:
        """The pid of the backend that changed its state last."""
        return int(self.sql(f"SELECT pid {self.backends} ORDER BY state_change DESC LIMIT 1")[0][0])

    def close(self) -> None:
        if self.wire is not None:
            self.wire.close()


class Stage:
    """What a play sees. Every method but close() belongs to plays."""

    def __init__(self, lab: Lab, target: Target) -> None:
        self.lab, self.target = lab, target
        self.names: Dict[str, Client] = {}
        self.holders: List[Wire] = []
        self.address = target.address
        self.direct = target.direct

    def client(self, name: str, parameters: Iterable[Tuple[Bytes, Bytes]] = (),
               login: bool = True, version: int = pgwire.VERSION_3_0,
               user: Optional[str] = None) -> Client:
        assert name not in self.names
        found = Client(name, self.target.address, user or self.lab.user, self.lab.database)
        self.names[name] = found
        return found.login(parameters, version) if login else found

    def clients(self, *names: str) -> List[Client]:
        return [self.client(name) for name in names]

    def admin(self, sql: str) -> List[List[str]]:
        return self.lab.sql(sql)

    @staticmethod
    def must(condition: object, what: str) -> None:
        if not condition:
            raise Mismatch(f"not true: {what}")

    @staticmethod
    def equal(found: object, wanted: object, what: str) -> None:
        if found != wanted:
            raise Mismatch(f"{what}: {found!r}, must be {wanted!r}")

    def wait(self, condition: Callable[[], object], what: str, seconds: float = 5.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise Mismatch(f"not within {seconds:.0f} s: {what}")
            time.sleep(0.01)

    # -- server connections ----------------------------------------------------------------------

    def _hold(self, seconds: float) -> Optional[int]:
        """Another client opens a transaction: the pid it got, None when there was none for it."""
        wire = Wire(*self.target.address, timeout=seconds)
        self.holders.append(wire)
        try:
            wire.login(self.lab.user, self.lab.database)
            return int(wire.scalar("BEGIN; SELECT pg_backend_pid()"))
        except TimeoutError:
            wire.close()
            return None

    def move(self) -> None:
        """Give the server connection that was used last to another client, for the play's rest.

        The pool has two. A session that is pinned keeps its own; directly there is nothing to do.
        """
        if self.direct:
            return
        last = self.lab.last_backend()
        first = self._hold(2.0)
        if first is None or first == last:
            return
        if self._hold(PINNED_SECONDS) == last:
            self.holders[-2].close()

    def end_idle_backends(self) -> None:
        """The server ends every pooled connection that is idle (57P01). Directly: nothing."""
        if not self.direct:
            self.admin(f"SELECT pg_terminate_backend(pid) {self.lab.backends} AND state = 'idle'")

    def restart_server(self) -> None:
        """Restart PostgreSQL behind the proxy. Directly: nothing."""
        if not self.direct and self.target.restart_server is not None:
            self.target.restart_server()

    def bounded(self, play: Callable[[], object], growth_bytes: int) -> None:
        """Play, and see that the proxy's memory has not grown past a bound, where it is known."""
        if not self.target.pid:
            play()
            return
        before = resident_bytes(self.target.pid)
        play()
        grown = resident_bytes(self.target.pid) - before
        self.must(grown <= growth_bytes, f"the proxy's memory grew by {grown >> 20} MiB, at most "
                  f"{growth_bytes >> 20} MiB")

    def running(self, text: str) -> int:
        """How many backends of the test user run a query that contains `text`."""
        return int(self.admin(f"SELECT count(*) {self.lab.backends} AND state = 'active' "
                              f"AND query LIKE '%{text}%'")[0][0])

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Until the block ends, queries that call HELD last, on a machine of any speed."""
        self.admin(f"SELECT pg_advisory_lock({HELD_KEY})")
        try:
            yield
        finally:
            self.admin(f"SELECT pg_advisory_unlock({HELD_KEY})")

    def close(self) -> None:
        for wire in self.holders:
            wire.close()
        for client in self.names.values():
            client.close()


def settle(lab: Lab, target: Target) -> None:
    """Fresh server connections and tables for the next play; the proxy must serve again."""
    lab.clear()
    lab.sql(schema.RESET)
    deadline = time.monotonic() + DEAD_SECONDS
    while not target.direct:
        try:
            with Wire(*target.address, timeout=DEAD_SECONDS / 3) as probe:
                if probe.login(lab.user, lab.database).scalar("SELECT 1") == "1":
                    return
        except (OSError, ServerClosed, pgwire.WireError) as error:
            if time.monotonic() > deadline:
                raise Dead(f"the proxy serves nobody any more: {error}") from error
            time.sleep(0.02)


def prepare(lab: Lab, target: Target, case: Case) -> Stage:
    settle(lab, target)
    if case.setup:
        lab.sql(case.setup)
    return Stage(lab, target)
