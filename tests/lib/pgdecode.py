"""What a server sends, taken apart field by field as the documentation lists them."""

import struct
from typing import Callable, Dict, List, NamedTuple, Optional


class Message(NamedTuple):
    """One message of the server as it came."""

    type: str
    body: bytes

    def fields(self) -> Dict[str, str]:
        """ErrorResponse and NoticeResponse: {code: text}."""
        found = {}
        for item in self.body.split(b"\0"):
            if item:
                found[chr(item[0])] = item[1:].decode(errors="replace")
        return found

    def values(self) -> List[Optional[bytes]]:
        """DataRow: the columns."""
        reader = Reader(self.body)
        return [reader.value() for _ in range(reader.int16())]

    def sqlstate(self) -> str:
        return self.fields()["C"]


class Reader:
    """Takes a message body apart, in the order the documentation lists its fields."""

    def __init__(self, body: bytes) -> None:
        self.body, self.at = body, 0

    def take(self, size: int) -> bytes:
        piece = self.body[self.at:self.at + size]
        assert len(piece) == size, f"the message ends early: {self.body!r}"
        self.at += size
        return piece

    def int8(self) -> int:
        return self.take(1)[0]

    def int16(self) -> int:
        return struct.unpack("!H", self.take(2))[0]

    def int32(self) -> int:
        return struct.unpack("!i", self.take(4))[0]

    def string(self) -> str:
        end = self.body.index(b"\0", self.at)
        text = self.body[self.at:end].decode(errors="surrogateescape")
        self.at = end + 1
        return text

    def value(self) -> Optional[bytes]:
        size = self.int32()
        return None if size < 0 else self.take(size)

    def rest(self) -> bytes:
        piece, self.at = self.body[self.at:], len(self.body)
        return piece


def _authentication(reader: Reader) -> tuple:
    code = reader.int32()
    return (code, reader.rest())


def _row_description(reader: Reader) -> tuple:
    return tuple((reader.string(), reader.int32(), reader.int16(), reader.int32(), reader.int16(),
                  reader.int32(), reader.int16()) for _ in range(reader.int16()))


def _copy_response(reader: Reader) -> tuple:
    return (reader.int8(), tuple(reader.int16() for _ in range(reader.int16())))


def _negotiate(reader: Reader) -> tuple:
    version = reader.int32()
    return (version, tuple(reader.string() for _ in range(reader.int32())))


DECODERS: Dict[str, Callable[[Reader], tuple]] = {
    "R": _authentication, "T": _row_description, "v": _negotiate,
    "G": _copy_response, "H": _copy_response, "W": _copy_response,
    "S": lambda r: (r.string(), r.string()), "K": lambda r: (r.int32(), r.rest()),
    "Z": lambda r: (r.take(1).decode(),), "C": lambda r: (r.string(),),
    "A": lambda r: (r.int32(), r.string(), r.string()), "V": lambda r: (r.value(),),
    "t": lambda r: tuple(r.int32() for _ in range(r.int16())), "d": lambda r: (r.rest(),),
}


def decode(received: Message) -> tuple:
    """A message as (type, fields); every byte of the body must have been accounted for."""
    if received.type in "EN":
        return (received.type, tuple(sorted(received.fields().items())))
    if received.type == "D":
        return ("D", tuple(received.values()))
    reader = Reader(received.body)
    decoder = DECODERS.get(received.type)
    found = decoder(reader) if decoder else (reader.rest(),) if received.body else ()
    assert reader.at == len(received.body), f"bytes left over in {received}"
    return (received.type, found)
