r"""Scripts of client messages in a compact text form, and the reader that runs them.

    [a name for the block]  pg18 framing          flags after the name, see FLAGS
    parse s1 | select $1::int | 23                one client message a line, fields divided by |
    bind   | s1 | 41 ; NULL | 0 | 1               values ; formats ; result formats
    sync                                          collected until a step that reads
    ready                                         …then sent at once, and read by this rule

Escapes: \n \t \0 \\ \xHH, and {{x*1000}} repeats. Every block starts logged in (user trusty,
database app) unless it says `raw`, and ends with Terminate and reading to the end, so that whatever
came too late or too often is seen.
"""

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Set, Tuple

from lib import pgwire
from lib.pgwire import Message, ServerClosed, Wire

FLAGS = {
    "raw": "no automatic startup: the block begins with the first byte",
    "pg15": "only on PostgreSQL 15",
    "pg18": "only on PostgreSQL 18",
    "framing": "what is said between the violation and the close is not compared",
    "own": "the proxy answers this itself, so it knows no source file and line",
    "tls": "the whole block runs inside TLS (SSLRequest first)",
}
VERSIONS = {"3.0": pgwire.VERSION_3_0, "3.1": pgwire.VERSION_3_1, "3.2": pgwire.VERSION_3_2,
            "3.9999": pgwire.VERSION_GREASE}
DIVIDER = re.compile(r"(?:^|(?<=\s))\|(?=\s|$)")  # a | that stands alone, so not SQL's ||


@dataclass(frozen=True)
class Script:
    """One block: a distinct exchange."""

    name: str
    flags: frozenset
    steps: Tuple[str, ...]

    def runs_on(self, version: int) -> bool:
        wanted = {flag for flag in self.flags if flag.startswith("pg")}
        return not wanted or f"pg{version}" in wanted


def unescape(text: str) -> bytes:
    """The bytes a field stands for."""
    text = re.sub(r"\{\{(.+?)\*(\d+)\}\}", lambda m: m[1] * int(m[2]), text, flags=re.S)
    simple = {b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}

    def one(match: "re.Match[bytes]") -> bytes:
        return bytes([int(match[2], 16)]) if match[2] else simple[match[1]]

    return re.sub(rb"\\(?:([nt0\\])|x([0-9a-fA-F]{2}))", one, text.encode())


def parse_blocks(text: str, source: str) -> Iterator[Script]:
    """The scripts of a text; comments begin with # at the line's start."""
    name, flags, steps = "", frozenset(), []  # type: str, frozenset, List[str]
    for line in text.splitlines() + ["[end]"]:
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        head = re.fullmatch(r"\[(.+)\]([a-z0-9\s]*)", line)
        if not head:
            steps.append(line)
            continue
        if name:
            yield Script(f"{source}/{name}", flags, tuple(steps))
        name, flags, steps = head[1], frozenset(head[2].split()), []
        assert not flags - set(FLAGS), f"unknown flags {flags} in {source}"


def load(folder: Path) -> List[Script]:
    """All scripts: *.txt as they are, *.py by their blocks() function; names are unique."""
    found: List[Script] = []
    for path in sorted(folder.glob("*.txt")):
        found += parse_blocks(path.read_text(encoding="utf-8"), path.stem)
    for path in sorted(folder.glob("*.py")):
        space: dict = {"__name__": path.stem}
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), space)
        found += parse_blocks("\n".join(space["blocks"]()), path.stem)
    names: Set[str] = set()
    exchanges: Set[tuple] = set()
    for script in found:
        assert script.name not in names, f"two scripts are called {script.name}"
        assert (script.flags, script.steps) not in exchanges, f"{script.name} repeats another"
        names.add(script.name)
        exchanges.add((script.flags, script.steps))
    return found


# -- One step to bytes ----------------------------------------------------------------------------

def _numbers(field: bytes) -> List[int]:
    return [int(each) for each in field.split(b";") if each.strip()]


def _values(field: bytes) -> List[Optional[bytes]]:
    if not field:
        return []
    return [None if each.strip() == b"NULL" else each.strip(b" ") for each in field.split(b";")]


def _startup(fields: List[bytes]) -> bytes:
    pairs = [tuple(each.strip().split(b"=", 1)) for each in fields[1].split(b";") if each.strip()]
    version = fields[0].decode()
    number = VERSIONS.get(version)
    if number is None:
        major, minor = version.split(".")
        number = int(major) << 16 | int(minor)
    return pgwire.startup(pairs, number)


def _field(fields: List[bytes], index: int) -> bytes:
    return fields[index] if index < len(fields) else b""


def _named(build: Callable) -> Callable[[List[bytes]], bytes]:
    def one(fields: List[bytes]) -> bytes:
        kind, _, name = fields[0].partition(b" ")
        return build(kind, name)
    return one


BUILDERS: dict = {
    "query": lambda f: pgwire.query(f[0]),
    "parse": lambda f: pgwire.parse(f[0], f[1], _numbers(_field(f, 2))),
    "bind": lambda f: pgwire.bind(f[0], _field(f, 1), _values(_field(f, 2)),
                                  _numbers(_field(f, 3)), _numbers(_field(f, 4))),
    "describe": _named(pgwire.describe),
    "close": _named(pgwire.close),
    "execute": lambda f: pgwire.execute(f[0], int(_field(f, 1) or 0)),
    "function": lambda f: pgwire.function_call(int(f[0]), _values(_field(f, 1)),
                                               _numbers(_field(f, 2)), int(_field(f, 3) or 0)),
    "sync": lambda f: pgwire.sync(),
    "flush": lambda f: pgwire.flush(),
    "copydata": lambda f: pgwire.copy_data(f[0]),
    "copydone": lambda f: pgwire.copy_done(),
    "copyfail": lambda f: pgwire.copy_fail(f[0]),
    "terminate": lambda f: pgwire.terminate(),
    "message": lambda f: pgwire.message(f[0], _field(f, 1)),
    "header": lambda f: pgwire.message(f[0], _field(f, 2), int(f[1])),
    "bytes": lambda f: f[0],
    "startup": _startup,
    "sslrequest": lambda f: pgwire.request(pgwire.SSL_CODE),
    "gssrequest": lambda f: pgwire.request(pgwire.GSS_CODE),
}


class Runner:
    """Runs one script on one connection and keeps the transcript."""

    def __init__(self, wire: Wire, other: Callable[[str], None],
                 tls: Callable[[Wire], None]) -> None:
        self.wire, self.other, self.tls = wire, other, tls
        self.output: List[bytes] = []
        self.transcript: List[tuple] = []
        self.closed = False

    def run(self, script: Script) -> List[tuple]:
        try:
            if "tls" in script.flags:
                for step in ("sslrequest", "byte", "handshake"):
                    self.step(step)
            if "raw" not in script.flags:
                self.step("startup 3.0 | user=trusty ; database=app")
                self.step("ready")
            for step in script.steps:
                self.step(step)
            self.output.append(pgwire.terminate())
            self.step("closed")
        except ServerClosed:
            self.transcript.append(("closed",))
        except TimeoutError:
            self.transcript.append(("timeout",))
        return self.transcript

    def _send(self) -> None:
        data, self.output = b"".join(self.output), []
        try:
            self.wire.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # what was said before the other side closed is still to be read

    def _keep(self, message: Message) -> None:
        self.transcript.append(pgwire.decode(message))

    def _until(self, types: str, count: int) -> None:
        while count:
            message = self.wire.read()
            self._keep(message)
            count -= message.type in types

    def _drain(self, milliseconds: int) -> None:
        self.wire.socket.settimeout(milliseconds / 1000)
        try:
            while True:
                self._keep(self.wire.read())
        except TimeoutError:
            self.wire.socket.settimeout(15)

    def step(self, step: str) -> None:
        """One line: a message is collected, anything that reads sends what was collected."""
        verb, _, rest = step.partition(" ")
        if verb == "repeat":
            count, _, inner = rest.partition("|")
            for _ in range(int(count)):
                self.step(inner.strip())
            return
        if verb in BUILDERS:
            fields = [unescape(each.strip()) for each in DIVIDER.split(rest)]
            self.output.append(BUILDERS[verb](fields))
            return
        self._send()
        if verb == "ready":
            self._until("Z", int(rest or 1))
        elif verb == "until":
            types, _, count = rest.partition(" ")
            self._until(types, int(count or 1))
        elif verb == "closed":
            self._until("", -1)
        elif verb == "drain":
            self._drain(int(rest))
        elif verb == "byte":
            self.transcript.append(("byte", self.wire.read_bytes(1)))
        elif verb == "handshake":
            self.tls(self.wire)
        elif verb == "pause":
            time.sleep(int(rest) / 1000)
        elif verb == "halfclose":
            self.wire.half_close()
        elif verb == "other":
            self.other(rest)
        elif verb != "send":
            raise ValueError(f"unknown step: {step}")
