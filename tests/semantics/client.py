"""A client that keeps its transcript: what it sent, in words, and what it was answered."""

import hashlib
import select
import time
from typing import Iterable, List, Optional, Sequence, Tuple

from lib import pgwire
from lib.pgdecode import Message
from lib.pgwire import Bytes, ServerClosed, Wire

READ_SECONDS = 5.0  # the longest a client waits for the next bytes of an answer
LONG_BYTES = 1 << 16  # longer values stand in transcripts as their length and hash


class Unanswered(Exception):
    """No bytes for READ_SECONDS where an answer was due."""


class Closed(Exception):
    """The connection ended where the script goes on."""


class Answer(list):
    """The decoded messages that answer one step."""

    def rows(self) -> List[List[Optional[str]]]:
        return [[None if each is None else each.decode(errors="replace") for each in fields]
                for kind, fields in (message for message in self if len(message) == 2)
                if kind == "D"]

    @property
    def value(self) -> Optional[str]:
        """The first column of the last row."""
        rows = self.rows()
        return rows[-1][0] if rows else None

    @property
    def values(self) -> List[Optional[str]]:
        """The first column of every row."""
        return [row[0] for row in self.rows()]

    @property
    def errors(self) -> List[str]:
        """The SQLSTATE of every error."""
        return [dict(message[1])["C"] for message in self if message[0] == "E"]

    @property
    def error(self) -> Optional[str]:
        return self.errors[0] if self.errors else None

    @property
    def tags(self) -> List[str]:
        return [message[1][0] for message in self if message[0] == "C"]

    @property
    def status(self) -> Optional[str]:
        """The transaction status of the last ReadyForQuery."""
        found = [message[1][0] for message in self if message[0] == "Z"]
        return found[-1] if found else None

    @property
    def types(self) -> str:
        """The message types in order, without ParameterStatus."""
        return "".join(message[0] for message in self if message[0] != "S")


class Client:
    """One client of a play. Steps send at once and read by rule; used by one thread."""

    def __init__(self, name: str, address: Tuple[str, int], user: str, database: str) -> None:
        self.name, self.user, self.database = name, user, database
        self.transcript: List[tuple] = []
        self.numbers = 0
        self.wire = Wire(*address, timeout=READ_SECONDS)

    def number(self) -> int:
        """A number for names this client makes up, the same in each run of a script."""
        self.numbers += 1
        return self.numbers

    # -- login -----------------------------------------------------------------------------------

    def login(self, parameters: Iterable[Tuple[Bytes, Bytes]] = (),
              version: int = pgwire.VERSION_3_0) -> "Client":
        """Log in; what the server says is not part of the transcript."""
        try:
            self.wire.login(user=self.user, database=self.database, version=version,
                            parameters=parameters)
        except ServerClosed as error:
            raise Closed(f"{self.name}: the connection was closed during login") from error
        except TimeoutError as error:
            raise Unanswered(f"{self.name}: login was not answered") from error
        return self

    def try_login(self, parameters: Sequence[Tuple[Bytes, Bytes]] = (),
                  version: int = pgwire.VERSION_3_0) -> Answer:
        """Log in (trust) and keep what is said, be it ReadyForQuery or an error."""
        pairs = [("user", self.user), ("database", self.database), *parameters]
        said = Answer()
        self.send(pgwire.startup(pairs, version), note=f"startup {version:#x} {parameters}")
        while not said or said[-1][0] not in "ZE":
            said.append(self._keep(self._read()))
            if said[-1][0] == "K":
                self.wire.session.pid, self.wire.session.key = said[-1][1]
        if said[-1][0] == "E":
            said += self.end()
        return said

    # -- raw steps -------------------------------------------------------------------------------

    def send(self, *pieces: bytes, note: str = "") -> None:
        self.transcript.append((">", note or b"".join(pieces)[:200]))
        try:
            self.wire.send(*pieces)
        except (BrokenPipeError, ConnectionResetError):
            pass  # what was said before is still to be read

    def _keep(self, message: Message) -> tuple:
        found = pgwire.decode(message)
        if len(message.body) > LONG_BYTES:
            found = (found[0], tuple(_short(each) for each in found[1]))
        self.transcript.append(found)
        return found

    def _read(self) -> Message:
        try:
            return self.wire.read()
        except ServerClosed as error:
            self.transcript.append(("closed",))
            raise Closed(f"{self.name}: the connection was closed after "
                         f"{self._last_step()}") from error
        except TimeoutError as error:
            self.transcript.append(("unanswered",))
            raise Unanswered(f"{self.name}: no answer within {READ_SECONDS:.0f} s to "
                             f"{self._last_step()}") from error

    def _last_step(self) -> str:
        steps = [message[1] for message in self.transcript if message[0] == ">"]
        return repr(steps[-1]) if steps else "login"

    def until(self, types: str, count: int = 1) -> Answer:
        """Messages up to and including the count-th of one of `types`."""
        said = Answer()
        while count:
            said.append(self._keep(self._read()))
            count -= said[-1][0] in types
        return said

    def ready(self, count: int = 1) -> Answer:
        return self.until("Z", count)

    def end(self) -> Answer:
        """Everything until the other side closes, which it must do."""
        said = Answer()
        while True:
            try:
                message = self.wire.read()
            except ServerClosed:
                self.transcript.append(("closed",))
                return said
            except TimeoutError as error:
                raise Unanswered(f"{self.name}: the connection is not closed") from error
            said.append(self._keep(message))

    def silent(self, seconds: float) -> bool:
        """Whether nothing comes for so long."""
        return not self.wire.buffer and not select.select([self.wire.socket], [], [], seconds)[0]

    def pump(self, data: bytes, note: str, count: int = 1) -> Answer:
        """Send much while reading much, so that neither side can wait for the other for ever."""
        self.transcript.append((">", note))
        rest, self.wire.buffer = memoryview(data), bytearray(self.wire.buffer)
        said, last = Answer(), time.monotonic()
        self.wire.socket.setblocking(False)
        try:
            while rest or count:
                readable, writable, _ = select.select(
                    [self.wire.socket], [self.wire.socket] if rest else [], [], READ_SECONDS)
                if not readable and not writable:
                    raise Unanswered(f"{self.name}: nothing moves during {note!r} "
                                     f"after {time.monotonic() - last:.0f} s")
                if writable:
                    rest = rest[self.wire.socket.send(rest[:1 << 18]):]
                if readable:
                    self.wire.buffer += self._some()
                while count and self._whole():
                    said.append(self._keep(self.wire.read()))
                    count -= said[-1][0] == "Z"
        finally:
            self.wire.socket.settimeout(READ_SECONDS)
        return said

    def _some(self) -> bytes:
        data = self.wire.socket.recv(1 << 18)
        if not data:
            raise Closed(f"{self.name}: the connection was closed")
        return data

    def _whole(self) -> bool:
        buffer = self.wire.buffer
        return len(buffer) > 4 and len(buffer) > int.from_bytes(buffer[1:5], "big")

    # -- whole steps -----------------------------------------------------------------------------

    def simple(self, sql: str) -> Answer:
        self.send(pgwire.query(sql), note=sql)
        return self.ready()

    def extended(self, sql: str, values: Sequence[Optional[Bytes]] = (), statement: str = "",
                 rows: int = 0) -> Answer:
        """Parse, Bind, Describe, Execute, Sync in one write."""
        self.send(batch(sql, values, statement, rows) + pgwire.sync(), note=f"extended: {sql}")
        return self.ready()

    def parse(self, statement: str, sql: str, oids: Sequence[int] = ()) -> Answer:
        self.send(pgwire.parse(statement, sql, oids) + pgwire.sync(),
                  note=f"parse {statement!r}: {sql}")
        return self.ready()

    def execute(self, statement: str = "", values: Sequence[Optional[Bytes]] = ()) -> Answer:
        """Bind, Execute, Sync of a statement that was parsed before."""
        self.send(pgwire.bind("", statement, values) + pgwire.execute() + pgwire.sync(),
                  note=f"execute {statement!r} {list(values)}")
        return self.ready()

    def long_row(self, patience_seconds: float = READ_SECONDS) -> int:
        """Read one row of a single column that nobody should hold whole: the value's length."""
        self.wire.socket.settimeout(patience_seconds)
        self.until("T")
        kind, size = self.wire.read_bytes(1), int.from_bytes(self.wire.read_bytes(4), "big") - 10
        self.wire.read_bytes(6)  # one column, and its length once more
        hashed, left = hashlib.sha256(), size
        while left:
            piece = self.wire.read_bytes(min(left, LONG_BYTES))
            hashed.update(piece)
            left -= len(piece)
        self.wire.socket.settimeout(READ_SECONDS)
        self.transcript.append(("long row", (kind, size, hashed.hexdigest())))
        return size

    def notified(self, count: int = 1, seconds: float = 2.0) -> List[Tuple[str, str]]:
        """Channel and payload of what comes while idle: so many, or what came in time."""
        found: List[Tuple[str, str]] = []
        deadline = time.monotonic() + seconds
        while len(found) < count and not (self.silent(max(0, deadline - time.monotonic()))):
            message = self._keep(self._read())
            if message[0] == "A":
                found.append(message[1][1:])
        return found

    # -- endings ---------------------------------------------------------------------------------

    def vanish(self, how: str) -> None:
        """Go away as clients do: with Terminate, by close() alone, or with RST."""
        self.transcript.append((">", f"vanish: {how}"))
        if how == "terminate":
            self.wire.send(pgwire.terminate())
        if how == "reset":
            self.wire.abort()
        else:
            self.wire.close()

    def close(self) -> None:
        self.wire.close()


def _short(value: object) -> object:
    if isinstance(value, bytes) and len(value) > LONG_BYTES:
        return f"{len(value)} bytes, SHA-256 {hashlib.sha256(value).hexdigest()}".encode()
    return value


def batch(sql: str, values: Sequence[Optional[Bytes]] = (), statement: str = "",
          rows: int = 0) -> bytes:
    """Parse to Execute of one statement, without Sync."""
    return (pgwire.parse(statement, sql) + pgwire.bind("", statement, values) +
            pgwire.describe("P") + pgwire.execute("", rows))
