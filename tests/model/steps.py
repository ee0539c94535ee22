"""What a client does, as plain data: worlds can be saved, printed and taken apart.

An operation is a tuple of one protocol message, ("Q", text), ("B", portal, statement, values), …;
a step is what a client sends in one write before it reads the whole answer; a script is the
steps of one client; a world is several scripts and the order in which their steps start.
"""

import json
from typing import Dict, Iterable, List, NamedTuple, Sequence, Tuple

from lib import pgwire

Operation = tuple

_BUILDERS = {
    "Q": pgwire.query, "P": pgwire.parse, "B": pgwire.bind, "D": pgwire.describe,
    "C": pgwire.close, "E": pgwire.execute, "S": pgwire.sync, "H": pgwire.flush,
    "d": pgwire.copy_data, "c": pgwire.copy_done, "f": pgwire.copy_fail,
    "F": lambda oid, *arguments: pgwire.function_call(oid, [bytes.fromhex(each)
                                                            for each in arguments]),
}
# How a session ends: Terminate; close(); close() with RST; close() in the middle of a message, or
# once the first bytes of the answer are there.
ENDS = ("terminate", "fin", "rst", "cut", "midway")


class Step(NamedTuple):
    """One write. `until` names the message types that end the answer of a write without a Sync.

    What `joins` goes on in a pipeline without its Sync; where there is none, it is left out:
    Execute of an unnamed portal that a failed Query left in its transaction reads freed memory,
    and has crashed PostgreSQL 15. `cancel`: CancelRequests follow once the answer has begun, until
    it is there.
    """

    operations: Tuple[Operation, ...] = ()
    feature: str = "base"
    until: str = ""
    end: str = ""
    joins: bool = False
    cancel: bool = False

    def bytes(self) -> bytes:
        return b"".join(_BUILDERS[each[0]](*each[1:]) for each in self.operations)

    def answers(self) -> int:
        """How many ReadyForQuery it gets; operations are ordered so that this can be counted."""
        return sum(each[0] in "QSF" for each in self.operations)


class Script(NamedTuple):
    """One client: its place in the world (which names its tables), its startup and its steps."""

    slot: int
    parameters: Tuple[Tuple[str, str], ...] = ()
    steps: Tuple[Step, ...] = ()

    def ends(self) -> str:
        """How it ends; a script that was cut short ends with Terminate."""
        return self.steps[-1].end if self.steps and self.steps[-1].end else "terminate"

    def key(self) -> str:
        """The same for scripts that do the same."""
        return json.dumps(self)


class World(NamedTuple):
    """`turns` holds slots: the n-th occurrence of a slot starts its n-th action, login first."""

    seed: int
    scripts: Tuple[Script, ...]
    turns: Tuple[int, ...]

    def script(self, slot: int) -> Script:
        return next(each for each in self.scripts if each.slot == slot)


def step(*operations: Operation, feature: str = "base", until: str = "", end: str = "",
         joins: bool = False, cancel: bool = False) -> Step:
    return Step(tuple(operations), feature, until, end, joins, cancel)


# -- As JSON --------------------------------------------------------------------------------------

def dump(world: World) -> str:
    """One line for each step, so that a person can edit it."""
    lines = [f' "seed": {world.seed}, "turns": {json.dumps(world.turns)}, "scripts": [']
    for number, script in enumerate(world.scripts):
        lines.append(f'  {{"slot": {script.slot}, "parameters": {json.dumps(script.parameters)}, '
                     '"steps": [')
        lines.append(",\n".join("   " + json.dumps(each) for each in script.steps))
        lines.append("  ]}" + ("," if number + 1 < len(world.scripts) else ""))
    return "{\n" + "\n".join(lines) + "\n ]}\n"


def load(text: str) -> World:
    """The opposite of dump()."""
    found = json.loads(text)
    scripts = tuple(Script(each["slot"], tuple(map(tuple, each["parameters"])),
                           tuple(_load_step(one) for one in each["steps"]))
                    for each in found["scripts"])
    return World(found["seed"], scripts, tuple(found["turns"]))


def _load_step(found: Sequence) -> Step:
    operations = tuple(tuple(tuple(item) if isinstance(item, list) else item for item in each)
                       for each in found[0])
    return Step(operations, *found[1:])


# -- For people -----------------------------------------------------------------------------------

_NAMES = {"Q": "Query", "P": "Parse", "B": "Bind", "D": "Describe", "C": "Close", "E": "Execute",
          "S": "Sync", "H": "Flush", "d": "CopyData", "c": "CopyDone", "f": "CopyFail",
          "F": "FunctionCall"}


def describe_operation(operation: Operation) -> str:
    rest = " ".join(repr(each) for each in operation[1:] if each != ())
    return f"{_NAMES[operation[0]]} {rest}".strip()


def describe_step(each: Step) -> str:
    """One line: the messages of the write, and what happens to the connection then."""
    words = [describe_operation(operation) for operation in each.operations]
    return " · ".join(words + ([each.end.upper()] if each.end else []))


def describe_world(world: World) -> Iterable[str]:
    """The steps of all clients in the order in which they start."""
    done: Dict[int, int] = {}
    for slot in world.turns:
        script, at = world.script(slot), done.get(slot, 0)
        done[slot] = at + 1
        if at == 0:
            told = " ".join(f"{name}={value!r}" for name, value in script.parameters)
            yield f"  client {slot}: login {told}".rstrip()
        elif at <= len(script.steps):
            each = script.steps[at - 1]
            yield f"  client {slot} step {at} [{each.feature}]: {describe_step(each)}"


def turns_of(scripts: Iterable[Script]) -> List[int]:
    """How many actions each has, in no particular order: the login and the steps."""
    return [script.slot for script in scripts for _ in range(len(script.steps) + 1)]
