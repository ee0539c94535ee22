"""Takes a world that shows a difference apart until nothing more can be left out.

A world is a list of actions here, in the order of its turns: what goes is a piece of that list. The
difference must stay the same by its signature, else every shrink would end at the commonest one.
"""

from typing import (Awaitable, Callable, Iterator, List, NamedTuple, Optional, Sequence,
                    Tuple)

from model.arena import AdminError, Arena
from model.compare import Difference
from model.steps import Script, Step, World

Fails = Callable[[World], Awaitable[bool]]


class Action(NamedTuple):
    """A client's login (no step) or one of its steps."""

    slot: int
    step: Optional[Step] = None


def actions_of(world: World) -> List[Action]:
    """All actions in the order in which they start."""
    steps = {script.slot: iter(script.steps) for script in world.scripts}
    in_turn, seen = list(world.turns), set()
    for script in world.scripts:  # what the turns forgot comes last
        in_turn += [script.slot] * (len(script.steps) + 1 - world.turns.count(script.slot))
    found = []
    for slot in in_turn:
        if slot not in seen:
            seen.add(slot)
            found.append(Action(slot))
            continue
        step = next(steps[slot], None)
        if step is not None:
            found.append(Action(slot, step))
    return found


def world_of(world: World, actions: List[Action]) -> World:
    """The opposite; a client without a step is gone."""
    scripts = []
    for script in world.scripts:
        steps = tuple(each.step for each in actions if each.slot == script.slot and each.step)
        if steps:
            scripts.append(Script(script.slot, script.parameters, steps))
    present = {script.slot for script in scripts}
    return World(world.seed, tuple(scripts),
                 tuple(each.slot for each in actions if each.slot in present))


# -- What may be tried, largest pieces first ------------------------------------------------------

def without_clients(world: World) -> Iterator[World]:
    for script in world.scripts:
        yield world_of(world, [each for each in actions_of(world) if each.slot != script.slot])


def without_pieces(world: World) -> Iterator[World]:
    """Runs of steps of one client, then of all in their order: halves, quarters, …, single ones."""
    actions = actions_of(world)
    places = [place for place, each in enumerate(actions) if each.step]
    groups = [[place for place in places if actions[place].slot == script.slot]
              for script in world.scripts] + [places]
    for group in groups:
        size = len(group) // 2
        while size:
            for start in range(0, len(group), size):
                gone = set(group[start:start + size])
                yield world_of(world, [each for place, each in enumerate(actions)
                                       if place not in gone])
            size //= 2


def pieces_of(step: Step) -> Iterator[Tuple[int, int]]:
    """What may go from a write: whole statements, and messages, but no Bind whose Execute stays."""
    kinds = "".join(each[0] for each in step.operations)
    for first, kind in enumerate(kinds):
        if kind in "PB":
            last = first + 1
            until = "PSQ" if kind == "P" else "PBSQ"
            while last < len(kinds) and kinds[last] not in until:
                last += 1
            yield first, last
        if kind != "B":
            yield first, first + 1


def without_operations(world: World) -> Iterator[World]:
    """Single messages; a step keeps something that is answered."""
    actions = actions_of(world)
    for place, (slot, step) in enumerate(actions):
        if step is None or len(step.operations) < 2:
            continue
        for first, last in pieces_of(step):
            left = step._replace(operations=step.operations[:first] + step.operations[last:])
            if left.answers() or left.until or left.end:
                yield world_of(world, actions[:place] + [Action(slot, left)] + actions[place + 1:])


def without_parameters(world: World) -> Iterator[World]:
    for at, script in enumerate(world.scripts):
        for gone in range(len(script.parameters)):
            left = script._replace(parameters=script.parameters[:gone]
                                   + script.parameters[gone + 1:])
            yield world._replace(scripts=world.scripts[:at] + (left,) + world.scripts[at + 1:])


def switches(world: World) -> int:
    """How often the turn passes to another client."""
    return sum(one != two for one, two in zip(world.turns, world.turns[1:]))


def in_fewer_turns(world: World) -> Iterator[World]:
    """Each action next to the one before it of the same client, or to the one after it."""
    actions = actions_of(world)
    for place, each in enumerate(actions):
        others = [at for at, other in enumerate(actions) if other.slot == each.slot and at != place]
        for target in ([at + 1 for at in others if at < place][-1:]
                       + [at - 1 for at in others if at > place][:1]):
            moved = actions[:place] + actions[place + 1:]
            moved.insert(target, each)
            found = world_of(world, moved)
            if switches(found) < switches(world):
                yield found


PASSES = (without_clients, without_pieces, without_operations, without_parameters, in_fewer_turns)


async def shrink(world: World, fails: Fails) -> World:
    """The smallest world found that still fails; each pass starts again after each success."""
    before: Optional[World] = None
    while before != world:
        before = world
        for each in PASSES:
            world = await _exhaust(each, world, fails)
    return world


async def _exhaust(propose: Callable[[World], Iterator[World]], world: World,
                   fails: Fails) -> World:
    while True:
        for smaller in propose(world):
            if smaller.scripts and smaller != world and await fails(smaller):
                world = smaller
                break
        else:
            return world


# -- Against servers ------------------------------------------------------------------------------

def signature(found: Difference) -> Tuple[str, ...]:
    """What makes two differences the same: the feature and the first messages that differ."""
    sides = []
    place = next((at for at, (one, two) in enumerate(zip(found.direct, found.proxied))
                  if one != two), min(len(found.direct), len(found.proxied)))
    for side in (found.direct, found.proxied):
        message = side[place] if place < len(side) else ("nothing",)
        fields = dict(message[1]) if message[0] in ("E", "N") else {}
        sides.append(message[0] + fields.get("C", ""))
    return (found.feature, *sides)


class Shrinker:
    """Asks an arena whether a world still shows the difference; `tries`: it comes and goes."""

    def __init__(self, arena: Arena, wanted: Tuple[str, ...], tries: int = 1,
                 tell: Callable[[str], None] = lambda _: None,
                 before: Sequence[World] = ()) -> None:
        self.arena, self.wanted, self.tries, self.tell = arena, wanted, tries, tell
        self.before = before
        self.asked = 0

    async def fails(self, world: World) -> bool:
        self.asked += 1
        for _ in range(self.tries):
            try:
                found = await self.arena.examine(world, True, self.before)
                if found is not None and signature(found) == self.wanted:
                    steady = await self.arena.steady(world.script(found.slot))
                    if steady:
                        self.tell(f"{len(world.scripts)} clients, {len(world.turns)} actions")
                    return steady
            except AdminError:  # a script that has no end when it is alone
                return False
        return False

    async def run(self, world: World) -> World:
        return await shrink(world, self.fails)


async def shrink_in(arena: Arena, world: World, tell: Callable[[str], None] = lambda _: None,
                    before: Sequence[World] = ()) -> Optional[World]:
    """The smallest world with the difference of this one; None when it does not come again.

    The worlds `before` are played first each time, and stay as they are.
    """
    found = None
    seen = 0
    for _ in range(4):
        again = await arena.examine(world, True, before)
        if again is not None and (found is None or signature(again) == signature(found)):
            found, seen = again, seen + 1
    if found is None:
        return None
    shrinker = Shrinker(arena, signature(found), 1 if seen == 4 else 4, tell, before)
    smallest = await shrinker.run(world)
    tell(f"{shrinker.asked} worlds were tried")
    return smallest
