"""What two transcripts may differ in, and where they part."""

import difflib
from typing import Dict, List

from lib.transcript import stable_fields, without_source

OID_LIMIT = 16384


def fixed(message: tuple) -> tuple:
    """A message without pids, keys, OIDs of user objects, and lines of PostgreSQL's source."""
    if message[0] == ">" or len(message) != 2:
        return message
    if message[0] == "t":
        return ("t", tuple("oid" if oid >= OID_LIMIT else oid for oid in message[1]))
    return without_source(stable_fields(message))


def _line(message: tuple) -> str:
    if message[0] == ">":
        return f"> {message[1]}"
    if message[0] in "EN":
        fields = dict(message[1])
        rest = {code: text for code, text in sorted(fields.items()) if code not in "SVCM"}
        return f"{message[0]} {fields.get('S')} {fields.get('C')} {fields.get('M')} {rest or ''}"
    return f"{message[0]} {message[1] if len(message) > 1 else ''}"[:400]


def _sorted_login(messages: List[tuple]) -> List[tuple]:
    """ParameterStatus before the first ReadyForQuery by name: PostgreSQL fixes no order."""
    found = list(messages)
    ready = next((i for i, each in enumerate(found) if each[0] == "Z"), 0)
    places = [i for i in range(ready) if found[i][0] == "S"]
    for place, message in zip(places, sorted(found[i] for i in places)):
        found[place] = message
    return found


def difference(expected: Dict[str, List[tuple]], seen: Dict[str, List[tuple]]) -> List[str]:
    """Nothing when equal; else one line that says where, and the transcripts side by side."""
    lines: List[str] = []
    for name, wanted in expected.items():
        wanted, found = _sorted_login(wanted), _sorted_login(seen.get(name, []))
        if wanted == found:
            continue
        before, after = [_line(each) for each in wanted], [_line(each) for each in found]
        if not lines:
            lines.append(_first(name, before, after))
        lines += list(difflib.unified_diff(before, after, f"{name}: PostgreSQL", f"{name}: proxy",
                                           n=4, lineterm=""))
    return lines


def _first(name: str, wanted: List[str], found: List[str]) -> str:
    """The first message in which two transcripts differ, in one line."""
    for index, line in enumerate(wanted):
        seen = found[index] if index < len(found) else "nothing"
        if seen != line:
            return f"{name}: {seen.strip()[:120]}, must be {line.strip()[:120]}"
    return f"{name}: {found[len(wanted)].strip()[:120]}, must be nothing"
