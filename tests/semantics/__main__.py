"""python3 -m semantics: the suite against a proxy that is running, or that it starts itself."""

import argparse
import sys
import time
from typing import Dict, List, Tuple

from semantics import report, start
from semantics.case import ROWS, Case, load
from semantics.play import CASE_SECONDS, Verdict, judge_all
from semantics.stage import Lab, Target


def _address(text: str) -> Tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="semantics", description=__doc__)
    parser.add_argument("--proxy", type=_address, metavar="HOST:PORT",
                        help="transaction pooling with one server connection")
    parser.add_argument("--proxy2", type=_address, metavar="HOST:PORT",
                        help="the same with two; without it cases that need two are left out")
    parser.add_argument("--direct", type=_address, metavar="HOST:PORT",
                        help="the PostgreSQL behind the proxy; objects are created in --database")
    parser.add_argument("--start", choices=["pgbouncer", "trunkline", "direct"],
                        help="start PostgreSQL and both proxies here; direct: no proxy, which "
                        "tests the expectations")
    parser.add_argument("--postgres", type=int, choices=[15, 18], default=15,
                        help="the version that --start starts (default 15)")
    parser.add_argument("--user", default=start.USER, help="cases log in so (default trusty), "
                        "without a password; its backends are ended between cases")
    parser.add_argument("--database", default=start.DATABASE)
    parser.add_argument("--admin", default="postgres", help="a superuser, without a password")
    parser.add_argument("--only", action="append", metavar="ROW", choices=list(ROWS))
    parser.add_argument("--match", default="", metavar="TEXT", help="cases with TEXT in the title")
    parser.add_argument("--heavy", action="store_true", help="also 64 MiB queries, 500 MiB rows")
    parser.add_argument("--timeout", type=float, default=CASE_SECONDS, metavar="SECONDS",
                        help="the hard limit of one case (default %(default).0f)")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--verbose", action="store_true", help="show where transcripts differ")
    parser.add_argument("--list", action="store_true", help="print the cases and end")
    found = parser.parse_args()
    if not found.list and not found.start and not (found.direct and (found.proxy or found.proxy2)):
        parser.error("--start, or --direct and --proxy or --proxy2, is needed")
    return found


def chosen_cases(options: argparse.Namespace) -> List[Case]:
    return [each for each in load(options.only)
            if options.match in each.title and (options.heavy or not each.heavy)]


def run(cases: List[Case], lab: Lab, direct: Target, proxies: Dict[int, Target],
        options: argparse.Namespace) -> List[Verdict]:
    """Every case whose pool there is; failures are printed as they come."""
    verdicts: List[Verdict] = []
    for verdict in judge_all(cases, lab, direct, proxies, options.timeout):
        verdicts.append(verdict)
        if not verdicts[-1].passed:
            report.print_failure(verdicts[-1], options.verbose)
    return verdicts


def _targets(options: argparse.Namespace, site: start.Site) -> Tuple[Target, Dict[int, Target]]:
    assert site.cluster is not None
    direct = Target("PostgreSQL", (site.cluster.host, site.cluster.port), direct=True)
    if options.start == "direct":
        return direct, {1: direct, 2: direct}
    return direct, site.proxies(options.start)


def _given(options: argparse.Namespace) -> Tuple[Target, Dict[int, Target]]:
    found = {1: options.proxy, 2: options.proxy2}
    return Target("PostgreSQL", options.direct, direct=True), {
        size: Target("proxy", address) for size, address in found.items() if address}


def main() -> int:
    options = _arguments()
    cases = chosen_cases(options)
    if options.list:
        print("\n".join(f"{each.title} (pool of {each.pool})" for each in cases))
        return 0
    site = start.Site(options.postgres) if options.start else None
    began = time.monotonic()
    try:
        direct, proxies = _targets(options, site) if site else _given(options)
        lab = Lab(direct.address, options.user, options.database, options.admin)
        verdicts = run(cases, lab, direct, proxies, options)
        lab.close()
    except start.Refused as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        if site:
            site.stop()
    report.print_table(verdicts)
    name = start.pgbouncer_version() if options.start == "pgbouncer" else options.start or "proxy"
    print(f"    {name}, PostgreSQL {lab.version}, {time.monotonic() - began:.0f} s")
    if options.json:
        report.write_json(options.json, verdicts, {"proxy": name, "postgres": lab.version})
    return 0 if report.passed(verdicts) == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
