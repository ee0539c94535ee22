"""Many worlds: processes, each with several arenas, report to the one that started them."""

import asyncio
import multiprocessing
import os
import queue
import time
from pathlib import Path
from typing import Callable, List, NamedTuple, Optional, Tuple

from model import grammar
from model.arena import AdminError, Arena
from model.cache import Transcripts
from model.client import Address
from model.compare import Difference
from model.servers import database_names
from model.steps import World


class Plan(NamedTuple):
    """What a run is about; the same for all its processes."""

    direct: Address
    proxy: Address
    features: Tuple[str, ...]
    only: bool = False  # every world uses all of `features`
    timeout: float = 15.0
    cache: Optional[Path] = None
    salt: str = ""
    clients: int = grammar.MOST_CLIENTS
    kill_idle: bool = False  # server connections, now and then
    own_errors: bool = False  # see compare()

    def world(self, seed: int) -> World:
        return grammar.world(seed, self.features, self.only, self.clients)

    def arena(self, number: int, transcripts: Optional[Transcripts] = None) -> Arena:
        return Arena(self.direct, self.proxy, database_names(number + 1)[number], self.timeout,
                     transcripts or Transcripts(self.cache, self.salt), self.kill_idle,
                     self.own_errors)


class Finding(NamedTuple):
    """`after`: how many earlier worlds it takes to see it again; None: it did not come again."""

    seed: int
    difference: Difference
    after: Optional[int] = 0

    def replay(self, arenas: int) -> str:
        """The options that show it."""
        if self.after is None:
            return f"--replay {self.seed}, which showed no difference when it was tried again"
        return f"--replay {self.seed}" + (f" --after {self.after} --arenas {arenas}"
                                          if self.after else "")


class Progress(NamedTuple):
    """How much one arena has done since its last report."""

    worlds: int = 0
    sessions: int = 0
    steps: int = 0
    finding: Optional[Finding] = None


class Outcome(NamedTuple):
    worlds: int
    sessions: int
    steps: int
    seconds: float
    findings: List[Finding]

    def rate(self) -> float:
        return self.sessions / max(self.seconds, 1e-9)


class Quota(NamedTuple):
    """Seeds first, first + stride, … until so many sessions were played."""

    first: int
    stride: int
    sessions: int


EARLIER_WORLDS = (0, 1, 3)


async def trace(plan: Plan, arena: Arena, quota: Quota, seed: int,
                found: Difference) -> Finding:
    """Whether new server connections show it too, or those that earlier worlds have used."""
    for after in EARLIER_WORLDS:
        before = [plan.world(seed - at * quota.stride) for at in range(after, 0, -1)]
        if seed - after * quota.stride < quota.first:
            break
        if await arena.examine(plan.world(seed), fresh=True, before=before) is not None:
            return Finding(seed, found, after)
    return Finding(seed, found, None)


async def run_arena(plan: Plan, number: int, quota: Quota, transcripts: Transcripts,
                    report: Callable[[Progress], None], stopped: Callable[[], bool]) -> None:
    """The worlds of a quota in one arena, one after another."""
    arena = await plan.arena(number, transcripts).open()
    seed, sessions = quota.first, quota.sessions
    try:
        while sessions > 0 and not stopped():
            world = plan.world(seed)
            try:
                found = await arena.examine(world)
            except AdminError as error:
                raise AdminError(f"in the world of seed {seed}: {error}") from error
            finding = await trace(plan, arena, quota, seed, found) if found else None
            report(Progress(1, len(world.scripts), len(world.turns), finding))
            sessions -= len(world.scripts)
            seed += quota.stride
    finally:
        arena.close()


def _process(plan: Plan, numbers: List[int], arenas: int, seed: int, sessions: int, results,
             stop) -> None:
    """One process: several arenas on one event loop."""
    def stopped() -> bool:
        return stop.is_set() or os.getppid() != parent

    async def everything() -> None:
        transcripts = Transcripts(plan.cache, plan.salt)
        await asyncio.gather(*(
            run_arena(plan, number, Quota(seed + number, arenas, -(-sessions // arenas)),
                      transcripts, results.put, stopped)
            for number in numbers))
        transcripts.write()

    parent = os.getppid()
    try:
        asyncio.run(everything())
        results.put(None)
    except BaseException as error:  # pylint: disable=broad-except
        results.put(f"{type(error).__name__}: {error}")
        raise


def run(plan: Plan, seed: int, sessions: int, jobs: int = 2, arenas: int = 8,
        most_findings: int = 5, tell: Callable[[str], None] = lambda _: None,
        counts: Callable[[Finding], bool] = lambda _: True) -> Outcome:
    """Play worlds from `seed` on; stops early once there are enough findings that count."""
    grammar.load_productions()
    context = multiprocessing.get_context("fork")
    results, stop = context.Queue(), context.Event()
    processes = [context.Process(target=_process, daemon=True, args=(
        plan, list(range(job, arenas, jobs)), arenas, seed, sessions, results, stop))
        for job in range(jobs)]
    for each in processes:
        each.start()
    started = time.monotonic()
    total = [0, 0, 0]
    findings: List[Finding] = []
    left, told = len(processes), started
    while left:
        try:
            progress = _next(results, processes)
        except RuntimeError:
            stop.set()
            raise
        if progress is None:
            left -= 1
        else:
            total = [sum(pair) for pair in zip(total, progress[:3])]
            if progress.finding and counts(progress.finding):
                findings.append(progress.finding)
                if len(findings) >= most_findings:
                    stop.set()
        if time.monotonic() - told > 10:
            told = time.monotonic()
            tell(f"{total[1]} sessions, {total[1] / (told - started):.0f} per second, "
                 f"{len(findings)} differences")
    for each in processes:
        each.join()
    return Outcome(*total, time.monotonic() - started, sorted(findings, key=lambda one: one.seed))


def _next(results, processes) -> Optional[Progress]:
    """The next report; a process that ends without its last one, or with an error, ends all."""
    while True:
        try:
            found = results.get(timeout=5)
        except queue.Empty:
            dead = [each for each in processes if each.exitcode not in (None, 0)]
            if dead:
                raise RuntimeError(f"a process ended with {dead[0].exitcode}") from None
            continue
        if isinstance(found, str):
            raise RuntimeError(found)
        return found
