"""What is measured. A sample is a dictionary of numbers; `cost` is the one that is compared."""
import contextlib
import dataclasses
import pathlib
import re
import signal
import statistics
import subprocess
import time

from lab import Needs

IDLE_SESSIONS = 5000
STORM_LOGINS = 500
STREAM_REQUESTS_PER_S = 1000
BULK_CLIENTS = 4
DESCRIPTORS_SPARE = 200
SLICE_S = 0.2


@dataclasses.dataclass(frozen=True)
class Limit:
    """What the median may be: a ratio to another variant, or a figure itself when that is None."""

    most: float
    reference: str | None = "pgbouncer"
    variant: str | None = None  # the first one
    key: str = "cost"  # of the sample, when it is no ratio


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    group: str
    title: str
    unit: str
    needs: Needs = Needs()
    limit: Limit | None = None
    proxies: tuple = ("trunkline", "pgbouncer", "haproxy", "relay")
    references: tuple = ("pgbouncer", "relay")
    traced: bool = False
    columns: tuple = (("p50_us", "p50 µs"), ("p99_us", "p99 µs"))
    more_limits: tuple = ()
    with_postgres: bool = False  # also runs against a real one

    def variants(self):
        """The names of what is compared, in the order of a round."""
        return [name for name in self.proxies if not (self.needs.tls and name == "relay")]

    def proxy_of(self, variant):
        return variant, self.needs

    def limits(self):
        return ((self.limit,) if self.limit else ()) + self.more_limits

    def measure_round(self, lab, start, variants, seconds):
        """A sample of each variant, one after the other."""
        for variant in variants:
            with start(variant) as proxy:
                yield variant, self.measure(lab, proxy, seconds)


@dataclasses.dataclass(frozen=True)
class Stream(Scenario):
    """Requests as fast as they are answered; CPU time of the proxy for each."""

    columns: tuple = (
        ("requests_per_s", "per second"), ("p50_us", "p50 µs"), ("p99_us", "p99 µs"),
        ("p999_us", "p99.9 µs"),
    )  # fmt: skip
    load: tuple = ()
    slice_s: float = SLICE_S
    scale: float = 1e3  # nanoseconds of CPU for each request to the unit of cost
    traced: bool = True

    def measure_round(self, lab, start, variants, seconds):
        """All are up and under load at once, and take turns in slices that are short against the
        moods of a shared machine; the order turns round each time, so that a drift favours none."""
        with contextlib.ExitStack() as stack:
            loads = {variant: self.start_held(lab, stack, start, variant) for variant in variants}
            slices = {variant: [] for variant in variants}
            for number in range(max(1, round(seconds / self.slice_s))):
                for variant in variants if number % 2 == 0 else reversed(variants):
                    slices[variant].append(lab.measure_held(loads[variant]))
            for load in loads.values():
                lab.release(load)
        for variant in variants:
            yield variant, self.sample_of(slices[variant])

    def load_of(self, variant):
        return self.load

    def start_held(self, lab, stack, start, variant):
        proxy = stack.enter_context(start(variant))
        arguments = [*self.load_of(variant), "--hold", "--warm-up", 0.5, "--seconds", self.slice_s]
        return lab.start_held_load(proxy, proxy.needs, arguments)

    def sample_of(self, slices):
        sample = {key: sum(part[key] for part in slices) for key in ("requests", "bytes", "seconds", "cpu_ns")}
        for key in ("p50_us", "p99_us", "p999_us"):
            sample[key] = statistics.median(part[key] for part in slices)
        sample["threads_ns"] = {
            thread: sum(part["threads_ns"].get(thread, 0) for part in slices)
            for thread in slices[-1]["threads_ns"]
        }
        sample["requests_per_s"] = sample["requests"] / sample["seconds"]
        sample["cost"] = sample["cpu_ns"] / self.done(sample) / self.scale
        sample["costs"] = [part["cpu_ns"] / self.done(part) / self.scale for part in slices]
        return sample

    def done(self, sample):
        return sample["requests"]

    def trace(self, lab, proxy, variant):
        """System calls for each request, from a short run of its own: tracing is slow."""
        arguments = [*self.load_of(variant), "--hold", "--warm-up", 0.3, "--seconds", 1]
        load = lab.start_held_load(proxy, proxy.needs, arguments)
        table = proxy.folder / "strace"
        tracer = subprocess.Popen(
            ["strace", "-c", "-f", "-o", table, "-p", str(proxy.process.pid)],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if "attached" not in tracer.stderr.readline():
            raise SystemExit("bench: strace may not attach; run as root or allow ptrace")
        sample = lab.measure_held(load)
        tracer.send_signal(signal.SIGINT)
        tracer.communicate()
        lab.release(load)  # after the tracer: the ends of connections are not of a request
        calls = {}
        for line in table.read_text().splitlines():
            match = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
            if match and match.group(2) != "total":
                calls[match.group(2)] = int(match.group(1)) / self.done(sample)
        return {"total": sum(calls.values()), **calls}


@dataclasses.dataclass(frozen=True)
class Bulk(Stream):
    """CPU seconds for each GB that reaches the client."""

    scale: float = 1.0  # nanoseconds for each byte are seconds for each GB
    traced: bool = False
    columns: tuple = (("gb_per_s", "GB/s"),)

    def sample_of(self, slices):
        sample = super().sample_of(slices)
        return {**sample, "gb_per_s": sample["bytes"] / 1e9 / sample["seconds"]}

    def done(self, sample):
        return sample["bytes"]


@dataclasses.dataclass(frozen=True)
class Workers(Stream):
    """One worker against two; the rest of the machine is shared, so only Trunkline is compared.
    Also how evenly they work, and the locks they take: those are counted in a run of their own,
    because counting costs."""

    columns: tuple = (
        *Stream.columns, ("sessions_least", "sessions of the worker with the fewest, %"),
        ("requests_least", "requests of the one with the fewest, %"), ("locks", "locks each"),
    )  # fmt: skip

    def variants(self):
        return ["two workers", "one worker"]

    def proxy_of(self, variant):
        workers = 2 if variant == "two workers" else 1
        return "trunkline", dataclasses.replace(self.needs, workers=workers)

    def measure_round(self, lab, start, variants, seconds):
        for variant, sample in super().measure_round(lab, start, variants, seconds):
            with start(variant, watched=True) as watched:
                yield variant, sample | self.watch(lab, watched)

    def watch(self, lab, proxy):
        arguments = [*self.load, "--hold", "--warm-up", 0.3, "--seconds", 1]
        load = lab.start_held_load(proxy, proxy.needs, arguments)
        # A scrape takes locks, too: none between the two readings of the counter.
        requests_before = proxy.by_worker("worker_requests_total")
        sessions = proxy.by_worker("worker_sessions")
        locks_before = proxy.locks_taken()
        sample = lab.measure_held(load)
        locks = proxy.locks_taken() - locks_before
        requests = [
            after - before
            for before, after in zip(requests_before, proxy.by_worker("worker_requests_total"))
        ]
        lab.release(load)
        return {
            "sessions_least": least_share(sessions),
            "requests_least": least_share(requests),
            "locks": locks / sample["requests"],
        }


@dataclasses.dataclass(frozen=True)
class Storm(Scenario):
    """Many logins at once beside a stream of queries at a fixed rate: what they add to its p99."""

    columns: tuple = (
        ("p50_us", "p50 µs of the stream"), ("p99_us", "p99 µs of the stream"),
        ("p99_quiet_us", "p99 µs before"), ("requests_per_s", "logins per second"),
    )  # fmt: skip

    def measure(self, lab, proxy, seconds):
        samples = proxy.folder / "samples"
        stream = lab.start_load(
            proxy, proxy.needs,
            ["--mode", "simple", "--clients", 8, "--rate", STREAM_REQUESTS_PER_S,
             "--warm-up", 0.5, "--seconds", seconds + 2, "--samples", samples],
        )  # fmt: skip
        time.sleep(2)
        # The storm's own work must not be what delays the stream: it yields to everybody.
        storm = lab.start_load(
            proxy, proxy.needs, ["--mode", "storm", "--clients", STORM_LOGINS], nice=19
        )
        storm = lab.finish_load(storm, f"{self.name} through {proxy.name}")
        lab.finish_load(stream, f"{self.name} through {proxy.name}, the stream")
        rows = [tuple(map(int, row.split())) for row in samples.read_text().splitlines()]
        before = [took for due, took in rows if due < storm["started_ns"]]
        during = [took for due, took in rows if storm["started_ns"] <= due < storm["ended_ns"]]
        if not before or not during:
            raise SystemExit("bench: the stream and the storm did not overlap; give more --seconds")
        quiet_us, p99_us = percentile(before, 0.99) / 1e3, percentile(during, 0.99) / 1e3
        return {
            "cost": (p99_us - quiet_us) / 1e3,
            "p50_us": percentile(during, 0.5) / 1e3,
            "p99_us": p99_us,
            "p99_quiet_us": quiet_us,
            "requests_per_s": storm["requests_per_s"],
            "storm": storm,
        }


@dataclasses.dataclass(frozen=True)
class Memory(Scenario):
    """The growth of the proxy's PSS by idle sessions that have asked once, for each of them."""

    columns: tuple = (("pss_before_kb", "kB of the empty proxy"), ("pss_after_kb", "kB with them"))

    def measure(self, lab, proxy, seconds):
        sessions = min(IDLE_SESSIONS, (lab.descriptors_max - DESCRIPTORS_SPARE) // 2)
        # One session first, so that what is made once is not counted.
        warm = lab.start_load(proxy, proxy.needs, ["--clients", 1, "--seconds", 0.1])
        lab.finish_load(warm, "memory")
        time.sleep(1)
        before_kb = pss_kb(proxy.process.pid)
        load = lab.start_load(proxy, proxy.needs, ["--mode", "idle", "--clients", sessions])
        if "ready" not in load.stdout.readline():
            raise SystemExit(f"bench: {sessions} sessions through {proxy.name} did not log in")
        time.sleep(2)
        after_kb = pss_kb(proxy.process.pid)
        more = self.while_idle(lab, proxy, load, sessions)
        load.communicate("done\n")
        lab.processes.remove(load)
        return more | {
            "cost": (after_kb - before_kb) / sessions,
            "sessions": sessions,
            "pss_before_kb": before_kb,
            "pss_after_kb": after_kb,
        }

    def while_idle(self, lab, proxy, load, sessions):
        """What else is measured of them."""
        return {}


def least_share(parts):
    """In percent of the whole."""
    return 100 * min(parts) / sum(parts)


def pss_kb(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.M).group(1))


def percentile(values, share):
    ordered = sorted(values)
    return ordered[int(share * (len(ordered) - 1))]


def stream(name, group, title, mode, limit, tls=False, clients=64, **more):
    return Stream(
        name, group, title, "µs CPU/request", Needs(tls=tls), limit and Limit(limit),
        load=("--mode", mode, "--clients", clients), **more,
    )  # fmt: skip


def bulk(name, title, limit, tls=False):
    return Bulk(
        name, "bulk", title, "CPU s/GB", Needs(tls=tls), Limit(limit),
        load=("--mode", "bulk", "--clients", BULK_CLIENTS),
    )  # fmt: skip


def login(name, title, needs, limit):
    return Stream(
        name, "login", title, "µs CPU/login", needs, Limit(limit, "haproxy"),
        references=("haproxy", "pgbouncer"), load=("--mode", "login", "--clients", 16),
    )  # fmt: skip


SCENARIOS = [
    stream("simple", "core", "Simple protocol, 64 clients", "simple", 1.00),
    stream("extended", "core", "Extended protocol, unnamed statement, 64 clients", "extended", None),
    stream("prepared", "core", "Prepared statement, 64 clients", "prepared", 1.00),
    stream("pipeline", "core", "Prepared, pipelined 16 deep, 64 clients", "pipeline", 0.85),
    stream("simple-tls", "tls", "Simple protocol over TLS 1.3", "simple", 0.90, tls=True),
    stream("prepared-tls", "tls", "Prepared statement over TLS 1.3", "prepared", 0.90, tls=True),
    stream("pipeline-tls", "tls", "Pipelined 16 deep over TLS 1.3", "pipeline", 0.85, tls=True),
    bulk("bulk", "Rows of 1 KiB to the client", 0.40),
    bulk("bulk-tls", "Rows of 1 KiB to the client over TLS 1.3", 0.75, tls=True),
    login("login-trust", "Login with trust, a new server connection each",
          Needs(single_use=True), 1.00),
    login("login-scram", "Login with SCRAM on both sides, a new server connection each",
          Needs(single_use=True, scram=True), 1.30),
    Storm("storm", "storm", f"{STORM_LOGINS} TLS and SCRAM logins at once beside a stream of queries",
          "ms added to p99", Needs(tls=True, scram=True), Limit(20, None),
          references=()),
    Memory("memory", "memory", f"{IDLE_SESSIONS} idle sessions", "kB/session", Needs(),
           Limit(3.0, None), references=("pgbouncer",)),
    Memory("memory-tls", "memory", f"{IDLE_SESSIONS} idle sessions with TLS", "kB/session",
           Needs(tls=True), Limit(17.0, None), references=("pgbouncer",)),
    Workers("workers", "workers", "Two workers against one, simple protocol", "µs CPU/request",
            Needs(pinned=False), Limit(1.05, "one worker"), references=("one worker",),
            load=("--mode", "simple", "--clients", 64)),
]  # fmt: skip
