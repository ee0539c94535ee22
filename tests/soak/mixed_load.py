"""Clients that know what they must be told, for as long as one likes: the parts of the mixed load."""

import random
import select
import sys
import threading
import time
import traceback
from collections import Counter
from typing import Callable, Dict, List, Optional, Tuple

import psycopg

# What a client may be told because of what is done to the servers and the proxy, and nothing else:
# 57P01 to 57P03 and 57P05, 08…, what libpq says itself, which has no SQLSTATE, and that there is no
# more room for those who wait or are pinned.
EXCUSED = ("57P", "08", "53300", "53400")

GAP_S = 10.0  # after so long no notification comes any more


class WrongAnswer(AssertionError):
    """Not what PostgreSQL would have said."""


class Client(threading.Thread):
    """Does one thing again and again on one session, and logs in again when that is lost."""

    def __init__(self, number: int, conninfo: str, over: threading.Event, told: Counter) -> None:
        super().__init__(daemon=True, name=f"{type(self).__name__} {number}")
        self.number, self.conninfo, self.over, self.told = number, conninfo, over, told
        self.random = random.Random(number)
        self.failure: Optional[BaseException] = None
        self.done = 0
        self.since = time.monotonic()  # the last thing that ended

    def run(self) -> None:
        connection = None
        try:
            while not self.over.is_set():
                try:
                    if connection is None or connection.closed:
                        connection = psycopg.connect(self.conninfo, autocommit=True)
                        self.begin(connection)
                    self.step(connection)
                    self.done += 1
                except psycopg.Error as error:
                    self.excuse(error)
                    if connection is not None:
                        connection.close()
                    time.sleep(0.02)
                self.since = time.monotonic()
        except BaseException as failure:  # pylint: disable=broad-except
            self.failure = failure
        finally:
            if connection is not None:
                connection.close()

    def whereabouts(self) -> str:
        """What it is doing now, for whoever finds it stuck."""
        frame = sys._current_frames().get(self.ident)
        return "".join(traceback.format_stack(frame)) if frame else "it has ended"

    def excuse(self, error: psycopg.Error) -> None:
        state = error.sqlstate or "lost"
        self.told[state] += 1
        if state != "lost" and not state.startswith(EXCUSED):
            raise WrongAnswer(f"{self.name}: {state} {error}") from error

    def begin(self, connection: psycopg.Connection) -> None:
        """What a new session does first."""

    def step(self, connection: psycopg.Connection) -> None:
        raise NotImplementedError

    def must(self, found: object, expected: object, what: str) -> None:
        if found != expected:
            raise WrongAnswer(f"{self.name}: {what} is {found!r} and must be {expected!r}")


def scalar(connection: psycopg.Connection, text: str, *values, **options) -> object:
    row = connection.execute(text, values or None, **options).fetchone()
    return row[0] if row else None


class Accountant(Client):
    """Counts in a row of its own, in transactions; what was committed must be there."""

    count: Optional[int] = None

    def begin(self, connection):
        # Whether the commit at hand was done when the session was lost, only the server knows.
        found = scalar(connection, "select n from account where id = %s", self.number)
        if self.count is not None and found not in (self.count, self.count + 1):
            raise WrongAnswer(f"{self.name}: {found} committed, {self.count} were answered")
        self.count = found

    def step(self, connection):
        rolls_back = self.random.random() < 0.2
        with connection.transaction(force_rollback=rolls_back):
            found = scalar(connection, "select n from account where id = %s for update", self.number)
            self.must(found, self.count, "the count")
            connection.execute("update account set n = n + 1 where id = %s", (self.number,))
        self.count += 0 if rolls_back else 1
        found = scalar(connection, "select n from account where id = %s", self.number)
        self.must(found, self.count, "the count afterwards")


class Setter(Client):
    """Has settings of its own, also in blocks that are rolled back."""

    def begin(self, connection):
        self.value = 4096 + self.number
        connection.execute(f"set work_mem = '{self.value}kB'")
        connection.execute(f"set application_name = 'setter {self.number}'")

    def step(self, connection):
        self.must(scalar(connection, "show work_mem"), f"{self.value}kB", "work_mem")
        self.must(scalar(connection, "select current_setting('application_name')"),
                  f"setter {self.number}", "application_name")
        other = 8193 + self.random.randrange(1000)  # no whole number of MB
        with connection.transaction(force_rollback=self.random.random() < 0.5) as block:
            connection.execute(f"set work_mem = '{other}kB'")
            rolled_back = block.force_rollback
        if not rolled_back:
            self.value = other


class Preparer(Client):
    """Prepares statements, some of the same text as others', and gets its own values."""

    def step(self, connection):
        number = self.random.randrange(5)
        found = connection.execute(f"select %s::int + {number}, %s::text", (self.number, self.name),
                                   prepare=True).fetchone()
        self.must(found, (self.number + number, self.name), "the row")


class Temporary(Client):
    """Has a temporary table for a while, which pins it."""

    def step(self, connection):
        connection.execute("create temp table mine (n int)")
        connection.execute("insert into mine select generate_series(1, %s)", (self.number,))
        self.must(scalar(connection, "select count(*) from mine"), self.number, "the count")
        connection.execute("drop table mine")
        time.sleep(0.05)


class Listener(Client):
    """Hears what it tells itself, and nobody else's."""

    def begin(self, connection):
        self.heard: List[Tuple[str, str]] = []
        # What comes with the answer to a statement psycopg has taken already.
        connection.add_notify_handler(lambda each: self.heard.append((each.channel, each.payload)))
        connection.execute(f"listen channel_{self.number}")
        self.sent = 0

    def step(self, connection):
        self.sent += 1
        connection.execute(f"notify channel_{self.number}, '{self.sent}'")
        if not self.hear(connection, GAP_S):
            # The connection that listens for all was lost: the log tells of such gaps.
            self.told["gap"] += 1
            return
        self.must(self.heard, [(f"channel_{self.number}", str(self.sent))], "what was notified")
        self.heard.clear()

    def hear(self, connection, seconds) -> bool:
        end = time.monotonic() + seconds
        while not self.heard and (left := end - time.monotonic()) > 0:
            select.select([connection.fileno()], [], [], left)
            connection.pgconn.consume_input()
            while found := connection.pgconn.notifies():
                self.heard.append((found.relname.decode(), found.extra.decode()))
        return bool(self.heard)


class Locker(Client):
    """Takes an advisory lock of the session, that only one of its kind can have."""

    def step(self, connection):
        key = self.random.randrange(3)
        if not scalar(connection, "select pg_try_advisory_lock(4711, %s)", key):
            return
        connection.execute("update lock_holder set n = %s where id = %s", (self.number, key))
        time.sleep(0.01)
        holder = scalar(connection, "select n from lock_holder where id = %s", key)
        self.must(holder, self.number, f"the holder of lock {key}")
        self.must(scalar(connection, "select pg_advisory_unlock(4711, %s)", key), True, "the unlock")


class Copier(Client):
    """Copies rows out and counts them, large ones too."""

    def step(self, connection):
        rows, size = self.random.randrange(1, 200), self.random.choice((10, 1000, 100_000))
        total = 0
        with connection.cursor().copy(f"copy (select repeat('x', {size}) from generate_series(1, "
                                      f"{rows})) to stdout") as copy:
            for part in copy:
                total += len(part)
        self.must(total, rows * (size + 1), "the bytes")


class Vanisher(Client):
    """Is gone in the middle of whatever it does."""

    def step(self, connection):
        what = self.random.choice(("begin; update account set n = n + 1000 where id = -1",
                                   "set work_mem = '99MB'; select pg_sleep(1)",
                                   "select repeat('x', 1000) from generate_series(1, 100000)",
                                   "begin; select pg_advisory_xact_lock(1)", "listen nobody",
                                   "create temp table gone (n int)", "select pg_advisory_lock(%d)"
                                   % (10_000 + self.number)))
        connection.pgconn.send_query(what.encode())
        time.sleep(self.random.random() * 0.05)
        connection.close()
        # What it has asked for runs all the same, as far as it may write: others need connections, too.
        time.sleep(self.random.random())


KINDS: Dict[Callable, int] = {Accountant: 8, Setter: 8, Preparer: 6, Temporary: 2, Listener: 3,
                              Locker: 2, Copier: 3, Vanisher: 3}


def clients(conninfo: str, over: threading.Event, told: Counter) -> List[Client]:
    """One of each kind as often as it is to be there, numbered from 1."""
    kinds = [kind for kind, count in KINDS.items() for _ in range(count)]
    return [kind(number, conninfo, over, told) for number, kind in enumerate(kinds, 1)]
