"""Cases and their registry: a row of the table, a name, and a script that plays with clients."""

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Callable, Dict, List, Optional

ROWS = {
    "A": "protocol 3.2 with a long cancel key",
    "B": "unknown _pq_ startup options",
    "C": "several Syncs in one write",
    "D": "the unnamed statement",
    "E": "one statement name in two clients",
    "F": "SQL PREPARE, EXECUTE, DEALLOCATE",
    "G": "DEALLOCATE ALL, then an old name",
    "H": "SET, RESET ALL: isolated and kept",
    "H2": "SET TimeZone",
    "H3": "SET in blocks, SET LOCAL, set_config(), roles",
    "I": "LISTEN and NOTIFY",
    "J": "client vanishes inside a transaction",
    "K": "client vanishes while its query runs",
    "L": "client vanishes in mid-result",
    "M": "session advisory locks",
    "N": "error inside a pipeline",
    "O": "portal suspension",
    "Q": "currval() and lastval()",
    "R": "RESET and DISCARD after startup parameters",
    "S": "setseed() and random()",
    "S2": "startup settings, unknown and not canonical",
    "S3": "settings only a new backend can take",
    "S4": "ALTER ROLE/DATABASE … SET between logins",
    "S5": "one text under two search paths",
    "T": "temporary tables, functions, types",
    "W": "cursors WITH HOLD",
    "Y": "BEGIN, a syntax error, ROLLBACK",
    "U": "very long queries and rows",
    "V": "thousands of batches; much data both ways",
    "X": "COPY that fails half-way, late CopyData",
    "Z": "server ends an idle connection",
}


@dataclass(frozen=True)
class Case:
    """One check. `play` runs with a Stage, against PostgreSQL and against the proxy alike."""

    row: str
    name: str
    play: Callable
    pool: int = 1  # how many server connections the proxy may have
    direct: bool = True  # False: makes sense only through a proxy
    compare: bool = True  # the transcripts must equal PostgreSQL's
    version: int = 0  # the PostgreSQL that direct runs need at least; older: not compared
    heavy: bool = False  # hundreds of megabytes
    made: bool = False  # one of a product of ways and places
    setup: str = ""  # SQL of the administrator before the play
    teardown: str = ""
    timeout: float = 0.0  # seconds, 0 for the runner's

    @property
    def title(self) -> str:
        return f"{self.row}: {self.name}"


_cases: Dict[str, Case] = {}


def add(case: Case) -> None:
    assert case.row in ROWS, f"there is no row {case.row}"
    assert case.title not in _cases, f"two cases are called {case.title}"
    _cases[case.title] = case


def case(row: str, name: str, **more) -> Callable:
    """Decorator: the function is the play of one case."""
    def register(play: Callable) -> Callable:
        add(Case(row, name, play, **more))
        return play
    return register


def load(only: Optional[List[str]] = None) -> List[Case]:
    """Every case of semantics/rows in the table's order, or those of some rows."""
    package = importlib.import_module("semantics.rows")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"semantics.rows.{module.name}")
    order = {row: number for number, row in enumerate(ROWS)}
    chosen = [each for each in _cases.values() if not only or each.row in only]
    return sorted(chosen, key=lambda each: order[each.row])
