"""Finds the first difference between what PostgreSQL said and what came through the proxy."""

from difflib import SequenceMatcher
from typing import List, NamedTuple, Optional

from model.normalise import normalise, normalise_login, own_pid
from model.steps import Script, World, describe_step


class Difference(NamedTuple):
    """`at` counts the actions of a client: 0 is its login, -1 what is left when all is over."""

    slot: int
    at: int
    feature: str
    direct: List[tuple]
    proxied: List[tuple]


def without_source(direct: List[tuple], proxied: List[tuple]) -> List[tuple]:
    """`direct`, its errors without file, line and routine where the proxy's name none."""
    found = list(direct)
    for at, (one, two) in enumerate(zip(direct, proxied)):
        if one[0] == two[0] == "E" and not {"F", "L", "R"} & set(dict(two[1])):
            found[at] = ("E", tuple(each for each in one[1] if each[0] not in "FLR"))
    return found


def compare(script: Script, direct: List[bytes], proxied: List[bytes],
            own_errors: bool = False) -> Optional[Difference]:
    """Equal bytes are equal; only the others are taken apart.

    `own_errors`: the proxy may answer in PostgreSQL's words without naming a line of its source.
    """
    pids: tuple = ()
    for at in range(max(len(direct), len(proxied))):
        left, right = (each[at] if at < len(each) else b"!nothing" for each in (direct, proxied))
        if left == right:
            continue
        feature = script.steps[at - 1].feature if 0 < at <= len(script.steps) else "login"
        if at == 0:
            decoded = normalise_login(left), normalise_login(right)
        else:
            pids = pids or (own_pid(direct[0]), own_pid(proxied[0]))
            decoded = normalise(left, pids[0]), normalise(right, pids[1])
        if own_errors:
            decoded = without_source(*decoded), decoded[1]
        if decoded[0] != decoded[1]:
            return Difference(script.slot, at, feature, *decoded)
    return None


def _lines(sign: str, decoded: List[tuple]) -> List[str]:
    return [f"    {sign:11} {' '.join(str(each) for each in message)}" for message in decoded]


def explain(world: World, found: Difference) -> str:
    """The difference for people: messages both sides have are shown once."""
    script = world.script(found.slot)
    what = "what is left when all is over" if found.at < 0 else \
        f"login {dict(script.parameters)}" if not found.at else \
        describe_step(script.steps[found.at - 1])
    lines = [f"  client {found.slot} step {found.at} [{found.feature}]: {what}"]
    matcher = SequenceMatcher(None, found.direct, found.proxied, autojunk=False)
    for kind, one, one_end, two, two_end in matcher.get_opcodes():
        if kind == "equal":
            lines += _lines("", found.direct[one:one_end])
        else:
            lines += _lines("PostgreSQL:", found.direct[one:one_end])
            lines += _lines("proxy:", found.proxied[two:two_end])
    return "\n".join(lines)
