"""How soon each feature shows a difference: worlds of one feature and what it stands on."""

from typing import Callable, Dict, List, NamedTuple, Tuple

from model import batch, grammar

ALWAYS = ("base", "extended", "transaction")
# What a feature needs beside these to be seen.
COMPANIONS: Dict[str, Tuple[str, ...]] = {
    "startup": ("settings",), "startup_any": ("settings",), "local": ("savepoint",),
    "discard": ("sequence",), "ddl": ("prepared",), "views": ("prepared", "listen", "hold"),
    "custom_exact": ("custom",), "temp_exact": ("temp",), "pipeline": ("error",)}


class Line(NamedTuple):
    """`sessions` were played when the first difference came, or in all."""

    feature: str
    sessions: int
    finding: str


def survey(plan: batch.Plan, seed: int, sessions: int, jobs: int, arenas: int,
           tell: Callable[[str], None]) -> List[Line]:
    """One run for each feature of the plan, until its first difference."""
    found = []
    for feature in plan.features:
        features = [each for each in grammar.FEATURES
                    if each in (*ALWAYS, feature, *COMPANIONS.get(feature, ()))]
        made = plan._replace(features=tuple(features), only=True)
        outcome = batch.run(made, seed, sessions, jobs, arenas, most_findings=1)
        first = outcome.findings[0] if outcome.findings else None
        if first is None:
            line = Line(feature, outcome.sessions, "no difference")
        else:
            difference = first.difference
            what = "what was left" if difference.at < 0 else f"step {difference.at}"
            line = Line(feature, outcome.sessions,
                        f"{difference.feature}, {what}, --only {','.join(features)} "
                        + first.replay(arenas))
        found.append(line)
        tell(f"{line.feature:16} {line.sessions:6} {line.finding}")
    return found
