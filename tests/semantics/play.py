"""Plays cases and judges them: the play's own demands, then PostgreSQL's transcript."""

import signal
import threading
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Optional

from lib.pgwire import ServerClosed, WireError
from semantics.case import Case
from semantics.client import Closed, Unanswered
from semantics.stage import Lab, Mismatch, Stage, Target, prepare
from semantics.transcript import difference, fixed

CASE_SECONDS = 20.0  # the hard limit of one play, unless its case says otherwise


class TooLong(Exception):
    """The play's hard limit passed."""


@dataclass
class Outcome:
    """What one play of a case came to."""

    failure: Optional[str]
    transcripts: Dict[str, List[tuple]]
    seconds: float


@dataclass
class Verdict:
    """Whether a case passed, why not, and where the transcripts part."""

    case: Case
    failure: Optional[str] = None
    difference: List[str] = field(default_factory=list)
    seconds: float = 0.0

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
        raise TooLong(f"not done after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def play(case: Case, lab: Lab, target: Target, seconds: float = CASE_SECONDS) -> Outcome:
    """Run a case's script once; failures of any kind become words."""
    start, stage, failure = time.monotonic(), None, None
    try:
        with limit(max(seconds, case.timeout)):
            stage = prepare(lab, target, case)
            case.play(stage)
    except (Mismatch, Unanswered, Closed, TooLong) as error:
        failure = str(error)
    except (WireError, ServerClosed, OSError) as error:
        failure = f"{type(error).__name__}: {error}"
    except Exception:  # pylint: disable=broad-except  # an answer of a shape no play foresees
        failure = traceback.format_exc(limit=-2)
    finally:
        _clean_up(case, lab, stage)
    transcripts = {name: [fixed(each) for each in client.transcript]
                   for name, client in stage.names.items()} if stage else {}
    return Outcome(failure, transcripts, time.monotonic() - start)


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
    verdict = Verdict(case, seen.failure, [], seen.seconds)
    if expected is None or not case.compare:
        return verdict
    verdict.difference = difference(expected.transcripts, seen.transcripts)
    if verdict.difference and verdict.failure is None:
        verdict.failure = verdict.difference[0]
    return verdict
