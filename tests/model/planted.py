"""python3 -m model.planted: whether the model finds bugs that are put in on purpose; see README.md.

Each patch in planted/ is a small bug that a pooler may well have. The program is built with one of
them at a time, in a copy of the sources, and the model plays worlds until it sees a difference.
"""

import argparse
import filecmp
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, FrozenSet, Iterator, List, NamedTuple, Tuple

from lib.postgres import Cluster
from lib.trunkline import REPOSITORY
from model import batch, grammar, servers
from model.cache import salt_of
from model.compare import explain

PATCHES = Path(__file__).parent / "planted"
MOST_KNOWN = 20  # differences without a bug, before that run is given up
ONLY = re.compile(r"^Only: (.+)$", re.MULTILINE)


class Bug(NamedTuple):
    """`only`: features that every world has, with base; none: a few of all in each world."""

    path: Path
    only: Tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.path.stem


def bugs(names: Tuple[str, ...] = ()) -> List[Bug]:
    """Those whose names begin so, or all."""
    found = []
    for path in sorted(PATCHES.glob("*.patch")):
        only = ONLY.search(path.read_text(encoding="utf-8"))
        if not names or path.stem.startswith(names):
            found.append(Bug(path, tuple(only[1].split(", ")) if only else ()))
    return found


def apply(patch: Path, folder: Path, *options: str) -> None:
    """git apply, also where the folder is no repository, or within another."""
    environment = dict(os.environ, GIT_CEILING_DIRECTORIES=str(folder.parent))
    subprocess.run(["git", "apply", *options, patch], cwd=folder, check=True, env=environment)


# -- Building -------------------------------------------------------------------------------------

class Build:
    """A copy of the sources with a build folder of its own, so that little is compiled anew.

    A file that is there and the same keeps its time: the folder may be one of an earlier run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder / "source", folder / "build.log"
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"],
                                cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
        for name in filter(None, listed.split("\0")):
            ours, copy = REPOSITORY / name, self.folder / name
            if ours.is_file() and not (copy.exists() and filecmp.cmp(ours, copy, shallow=False)):
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ours, copy)
        # The same objects as ever, which a compiler cache has, and a link that takes a second.
        self.run("cmake", "--preset", "release", "-DTRUNKLINE_LTO=OFF")

    def run(self, *command: object) -> None:
        """In the copy; when it fails, all ends with what it said."""
        with self.log.open("w", encoding="utf-8") as log:
            done = subprocess.run(list(map(str, command)), cwd=self.folder, stdout=log, stderr=log,
                                  check=False)
        if done.returncode:
            sys.exit(self.log.read_text(encoding="utf-8", errors="replace")[-3000:])

    def make(self) -> None:
        """Build, and have the harness start what was built."""
        self.run(self.folder / "dev", "build", "release", "trunkline")
        os.environ["TRUNKLINE_BINARY"] = str(self.folder / "build/release/trunkline")

    @contextmanager
    def planted(self, bug: Bug) -> Iterator[None]:
        apply(bug.path, self.folder)
        try:
            self.make()
            yield
        finally:
            apply(bug.path, self.folder, "-R")


# -- Playing --------------------------------------------------------------------------------------

class Player:
    """Plays the same worlds against whatever was built last."""

    def __init__(self, folder: Path, cluster: Cluster, options: argparse.Namespace) -> None:
        self.folder, self.cluster, self.options = folder, cluster, options
        self.direct = (cluster.host, cluster.port)
        self.salt = salt_of(servers.version_of(self.direct))

    def play(self, only: Tuple[str, ...], most_findings: int = 1,
             known: FrozenSet[int] = frozenset()) -> batch.Outcome:
        """Up to so many differences, but for those in worlds of `known` seeds."""
        options = self.options
        servers.prepare(self.direct, options.arenas)
        with servers.trunkline(self.folder, self.cluster, options.pool) as proxy:
            plan = batch.Plan(self.direct, proxy, features_of(only), bool(only), options.timeout,
                              self.folder / "transcripts", self.salt, own_errors=True)
            return batch.run(plan, options.seed, options.sessions, options.jobs, options.arenas,
                             most_findings,
                             counts=lambda each: each.seed not in known and not is_slow(each))


def is_slow(finding: batch.Finding) -> bool:
    """An answer that came too late on a busy machine, and came when it was tried again."""
    return finding.after is None and ("!timeout",) in finding.difference.proxied


def features_of(only: Tuple[str, ...]) -> Tuple[str, ...]:
    """Without `sequence`: once a client has asked for currval() or lastval(), sessions of its pool
    keep their connection after whatever they write, in all later worlds; nothing is seen then.
    """
    return tuple(grammar.only_features(only) if only else
                 grammar.default_features((*grammar.NOT_YET, "sequence")))


def tell(name: str, only: Tuple[str, ...], outcome: batch.Outcome, nothing: str) -> None:
    """A line, and the differences. `?`: a race, which was lost only once."""
    first = next(iter(outcome.findings), None)
    seed, seen = (first.seed, first.difference.feature) if first else ("", nothing)
    after = {0: "", None: "?"}.get(first.after, str(first.after)) if first else ""
    print(f"{name:34} {outcome.sessions:>8}  {seed!s:>5}  {after:>5}  {seen}", flush=True)
    for each in outcome.findings:
        world = grammar.world(each.seed, features_of(only), bool(only))
        print(f"  seed {each.seed}\n{explain(world, each.difference)}", flush=True)


def search(build: Build, player: Player, wanted: List[Bug]) -> int:
    """A line for each bug; how many were not found, or found without being there."""
    failed = 0
    known: Dict[Tuple[str, ...], FrozenSet[int]] = {}
    print(f"{'bug':34} {'sessions':>8}  {'seed':>5}  after  seen in")
    build.make()
    for only in sorted({each.only for each in wanted}):
        outcome = player.play(only, MOST_KNOWN)
        tell("none, " + (", ".join(only) or "all features"), only, outcome, "nothing")
        known[only] = frozenset(each.seed for each in outcome.findings)
        failed += len(outcome.findings)
    for bug in wanted:
        with build.planted(bug):
            outcome = player.play(bug.only, known=known[bug.only])
        tell(bug.name, bug.only, outcome, "NOT FOUND")
        failed += not outcome.findings
    return failed


def arguments(argv: List[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m model.planted", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="how it begins; default: all")
    parser.add_argument("--sessions", type=int, default=2000, help="a bug must show within so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pool", type=int, default=2, help="server connections")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--arenas", type=int, default=8, help="worlds at the same time")
    parser.add_argument("--build", type=Path, metavar="FOLDER",
                        help="keep the build there for the next run; default: a temporary folder")
    parser.add_argument("--timeout", type=float, default=15.0, help="seconds for one answer")
    found = parser.parse_args(argv)
    if not bugs(tuple(found.names)):
        parser.error("there is no such bug")
    return found


def main(argv: List[str]) -> int:
    options = arguments(argv)
    with servers.folder_for_servers() as folder, \
            servers.running(servers.new_cluster(folder, 15)) as cluster:
        build = Build(options.build.resolve() if options.build else folder)
        return int(search(build, Player(folder, cluster, options), bugs(tuple(options.names))) > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
