"""Scripts by chance: what decides is the random generator alone, never an answer.

A production belongs to a feature, and a world draws a few features, so that their states meet
often. Productions of texts (texts.py) give one statement, which an envelope (wire.py) then sends
as a simple query, beside others, as extended messages, …; productions of steps give whole writes.
"""

import importlib
import random
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from model.steps import Script, Step, World, turns_of

# In the order in which a proxy may be brought up; what comes later may use what came before.
FEATURES = {
    "base": "reading and writing one's own table",
    "extended": "statements as Parse, Bind, Describe, Execute, Sync",
    "multi": "several statements in one Query",
    "transaction": "BEGIN, COMMIT, ROLLBACK, AND CHAIN, SET TRANSACTION",
    "error": "syntax errors, runtime errors, notices",
    "pipeline": "several Syncs in one write, with and without errors",
    "lexis": "comments, case, blanks, semicolons, and quotes that look like something else",
    "commit_error": "what fails at COMMIT, and what a COMMIT that fails takes back",
    "savepoint": "SAVEPOINT, ROLLBACK TO, RELEASE",
    "portal": "Execute with a row limit, continued after Flush and in later writes",
    "copy": "COPY in and out, simple and extended, failing half-way, CopyFail",
    "call": "FunctionCall",
    "unnamed": "the unnamed statement, used after its Sync",
    "prepared": "named statements of the protocol",
    "sqlprepare": "PREPARE, EXECUTE, DEALLOCATE",
    "settings": "SET, RESET, SHOW, and statements whose result depends on them",
    "local": "SET LOCAL",
    "set_config": "set_config(), session and local",
    "custom": "SET my.setting",
    "characteristics": "SET SESSION CHARACTERISTICS",
    "startup": "settings in the startup message",
    "startup_any": "settings in the startup message that PgBouncer 1.18 does not know",
    "encoding": "client_encoding",
    "role": "SET ROLE, SET SESSION AUTHORIZATION",
    "discard": "DISCARD ALL, PLANS, SEQUENCES, TEMP",
    "sequence": "nextval, currval, lastval",
    "cursor": "DECLARE in a transaction",
    "hold": "DECLARE WITH HOLD",
    "temp": "temporary tables, views, functions, types",
    "lock": "session advisory locks",
    "xactlock": "transaction advisory locks",
    "listen": "LISTEN, UNLISTEN, NOTIFY",
    "random": "setseed, then random",
    "opaque": "what functions and DO change unseen",
    "ddl": "ALTER TABLE under prepared statements",
    "vanish": "clients that close without a word: idle, in a transaction, in a query",
    "cancel": "CancelRequests, two at once, for a query that runs",
    "views": "what pg_prepared_statements, pg_cursors, pg_listening_channels tell",
    "temp_exact": "whether a session without temporary objects has the schema pg_temp",
    "custom_exact": "whether a custom setting was never set or is empty",
}
# Only when they are asked for: a cancel takes its time, and a proxy may well answer the others in
# other words.
OPTIONAL = ("cancel", "views", "temp_exact", "custom_exact")
# Those whose differences through Trunkline are known; the list is to become empty.
NOT_YET = ("opaque", "sqlprepare")
MOST_CLIENTS = 8

Text = Callable[["Draw"], str]
Steps = Callable[["Draw"], List[Step]]


class Production(NamedTuple):
    """`weight` is relative to the other productions of the world's features."""

    feature: str
    weight: float
    make: Callable


TEXTS: List[Production] = []
STEPS: List[Production] = []


def text(feature: str, weight: float = 1.0) -> Callable[[Text], Text]:
    """Registers a function that returns one statement."""
    def register(function: Text) -> Text:
        TEXTS.append(Production(feature, weight, function))
        return function
    return register


def steps(feature: str, weight: float = 1.0) -> Callable[[Steps], Steps]:
    """Registers a function that returns steps."""
    def register(function: Steps) -> Steps:
        STEPS.append(Production(feature, weight, function))
        return function
    return register


class Draw:
    """What one script's productions draw from, and the little they must know about the script."""

    def __init__(self, chance: random.Random, slot: int, features: Sequence[str],
                 focus: int = 0) -> None:
        self.chance, self.n, self.focus = chance, slot, focus
        self.features = frozenset(features)
        self.idle = True  # certainly outside of a transaction
        self.seeded = False
        self.made: Dict[str, List[str]] = {}  # what may exist by now: statements, cursors, tables
        self.arguments: Dict[str, Any] = {}  # what a statement was made for, by its name
        self.texts = [each for each in TEXTS if each.feature in self.features]
        self.steps = [each for each in STEPS if each.feature in self.features]

    def of(self, *choices):
        return self.chance.choice(choices)

    def maybe(self, probability: float) -> bool:
        return self.chance.random() < probability

    def few(self, choices: Sequence[str], count: int = 4) -> str:
        """One of a few that are the same for all clients of a world, so that they meet."""
        return self.chance.choice(random.Random(self.focus).sample(sorted(choices), count))

    def key(self) -> int:
        return self.chance.randint(1, 7)

    def number(self, last: int = 99) -> int:
        return self.chance.randint(0, last)

    def make(self, kind: str, *names: str) -> str:
        """One of `names`, which there may be from now on."""
        name = self.of(*names)
        self.made.setdefault(kind, []).append(name)
        return name

    def known(self, kind: str, *names: str) -> str:
        """Mostly one that was made lately, now and then any; empty: make one first."""
        lately = self.made.get(kind, [])[-3:]
        if self.maybe(0.15):
            return self.of(*names)
        return self.of(*lately) if lately else ""

    def _pick(self, productions: List[Production]) -> Production:
        return self.chance.choices(productions, [each.weight for each in productions])[0]

    def statement(self) -> Tuple[str, str]:
        """A statement and its feature; what a transaction leaves open is closed soon."""
        if not self.idle and "transaction" in self.features and self.maybe(0.2):
            return self.of("commit", "commit", "rollback", "end", "abort"), "transaction"
        found = self._pick(self.texts)
        sql = found.make(self)
        if "lexis" in self.features and self.maybe(0.3):
            return self.decorated(sql), "lexis"
        return sql, found.feature

    def decorated(self, sql: str) -> str:
        """The same statement to PostgreSQL, though not to who compares words."""
        quoted = any(mark in sql for mark in "'\"$")
        return self.of(
            f"/* set timezone = 5; */ {sql}", f"-- begin\n{sql}", f"\n\t {sql} ;",
            f"/* /* nested */ commit; */{sql}", f"{sql} -- ; set timezone = 5", f";{sql}",
            f"{sql};;",
            sql if quoted else sql.upper(), sql.replace(" ", "\n", 1), sql.replace(" ", "/**/", 1))

    def note_simple(self, sql: str) -> None:
        """Keep `idle` true only where it is certain, whatever the answers were."""
        if sql.lower() in ("commit", "rollback", "end", "abort"):
            self.idle = True
        else:
            self.note(sql)

    def note(self, sql: str) -> None:
        if any(word in sql.lower() for word in ("begin", "start", "chain")):
            self.idle = False

    def next_steps(self) -> List[Step]:
        """One production of steps; most of them wrap a statement."""
        return self._pick(self.steps).make(self)


def startup_parameters(draw: Draw) -> Tuple[Tuple[str, str], ...]:
    """Settings of the startup message."""
    found = {}
    if "startup" in draw.features:
        known = {"application_name": ("one", "two"), "TimeZone": ("Europe/Berlin", "UTC"),
                 "DateStyle": ("German, DMY", "SQL, MDY"), "client_encoding": ("UTF8", "LATIN1"),
                 "standard_conforming_strings": ("off", "on")}
        for name in draw.chance.sample(sorted(known), draw.chance.randint(0, 2)):
            found[name] = draw.of(*known[name])
    if "startup_any" in draw.features and draw.maybe(0.7):
        found.update([draw.of(("search_path", "sa"), ("work_mem", "2048kB"),
                              ("options", "-c enable_seqscan=off -c search_path=sb"),
                              ("extra_float_digits", "0"), ("IntervalStyle", "iso_8601"),
                              ("options", "-c ignore_system_indexes=on"))])
    if "startup_any" in draw.features and draw.maybe(0.08):
        found.update([draw.of(("work_mem", "much"), ("nosuch_setting", "1"), ("port", "1"),
                              ("options", "-c log_connections=on"), ("options", "--nosuch"))])
    return tuple(sorted(found.items()))


def script(chance: random.Random, slot: int, features: Sequence[str], length: int,
           focus: int = 0) -> Script:
    """About `length` steps, and the end of the session."""
    draw = Draw(chance, slot, features, focus)
    parameters = startup_parameters(draw)
    found: List[Step] = []
    while len(found) < length:
        found += draw.next_steps()
    return Script(slot, parameters, tuple(found + [last_step(draw)]))


def last_step(draw: Draw) -> Step:
    """Terminate, or a client that vanishes: idle, in a transaction, in a query."""
    if "vanish" not in draw.features or draw.maybe(0.4):
        return Step(end="terminate")
    queries = [("Q", f"insert into t{draw.n} values (100, 'last')"),
               ("Q", "select pg_sleep(0.05)"),
               ("Q", "select repeat('x', 1000) from generate_series(1, 3000)"),
               ("Q", f"copy t{draw.n} from stdin")]
    end = draw.of("fin", "fin", "rst", "cut", "midway")
    operations = () if end in ("fin", "rst") and draw.maybe(0.5) else (draw.of(*queries),)
    return Step(operations, "vanish", "", end)


def draw_features(chance: random.Random, enabled: Sequence[str], only: bool) -> List[str]:
    """A handful, so that their states meet; `only` takes all that are enabled."""
    if only:
        return list(enabled)
    rest = [each for each in enabled if each not in ("base", "transaction", "extended")]
    taken = set(chance.sample(rest, min(len(rest), chance.randint(2, 6))))
    return [each for each in enabled if each in taken or each not in rest
            and (each == "base" or chance.random() < 0.8)]


def interleave(chance: random.Random, scripts: Sequence[Script]) -> Tuple[int, ...]:
    """An order of all actions: single ones in turn mostly, sometimes a run of one client's."""
    left = {each.slot: turns_of([each]) for each in scripts}
    found: List[int] = []
    while left:
        slot = chance.choice(sorted(left))
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            if left[slot]:
                found.append(left[slot].pop())
        if not left[slot]:
            del left[slot]
    return tuple(found)


def load_productions() -> None:
    """They need this module, so it cannot name them at its start."""
    for name in ("model.texts", "model.states", "model.wire"):
        importlib.import_module(name)


def world(seed: int, enabled: Optional[Sequence[str]] = None, only: bool = False,
          clients: int = MOST_CLIENTS) -> World:
    """The world of a seed: the same for the same features, on every machine."""
    load_productions()
    chance = random.Random(seed)
    features = draw_features(chance, default_features() if enabled is None else enabled, only)
    count = chance.choice([2, 2, 3, 3, 4, 5, 6, 8])
    scripts = tuple(script(chance, slot, features, chance.randint(4, 18), seed)
                    for slot in range(min(count, clients)))
    return World(seed, scripts, interleave(chance, scripts))


def default_features(without: Sequence[str] = (), extra: Sequence[str] = ()) -> List[str]:
    """All but the optional ones, less `without`, plus `extra`."""
    return [each for each in FEATURES
            if each in extra or each not in OPTIONAL and each not in without]


def only_features(only: Sequence[str]) -> List[str]:
    """These and base, in the order of FEATURES."""
    return [each for each in FEATURES if each == "base" or each in only]


def by_feature(productions: List[Production]) -> Dict[str, List[Production]]:
    """For tests and the listing of what there is."""
    found: Dict[str, List[Production]] = {}
    for each in productions:
        found.setdefault(each.feature, []).append(each)
    return found
