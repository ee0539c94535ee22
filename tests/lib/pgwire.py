"""A raw, blocking wire client, written from the chapter "Frontend/Backend Protocol".

It sends what drivers never would: any bytes, any order, any version. Nothing here is shared with
the proxy, so that a misreading of the documentation is not made twice.
"""

import socket
import ssl
import struct
import time
from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Optional, Sequence, Tuple, Union

from lib import pgauth
from lib.pgdecode import Message, decode

VERSION_3_0 = 0x00030000
VERSION_3_1 = 0x00030001
VERSION_3_2 = 0x00030002
VERSION_GREASE = 0x00030000 | 9999
CANCEL_CODE, SSL_CODE, GSS_CODE = 80877102, 80877103, 80877104

Bytes = Union[bytes, str]


def _text(value: Bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def cstring(value: Bytes) -> bytes:
    return _text(value) + b"\0"


# -- What a client sends --------------------------------------------------------------------------

def message(kind: Bytes, body: bytes = b"", length: Optional[int] = None) -> bytes:
    """A message; `length` lies about the length field."""
    return _text(kind) + struct.pack("!I", len(body) + 4 if length is None else length) + body


def startup(parameters: Union[Dict[str, Bytes], Sequence[Tuple[Bytes, Bytes]]],
            version: int = VERSION_3_0) -> bytes:
    pairs = parameters.items() if isinstance(parameters, dict) else parameters
    body = struct.pack("!I", version)
    body += b"".join(cstring(name) + cstring(value) for name, value in pairs) + b"\0"
    return struct.pack("!I", len(body) + 4) + body


def request(code: int, rest: bytes = b"") -> bytes:
    """SSLRequest, GSSENCRequest, and with `rest` a CancelRequest."""
    return struct.pack("!II", 8 + len(rest), code) + rest


def cancel_request(pid: int, key: bytes) -> bytes:
    return request(CANCEL_CODE, struct.pack("!I", pid & 0xFFFFFFFF) + key)  # decoded as signed


def query(text: Bytes) -> bytes:
    return message("Q", cstring(text))


def parse(name: Bytes, text: Bytes, oids: Sequence[int] = ()) -> bytes:
    return message("P", cstring(name) + cstring(text) + struct.pack(f"!H{len(oids)}I", len(oids),
                                                                    *oids))


def bind(portal: Bytes = "", statement: Bytes = "", values: Sequence[Optional[Bytes]] = (),
         formats: Sequence[int] = (), results: Sequence[int] = ()) -> bytes:
    body = cstring(portal) + cstring(statement)
    body += struct.pack(f"!H{len(formats)}H", len(formats), *formats)
    body += struct.pack("!H", len(values))
    for value in values:
        body += struct.pack("!i", -1) if value is None else \
            struct.pack("!i", len(_text(value))) + _text(value)
    body += struct.pack(f"!H{len(results)}H", len(results), *results)
    return message("B", body)


def describe(kind: Bytes, name: Bytes = "") -> bytes:
    return message("D", _text(kind) + cstring(name))


def close(kind: Bytes, name: Bytes = "") -> bytes:
    return message("C", _text(kind) + cstring(name))


def execute(portal: Bytes = "", rows: int = 0) -> bytes:
    return message("E", cstring(portal) + struct.pack("!I", rows))


def function_call(oid: int, arguments: Sequence[Optional[bytes]], formats: Sequence[int] = (1,),
                  result: int = 1) -> bytes:
    body = struct.pack(f"!IH{len(formats)}HH", oid, len(formats), *formats, len(arguments))
    for value in arguments:
        body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
    return message("F", body + struct.pack("!H", result))


def sync() -> bytes:
    return message("S")


def flush() -> bytes:
    return message("H")


def copy_data(data: Bytes) -> bytes:
    return message("d", _text(data))


def copy_done() -> bytes:
    return message("c")


def copy_fail(reason: Bytes) -> bytes:
    return message("f", cstring(reason))


def terminate() -> bytes:
    return message("X")


# -- A connection ---------------------------------------------------------------------------------

class ServerClosed(Exception):
    """The other side closed (or reset) the connection."""


@dataclass
class Session:
    """What login told: parameters, key, and everything that came before ReadyForQuery."""

    parameters: Dict[str, str] = field(default_factory=dict)
    pid: int = 0
    key: bytes = b""
    mechanisms: List[str] = field(default_factory=list)
    messages: List[Message] = field(default_factory=list)


class Wire:
    """One connection. Reads block for at most `timeout` seconds; used by one thread."""

    def __init__(self, host: str, port: int, timeout: float = 15.0) -> None:
        if host.startswith("/"):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(f"{host}/.s.PGSQL.{port}")
        else:
            self.socket = socket.create_connection((host, port), timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.sent_bytes = self.received_bytes = 0  # what `send` sent and the reads read
        self.session = Session()

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def abort(self) -> None:
        """Close with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def half_close(self) -> None:
        """FIN, under TLS without more: what comes can still be read."""
        socket.socket.shutdown(self.socket, socket.SHUT_WR)

    # -- bytes -----------------------------------------------------------------------------------

    def send(self, *pieces: bytes) -> None:
        data = b"".join(pieces)
        self.sent_bytes += len(data)
        self.socket.sendall(data)

    def send_slowly(self, data: bytes, piece: int = 1, pause_s: float = 0.001) -> None:
        """In pieces, each its own segment: the reader sees every split."""
        for start in range(0, len(data), piece):
            self.socket.sendall(data[start:start + piece])
            time.sleep(pause_s)

    def _fill(self) -> None:
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError) as error:
            raise ServerClosed("reset") from error
        if not data:
            raise ServerClosed("closed")
        self.received_bytes += len(data)
        self.buffer += data

    def read_bytes(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self._fill()
        piece = bytes(self.buffer[:size])
        del self.buffer[:size]
        return piece

    def read(self) -> Message:
        """The next message; ServerClosed at the end, with half a message left in `buffer`."""
        while len(self.buffer) < 5 or len(self.buffer) <= struct.unpack_from("!xI", self.buffer)[0]:
            self._fill()
        kind = chr(self.buffer[0])
        return Message(kind, self.read_bytes(struct.unpack_from("!xI", self.buffer)[0] + 1)[5:])

    def read_until(self, types: str, count: int = 1) -> List[Message]:
        """Messages up to and including the count-th of one of `types`."""
        found: List[Message] = []
        while count:
            found.append(self.read())
            count -= found[-1].type in types
        return found

    def read_to_end(self) -> List[Message]:
        """Everything until the other side closes."""
        found: List[Message] = []
        try:
            while True:
                found.append(self.read())
        except ServerClosed:
            return found

    def closed_without_a_word(self) -> bool:
        return not self.read_to_end() and not self.buffer

    # -- encryption ------------------------------------------------------------------------------

    def request_tls(self, code: int = SSL_CODE) -> bytes:
        """SSLRequest (or GSSENCRequest): the one byte of the answer."""
        self.send(request(code))
        return self.read_bytes(1)

    def wrap(self, context: ssl.SSLContext, server_name: Optional[str] = None) -> None:
        """The TLS handshake, here and now (direct TLS when no SSLRequest went before)."""
        self.socket = context.wrap_socket(self.socket, server_hostname=server_name)

    def start_tls(self, context: ssl.SSLContext, server_name: Optional[str] = None) -> None:
        answer = self.request_tls()
        assert answer == b"S", f"SSLRequest was answered {answer!r}"
        self.wrap(context, server_name)

    # -- login -----------------------------------------------------------------------------------

    def login(self, user: str = "trusty", database: str = "app", password: Optional[str] = None,
              version: int = VERSION_3_0, parameters: Iterable[Tuple[Bytes, Bytes]] = (),
              scram: Optional[dict] = None) -> "Wire":
        """Startup and whatever authentication is asked for, up to ReadyForQuery.

        `scram` goes to pgauth.ScramClient: mechanism, channel binding, broken proofs.
        """
        self.send(startup([("user", user), ("database", database), *parameters], version))
        self.session.messages = self.authenticate(user, password, scram)
        return self

    def authenticate(self, user: str, password: Optional[str] = None,
                     scram: Optional[dict] = None) -> List[Message]:
        """Answer the server until ReadyForQuery; an ErrorResponse raises WireError."""
        found: List[Message] = []
        exchange = None
        while True:
            received = self.read()
            found.append(received)
            if received.type == "E":
                raise WireError(received, found)
            if received.type == "S":
                name, value = decode(received)[1]
                self.session.parameters[name] = value
            elif received.type == "K":
                self.session.pid, self.session.key = decode(received)[1]
            elif received.type == "Z":
                return found
            elif received.type == "R":
                code, rest = decode(received)[1]
                if code == 10:
                    self.session.mechanisms = [each.decode() for each in rest.split(b"\0") if each]
                    exchange = pgauth.ScramClient(password or "", self.session.mechanisms,
                                                  self.socket, **(scram or {}))
                reply = pgauth.answer(code, rest, user, password, exchange)
                if reply is not None:
                    self.send(message("p", reply))

    def run(self, text: Bytes) -> List[Message]:
        """A simple query and its whole answer."""
        self.send(query(text))
        return self.read_until("Z")

    def rows(self, text: Bytes) -> List[List[Optional[bytes]]]:
        """The rows of a simple query; an error raises WireError."""
        found = self.run(text)
        for each in found:
            if each.type == "E":
                raise WireError(each, found)
        return [each.values() for each in found if each.type == "D"]

    def scalar(self, text: Bytes) -> str:
        value = self.rows(text)[0][0]
        assert value is not None
        return value.decode()


class WireError(Exception):
    """An ErrorResponse where none was expected; keeps it and all that came before it."""

    def __init__(self, error: Message, messages: List[Message]) -> None:
        super().__init__(str(error.fields()))
        self.fields = error.fields()
        self.sqlstate = self.fields.get("C", "")
        self.severity = self.fields.get("V", "")
        self.messages = messages


def connect(where: object, tls: Optional[ssl.SSLContext] = None,
            server_name: Optional[str] = None, **login) -> Wire:
    """Connect to (host, port) or anything with .host and .port, and log in."""
    host, port = where if isinstance(where, tuple) else (where.host, where.port)
    wire = Wire(host, port)
    try:
        if tls is not None:
            wire.start_tls(tls, server_name)
        return wire.login(**login)
    except BaseException:
        wire.close()
        raise


def error_of(messages: Sequence[Message]) -> Message:
    """The one error that must be among them."""
    found = [each for each in messages if each.type == "E"]
    assert len(found) == 1, messages
    return found[0]


def ends_with(wire: Wire, sqlstate: str, words: str) -> None:
    """The session is told why it ends, and ends."""
    error = error_of(wire.read_to_end())
    assert error.sqlstate() == sqlstate and words in str(error.fields()), error.fields()
    assert error.fields()["S"] == "FATAL"


def send_cancel(where: Tuple[str, int], pid: int, key: bytes,
                tls: Optional[ssl.SSLContext] = None, direct: bool = False,
                server_name: Optional[str] = None) -> None:
    """Send a CancelRequest and wait for the other side to close, as libpq does."""
    with Wire(*where) as wire:
        if tls is not None and direct:
            wire.wrap(tls, server_name)
        elif tls is not None:
            wire.start_tls(tls, server_name)
        wire.send(cancel_request(pid, key))
        assert not wire.read_to_end(), "a CancelRequest gets no answer"
