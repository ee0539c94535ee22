"""The client of both sides: sends a step, keeps every byte of the answer, judges nothing."""

import asyncio
import socket
import struct
from typing import Iterator, List, Optional, Tuple

from lib import pgwire
from model.steps import Script, Step

Address = Tuple[str, int]
# What stands in a transcript in place of an answer that did not come.
TIMEOUT = b"!timeout"
CLOSED = b"!closed"
REFUSED = b"!refused"


CANCEL_AFTER_SECONDS = 0.02


def raw_messages(data: bytes) -> Iterator[Tuple[str, bytes]]:
    """(type, body) of whole messages."""
    at = 0
    while at + 5 <= len(data):
        size = int.from_bytes(data[at + 1:at + 5], "big") + 1
        if at + size > len(data):
            return
        yield chr(data[at]), data[at + 5:at + size]
        at += size


class Connection(asyncio.Protocol):
    """Collects bytes until as many messages of certain types are there as the caller waits for."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.transport: Optional[asyncio.Transport] = None
        self.closed = False
        self._at = 0  # where the first message starts that was not looked at
        self._types: bytes = b""
        self._count = 0
        self._waiter: Optional[asyncio.Future] = None
        self.failed = False  # an ErrorResponse was among what was looked at

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self._look()

    def connection_lost(self, _: Optional[Exception]) -> None:
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _look(self) -> None:
        """Count the messages that arrived; one may end in the next segment."""
        buffer, at, end = self.buffer, self._at, len(self.buffer)
        while self._count and at + 5 <= end:
            size = int.from_bytes(buffer[at + 1:at + 5], "big") + 1
            if at + size > end:
                break
            kind = buffer[at]
            self.failed = self.failed or kind == 0x45
            self._count -= kind in self._types
            at += size
        self._at = at
        if not self._count:
            self._wake()

    async def read(self, types: bytes, count: int, timeout: float) -> bytes:
        """All bytes up to the count-th message of one of `types`, and what came before the call."""
        self._types, self._count, self.failed = types, count, False
        self._look()
        mark = b""
        if self._count:
            mark = await self._wait(timeout)
        found = bytes(self.buffer[:self._at])
        if mark:
            found, self._at = bytes(self.buffer), len(self.buffer)
        del self.buffer[:self._at]
        self._at = self._count = 0
        return found + mark

    async def _wait(self, timeout: float) -> bytes:
        if self.closed:
            return CLOSED
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        alarm = loop.call_later(timeout, self._wake)
        await self._waiter
        alarm.cancel()
        self._waiter = None
        if not self._count:
            return b""
        return CLOSED if self.closed else TIMEOUT

    async def read_to_end(self, timeout: float) -> bytes:
        return await self.read(b"", 1, timeout)

    async def first_bytes(self, timeout: float) -> None:
        """Returns once any byte has come."""
        if not self.buffer:
            await self.read(b"", 1, min(timeout, 0.02))

    def send(self, data: bytes) -> None:
        if self.transport is not None and not self.closed:
            self.transport.write(data)

    def abort(self, reset: bool) -> None:
        """close(); with RST when `reset`."""
        if self.transport is None:
            return
        if reset:
            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()  # after what is still to be written


class Player:
    """Plays one script on one connection; `answers` is its transcript, login first.

    The same script leads to the same reads whatever the answers are, but for one rule: after an
    error in an open pipeline PostgreSQL says nothing before the next Sync, so nothing is awaited.
    """

    def __init__(self, script: Script, address: Address, database: str, timeout: float) -> None:
        self.script, self.address, self.database = script, address, database
        self.timeout = timeout
        self.answers: List[bytes] = []
        self.connection = Connection()
        self.over = False
        self.status = "I"  # the transaction status of the last ReadyForQuery
        self._open = self._skipping = False  # a pipeline without its Sync; an error in it
        self._next = 0

    def left(self) -> bool:
        return not self.over and self._next <= len(self.script.steps)

    async def act(self) -> None:
        """The next action: login, then the steps in order."""
        at, self._next = self._next, self._next + 1
        if at == 0:
            answer = await self._login()
        else:
            answer = await self._play(self.script.steps[at - 1])
        self.answers.append(answer)
        if answer.endswith((TIMEOUT, CLOSED, REFUSED)):
            self.over = True
            self.connection.abort(False)
        elif answer[-6:-1] == b"Z\0\0\0\5":
            self.status = chr(answer[-1])

    async def _login(self) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.connection, *self.address)
        except OSError:
            return REFUSED
        self.connection.send(pgwire.startup([("user", "model"), ("database", self.database),
                                             *self.script.parameters]))
        return await self.connection.read(b"Z", 1, self.timeout)

    async def _play(self, step: Step) -> bytes:
        before = b""
        if step.joins and not self._open:
            return b""
        if self._open and not step.joins:
            before = await self._close_pipeline()
        if step.end:
            return before + await self._end(step)
        self.connection.send(step.bytes())
        if step.cancel:
            return before + await self._read_and_cancel(step)
        if not step.until:
            self._open = self._skipping = False
            return before + await self.connection.read(b"Z", step.answers(), self.timeout)
        self._open = True
        if self._skipping:
            return b""
        answer = await self.connection.read(step.until.encode() + b"E", 1, self.timeout)
        self._skipping = self.connection.failed
        return before + answer

    async def _read_and_cancel(self, step: Step) -> bytes:
        """Cancel what has begun until the answer is there, twice at once: one comes too late.

        Each request is over before anything else is sent: PostgreSQL then cancels nothing more.
        """
        begun = await self.connection.read(b"TE", 1, self.timeout)
        if begun.endswith((TIMEOUT, CLOSED)):
            return begun
        answer = asyncio.ensure_future(self.connection.read(b"Z", step.answers(), self.timeout))
        while not (await asyncio.wait([answer], timeout=CANCEL_AFTER_SECONDS))[0]:
            await asyncio.gather(self._cancel(), self._cancel())
        return begun + answer.result()

    async def _cancel(self) -> None:
        key = next((body for kind, body in raw_messages(self.answers[0]) if kind == "K"), b"")
        request = Connection()
        try:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: request, *self.address)
        except OSError:
            return
        request.send(pgwire.request(pgwire.CANCEL_CODE, key))
        await request.read_to_end(self.timeout)
        request.abort(False)

    async def _close_pipeline(self) -> bytes:
        self._open = self._skipping = False
        self.connection.send(pgwire.sync())
        return await self.connection.read(b"Z", 1, self.timeout)

    async def _end(self, step: Step) -> bytes:
        connection, data = self.connection, step.bytes()
        self.over = True
        if step.end == "terminate":
            connection.send(data + pgwire.terminate())
            return await connection.read_to_end(self.timeout)
        if step.end == "cut":
            data = data[:-3]
        if data:
            connection.send(data)
        if step.end == "midway":
            await connection.first_bytes(self.timeout)
        connection.abort(step.end == "rst")
        return b""

    def give_up(self) -> None:
        """Closes what a script left open."""
        self.over = True
        self.connection.abort(False)


async def play_alone(script: Script, address: Address, database: str,
                     timeout: float) -> List[bytes]:
    """The transcript of a script that nobody disturbs."""
    player = Player(script, address, database, timeout)
    try:
        while player.left():
            await player.act()
    finally:
        player.give_up()
    return player.answers
