#!/usr/bin/env python3
"""Runs the proxies interleaved, round by round, and writes what they cost; see ./dev bench --help."""
import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import time

import report
from lab import PROXIES, Lab
from pool_scenarios import POOL_SCENARIOS
from scenarios import SCENARIOS as OWN_SCENARIOS

SCENARIOS = [*OWN_SCENARIOS, *POOL_SCENARIOS]
RESULTS = pathlib.Path(__file__).resolve().parent / "results"
QUIET_LOAD = 0.5


def parse_arguments():
    groups = sorted({scenario.group for scenario in SCENARIOS})
    parser = argparse.ArgumentParser(prog="./dev bench")
    parser.add_argument("names", nargs="*", metavar="SCENARIO", help="a scenario or a group: " + ", ".join(groups))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of each sample")
    parser.add_argument("--only", help="proxies, separated by commas")
    parser.add_argument("--postgres", action="store_true",
                        help="streams through pools only, against a real PostgreSQL")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="folder for results")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    arguments = parser.parse_args()
    chosen = [
        scenario
        for scenario in SCENARIOS
        if not arguments.names or {scenario.name, scenario.group} & set(arguments.names)
    ]
    unknown = set(arguments.names) - {word for s in SCENARIOS for word in (s.name, s.group)}
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}; --list names them")
    if arguments.postgres:
        chosen = [scenario for scenario in chosen if scenario.with_postgres]
        if not chosen:
            parser.error("none of these runs with --postgres, but only streams through pools")
    return arguments, chosen


def cpu_model():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    match = re.search(r"^model name\s*:\s*(.*)$", text, re.M)
    return match.group(1) if match else platform.machine()


def version_of(command):
    output = subprocess.run(command, capture_output=True, text=True).stdout
    return output.splitlines()[0].strip() if output else "unknown"


def describe(arguments):
    about = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{cpu_model()}, {os.cpu_count()} CPUs",
        "kernel": platform.release().split("-")[0],
        "commit": version_of(["git", "describe", "--always", "--dirty"]),
        "pgbouncer": version_of(["/usr/sbin/pgbouncer", "--version"]),
        "haproxy": version_of(["/usr/sbin/haproxy", "-v"]),
        "server": "PostgreSQL 15" if arguments.postgres else "the benchmark's own, which only answers",
        "rounds": f"{arguments.rounds} of {arguments.seconds:g} s",
        "load average at the start": f"{os.getloadavg()[0]:.2f}",
    }
    if os.getloadavg()[0] > QUIET_LOAD:
        print(f"  warning: something else runs here (load average {os.getloadavg()[0]:.2f})")
    return about


def variants_of(scenario, arguments):
    """Those that can run here: what was asked for, is built, and knows TLS where it must."""
    names = []
    for variant in scenario.variants():
        proxy = scenario.proxy_of(variant)[0]
        if arguments.only and proxy not in arguments.only.split(","):
            continue
        if proxy == "trunkline" and not PROXIES[proxy].binary.exists():
            continue
        names.append(variant)
    return names


class Progress:
    def __init__(self, total):
        self.total, self.done, self.started = total, 0, time.monotonic()

    def say(self, text):
        self.done += 1
        seconds = int(time.monotonic() - self.started)
        print(f"  [{self.done}/{self.total}, {seconds // 60}:{seconds % 60:02}] {text}", flush=True)


def run_scenario(lab, scenario, variants, arguments, progress):
    result = {"samples": {variant: [] for variant in variants}, "system_calls": {}}

    def start(variant, **more_needs):
        name, needs = scenario.proxy_of(variant)
        return PROXIES[name](lab, dataclasses.replace(needs, **more_needs))

    for round_number in range(1, arguments.rounds + 1):
        for variant, sample in scenario.measure_round(lab, start, variants, arguments.seconds):
            result["samples"][variant].append(sample)
            cost = f"{report.number(sample['cost'])} {scenario.unit}"
            progress.say(f"{scenario.name}, round {round_number}, {variant}: {cost}")
    if scenario.traced:
        for variant in variants:
            with start(variant) as proxy:
                result["system_calls"][variant] = scenario.trace(lab, proxy, variant)
    return result


def write_results(folder, about, results, sections):
    folder.mkdir(parents=True, exist_ok=True)
    machine = re.sub(r"[^a-z0-9]+", "-", about["machine"].lower()).strip("-")
    stem = f"{machine}-{datetime.datetime.now():%Y-%m-%d-%H%M}"
    (folder / f"{stem}.json").write_text(
        json.dumps({"about": about, "results": results}, indent=1, ensure_ascii=False) + "\n"
    )
    (folder / f"{stem}.md").write_text(report.document(about, sections))
    return folder / f"{stem}.md"


def main():
    arguments, chosen = parse_arguments()
    if arguments.list:
        for scenario in SCENARIOS:
            print(f"{scenario.group:8} {scenario.name:23} {scenario.title}")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    about = describe(arguments)
    plan = [(scenario, variants_of(scenario, arguments)) for scenario in chosen]
    plan = [(scenario, variants) for scenario, variants in plan if variants]
    if not plan:
        raise SystemExit("bench: nothing to run: is build/release/trunkline built?")
    progress = Progress(sum(len(variants) for _, variants in plan) * arguments.rounds)
    results, sections = {}, []
    lab = Lab(arguments.postgres)
    try:
        for scenario, variants in plan:
            results[scenario.name] = run_scenario(lab, scenario, variants, arguments, progress)
            sections.append(report.section(scenario, results[scenario.name]))
            print("\n" + sections[-1], flush=True)
        sections.append(report.limits_section(chosen, results))
        print("\n" + sections[-1], flush=True)
    finally:
        lab.close()
        if results:
            print(f"written: {os.path.relpath(write_results(arguments.output, about, results, sections))}")


if __name__ == "__main__":
    main()
