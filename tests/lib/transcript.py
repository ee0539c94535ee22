"""What two runs of one script may differ in. Everything else must be equal, byte for byte."""

import re
from typing import List

from lib.script import Script

# Printed at the end of a run; each is applied to both sides.
NORMALISATIONS = [
    "BackendKeyData: pid and key, not the length of the key (the proxy issues its own keys)",
    "NotificationResponse: the pid of the notifying session",
    "RowDescription: OIDs of tables and types above 16383 (made per database)",
    "ErrorResponse and NoticeResponse: the number in pg_temp_N, `PID N` and `Process N`, "
    "the server's WAL position",
    "ParameterStatus at login: sorted by name (PostgreSQL fixes no order)",
    "blocks marked `framing`: errors 08P01 and 08006 right before the close (PostgreSQL mostly "
    "closes without a word, the proxy says why)",
    "blocks marked `own`: fields F, L and R of errors (the proxy refuses in PostgreSQL's words, "
    "but has no line of PostgreSQL's source to name)",
    "the end of the connection: FIN and RST are the same",
]
FIRST_NORMAL_OID = 16384


VOLATILE = r"(pg_temp_|PID |[Pp]rocess |position of this server )[0-9A-F]+(?:/[0-9A-F]+)?"


def _oid(value: int) -> object:
    return "oid" if value >= FIRST_NORMAL_OID else value


def stable_fields(message: tuple) -> tuple:
    """A message without what differs between two runs: pids, keys, OIDs of user objects."""
    kind, fields = message
    if kind == "K":
        return (kind, ("pid", len(fields[1])))
    if kind == "A":
        return (kind, ("pid",) + fields[1:])
    if kind == "T":
        return (kind, tuple((name, _oid(table), column, _oid(type_), size, modifier, form)
                            for name, table, column, type_, size, modifier, form in fields))
    if kind in "EN":
        return (kind, tuple((code, re.sub(VOLATILE, r"\1N", text))
                            for code, text in fields))
    return message


def _is_violation(message: tuple) -> bool:
    return message[0] == "E" and dict(message[1])["C"] in ("08P01", "08006")


def without_source(message: tuple) -> tuple:
    """An error without the file, line and routine of PostgreSQL's source."""
    if message[0] != "E":
        return message
    return ("E", tuple((code, text) for code, text in message[1] if code not in "FLR"))


def normalise(script: Script, transcript: List[tuple]) -> List[tuple]:
    """A transcript without what may differ."""
    found = [stable_fields(message) if len(message) == 2 and message[0] != "byte" else message
             for message in transcript]
    first_ready = next((i for i, message in enumerate(found) if message[0] == "Z"), len(found))
    login = [i for i, message in enumerate(found[:first_ready]) if message[0] == "S"]
    for index, message in zip(login, sorted(found[i] for i in login)):
        found[index] = message
    if "own" in script.flags:
        found = [without_source(message) for message in found]
    if "framing" in script.flags and found[-1:] == [("closed",)]:
        while len(found) > 1 and _is_violation(found[-2]):
            del found[-2]
    return found
