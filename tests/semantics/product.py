"""Cases by product: what a client does × the way it sends it × the place where it stands.

A state has an effect (SQL by client a), what b must see of it (nothing), and what a must see
afterwards. Wanted values are texts; "!55000" is an error with that SQLSTATE; None is not stated,
so that only the comparison with PostgreSQL speaks.
"""

from dataclasses import dataclass, field
from typing import Iterable, Optional, Sequence, Tuple

from semantics.case import Case, add
from semantics.client import Answer, Client
from semantics.stage import Stage
from semantics.ways import KEPT, WAYS, Place, Way

Look = Tuple[str, Optional[str]]
LOOKS = 2  # how often b looks: a proxy may hand out its connections in turn


@dataclass(frozen=True)
class State:
    """Something a client does to its session. `undone`: what a sees when it was rolled back."""

    effect: Sequence[str]
    own: Sequence[Look]
    other: Sequence[Look] = ()
    undone: Sequence[Look] = field(default=())
    last: Sequence[str] = ()  # what a does at the end, so that nothing is pinned any longer
    pool: int = 1
    setup: str = ""
    teardown: str = ""
    before: Sequence[str] = ()  # what a and b do first


def check(client: Client, way: Way, looks: Iterable[Look]) -> None:
    """Run each look and compare with what is wanted."""
    for sql, wanted in looks:
        said = way.run(client, sql)
        if wanted is not None:
            Stage.equal(shown(said), wanted, f"{client.name}: {sql}")


def shown(said: Answer) -> Optional[str]:
    """The first column of the last row, or the error as !SQLSTATE."""
    return f"!{said.error}" if said.error else said.value


def _script(state: State, way: Way, place: Place):
    def play(stage: Stage) -> None:
        a, b = stage.clients("a", "b")
        for client in (a, b):
            for sql in state.before:
                way.run(client, sql)
        place.play(a, way, state.effect)
        for _ in range(LOOKS):
            check(b, way, state.other)
        if place.moves:
            stage.move()
        check(a, way, state.undone or state.other if place.undone else state.own)
        for sql in state.last:
            way.run(a, sql)
    return play


def product(row: str, name: str, state: State, ways: Sequence[Way] = WAYS,
            places: Sequence[Place] = KEPT) -> None:
    """Register one case for each way and place."""
    for way in ways:
        for place in places:
            pool = 2 if place.moves else state.pool
            add(Case(row, f"{name}, {way.name}, {place.name}", _script(state, way, place),
                     pool=pool, setup=state.setup, teardown=state.teardown, made=True))
