"""The table of results, the differences, and the same as JSON."""

import json
import sys
from typing import Dict, List, TextIO

from semantics.case import ROWS
from semantics.play import Verdict

RED, GREEN, PLAIN = "\033[31m", "\033[32m", "\033[0m"


def painted(text: str, colour: str, out: TextIO = sys.stdout) -> str:
    """With colour on a terminal, as it is elsewhere."""
    return f"{colour}{text}{PLAIN}" if out.isatty() else text


def by_row(verdicts: List[Verdict]) -> Dict[str, List[Verdict]]:
    found: Dict[str, List[Verdict]] = {}
    for verdict in verdicts:
        found.setdefault(verdict.case.row, []).append(verdict)
    return found


def passed(verdicts: List[Verdict]) -> int:
    return sum(verdict.passed for verdict in verdicts)


def print_failure(verdict: Verdict, verbose: bool) -> None:
    print(f"{painted('failed', RED)} {verdict.case.title}\n       {verdict.failure}")
    if verbose:
        for line in verdict.difference[1:]:
            colour = {"-": GREEN, "+": RED}.get(line[:1])
            print("       " + (painted(line, colour) if colour else line))


def print_table(verdicts: List[Verdict]) -> None:
    width = max(len(text) for text in ROWS.values())
    for row, found in by_row(verdicts).items():
        good = passed(found)
        colour = GREEN if good == len(found) else RED
        count = painted(f"{good:3} of {len(found):3}", colour)
        print(f"{row:3} {ROWS[row]:{width}} {count}")
    print(f"    {'all':{width}} {passed(verdicts):3} of {len(verdicts):3}")


def write_json(path: str, verdicts: List[Verdict], about: Dict[str, object]) -> None:
    rows = {row: {"what": ROWS[row], "passed": passed(found), "cases": len(found)}
            for row, found in by_row(verdicts).items()}
    cases = [{"row": each.case.row, "name": each.case.name, "pool": each.case.pool,
              "passed": each.passed, "failure": each.failure,
              "seconds": round(each.seconds, 3), "difference": each.difference}
             for each in verdicts]
    with open(path, "w", encoding="utf-8") as out:
        json.dump({**about, "passed": passed(verdicts), "of": len(verdicts), "rows": rows,
                   "cases": cases}, out, indent=1, ensure_ascii=False)
        out.write("\n")
