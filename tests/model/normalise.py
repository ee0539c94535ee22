"""What two transcripts of one script may differ in: numbers nobody chose. The rest is compared.

- BackendKeyData: the pid and the key, not the key's length.
- NotificationResponse: the pid becomes whether it is the one of BackendKeyData.
- RowDescription, ParameterDescription: OIDs from 16384 on, which count up per database.
- ErrorResponse, NoticeResponse: the numbers in `pg_temp_N`, `process N`, `PID N`, `transaction N`.
- ParameterStatus before the first ReadyForQuery: sorted, as PostgreSQL promises no order.
"""

import re
from typing import List, Optional

from lib.pgdecode import Message, decode
from model.client import CLOSED, REFUSED, TIMEOUT, raw_messages

FIRST_NORMAL_OID = 16384
VOLATILE = re.compile(r"(pg_temp_|pg_toast_temp_|PID |[Pp]rocess |[Tt]ransaction )\d+")
MARKS = (TIMEOUT, CLOSED, REFUSED)


def messages(data: bytes) -> List[tuple]:
    """An answer as decoded messages; a mark, or half a message, is a message of its own."""
    mark = next((each for each in MARKS if data.endswith(each)), b"")
    data = data[:len(data) - len(mark)]
    found: List[tuple] = []
    whole = 0
    for kind, body in raw_messages(data):
        found.append(decode(Message(kind, body)))
        whole += len(body) + 5
    if whole < len(data):
        found.append(("half a message", data[whole:]))
    return found + ([(mark.decode(),)] if mark else [])


def oid(value: int) -> object:
    """An OID that initdb did not fix has no name of its own."""
    return "oid" if value >= FIRST_NORMAL_OID else value


def normalised(message: tuple, pid: Optional[int]) -> tuple:
    """One message without what may differ; `pid` is what BackendKeyData told."""
    kind, fields = message[0], message[1] if len(message) > 1 else ()
    if kind == "K":
        return (kind, ("pid", len(fields[1])))
    if kind == "A":
        return (kind, ("own pid" if fields[0] == pid else "other pid",) + fields[1:])
    if kind == "T":
        return (kind, tuple((name, oid(table), column, oid(type_), size, modifier, form)
                            for name, table, column, type_, size, modifier, form in fields))
    if kind == "t":
        return (kind, tuple(oid(each) for each in fields))
    if kind in ("E", "N"):
        return (kind, tuple((code, VOLATILE.sub(r"\1N", text)) for code, text in fields))
    return message


def own_pid(login: bytes) -> Optional[int]:
    """The pid of BackendKeyData in the answer to a login."""
    return next((fields[0] for kind, *rest in messages(login) if kind == "K" for fields in rest),
                None)


def normalise_login(login: bytes) -> List[tuple]:
    """The answer to a startup message."""
    found = [normalised(each, None) for each in messages(login)]
    places = [place for place, each in enumerate(found) if each[0] == "S"]
    for place, each in zip(places, sorted(found[place] for place in places)):
        found[place] = each
    return found


def normalise(answer: bytes, pid: Optional[int]) -> List[tuple]:
    """The answer to a step."""
    return [normalised(each, pid) for each in messages(answer)]
