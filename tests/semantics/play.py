"""Plays cases and judges them: the play's own demands, then PostgreSQL's transcript."""

import signal
import threading
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Dict, Iterable, Iterator, List, Optional

from lib.pgwire import ServerClosed, WireError
from semantics.case import Case
from semantics.client import Closed, Unanswered
from semantics.stage import Dead, Lab, Mismatch, Stage, Target, prepare
from semantics.transcript import difference, fixed

DEAD_CASES = 3  # so many in a row find the proxy dead: the rest is not tried
CASE_SECONDS = 20.0  # the hard limit of one play, unless its case says otherwise


class TooLong(Exception):
    """The play's hard limit passed."""


@dataclass
class Outcome:
    """What one play of a case came to."""

    failure: Optional[str]
    transcripts: Dict[str, List[tuple]]
    seconds: float
    dead: bool = False


@dataclass
class Verdict:
    """Whether a case passed, why not, and where the transcripts part."""

    case: Case
    failure: Optional[str] = None
    difference: List[str] = field(default_factory=list)
    seconds: float = 0.0
    dead: bool = False  # the proxy served nobody before the case began

    @property
    def passed(self) -> bool:
        return self.failure is None


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Raise TooLong in the block after so many seconds (main thread only)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise TooLong(f"not done after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def play(case: Case, lab: Lab, target: Target, seconds: float = CASE_SECONDS) -> Outcome:
    """Run a case's script once; failures of any kind become words."""
    start, stage, failure, dead = time.monotonic(), None, None, False
    try:
        with limit(max(seconds, case.timeout)):
            stage = prepare(lab, target, case)
            case.play(stage)
    except (Mismatch, Unanswered, Closed, TooLong) as error:
        failure, dead = str(error), isinstance(error, Dead)
    except (WireError, ServerClosed, OSError) as error:
        failure = f"{type(error).__name__}: {error}"
    except Exception:  # pylint: disable=broad-except  # an answer of a shape no play foresees
        failure = traceback.format_exc(limit=-2)
    finally:
        _clean_up(case, lab, stage)
    transcripts = {name: [fixed(each) for each in client.transcript]
                   for name, client in stage.names.items()} if stage else {}
    return Outcome(failure, transcripts, time.monotonic() - start, dead)


def _clean_up(case: Case, lab: Lab, stage: Optional[Stage]) -> None:
    if stage is not None:
        stage.close()
    if case.teardown:
        lab.clear()
        lab.sql(case.teardown)


def comparable(case: Case, lab: Lab) -> bool:
    """Whether PostgreSQL itself can play this case."""
    return case.direct and lab.version >= case.version


def judge(case: Case, lab: Lab, direct: Target, proxy: Target,
          seconds: float = CASE_SECONDS) -> Verdict:
    """Play directly and through the proxy; `proxy` may be a second direct target."""
    expected = play(case, lab, direct, seconds) if comparable(case, lab) else None
    if expected is not None and expected.failure is not None:
        return Verdict(case, f"PostgreSQL itself: {expected.failure}")
    seen = play(case, lab, proxy, seconds)
    verdict = Verdict(case, seen.failure, [], seen.seconds, seen.dead)
    if expected is None or not case.compare:
        return verdict
    verdict.difference = difference(expected.transcripts, seen.transcripts)
    if verdict.difference and verdict.failure is None:
        verdict.failure = verdict.difference[0]
    return verdict


def judge_all(cases: Iterable[Case], lab: Lab, direct: Target, proxies: Dict[int, Target],
              seconds: float = CASE_SECONDS) -> Iterator[Verdict]:
    """Each case whose pool there is; the rest fails untried when the proxy stays dead."""
    dead = 0
    for case in cases:
        proxy = proxies.get(case.pool)
        if proxy is None or (proxy.direct and not comparable(case, lab)):
            continue
        if dead == DEAD_CASES:
            yield Verdict(case, "not tried: the proxy serves nobody any more", dead=True)
            continue
        verdict = judge(case, lab, direct, proxy, seconds)
        dead = dead + 1 if verdict.dead else 0
        yield verdict
