"""Many clients over few server connections: Trunkline's transaction pools and PgBouncer's."""
import dataclasses
import statistics
import time

from lab import Needs
from scenarios import IDLE_SESSIONS, Limit, Memory, Stream, Workers, pss_kb

OWN = "trunkline, own settings"
SESSION = "pgbouncer, session mode"
MANY_SLICE_S = 0.5  # 1,000 clients that start at once are no stream yet
STATEMENTS = 20


@dataclasses.dataclass(frozen=True)
class Pooled(Stream):
    """Transactions of one statement. With own settings every client has a work_mem that no other
    has: Trunkline keeps it. PgBouncer cannot in transaction mode, so its clients set it again in
    each transaction, which is a round trip more. Nor can PgBouncer 1.18 pool prepared statements:
    it is given session mode and as many server connections as there are clients."""

    columns: tuple = (*Stream.columns, ("tail", "p99/p50"))
    proxies: tuple = ("trunkline", "pgbouncer")
    references: tuple = ()
    mode: str = "simple"
    clients: int = 64
    connections: int = 10

    def table(self):
        """Of each variant: the proxy, its mode, and who sets the own settings when."""
        if self.mode == "prepared":
            return {
                "trunkline": ("trunkline", "transaction", "none"),
                OWN: ("trunkline", "transaction", "session"),
                SESSION: ("pgbouncer", "session", "none"),
                f"{SESSION}, own settings": ("pgbouncer", "session", "session"),
            }
        return {
            "trunkline": ("trunkline", "transaction", "none"),
            OWN: ("trunkline", "transaction", "session"),
            "pgbouncer": ("pgbouncer", "transaction", "none"),
            "pgbouncer, SET in each": ("pgbouncer", "transaction", "transaction"),
        }

    def variants(self):
        return list(self.table())

    def proxy_of(self, variant):
        proxy, pool, _ = self.table()[variant]
        size = self.clients if pool == "session" else self.connections
        return proxy, dataclasses.replace(self.needs, pool=pool, pool_size=size)

    def load_of(self, variant):
        own_settings = self.table()[variant][2]
        return ("--mode", self.mode, "--clients", self.clients, "--own-settings", own_settings)

    def sample_of(self, slices):
        tail = statistics.median(part["p99_us"] / part["p50_us"] for part in slices)
        return super().sample_of(slices) | {"tail": tail}


@dataclasses.dataclass(frozen=True)
class PooledMemory(Memory):
    """Idle clients of a pool; then each prepares statements whose texts are those of all others."""

    columns: tuple = (
        *Memory.columns, ("prepared_kb", f"kB/session more with {STATEMENTS} prepared statements"),
    )  # fmt: skip
    proxies: tuple = ("trunkline", "pgbouncer")
    references: tuple = ("pgbouncer",)

    def while_idle(self, lab, proxy, load, sessions):
        if proxy.name != "trunkline":
            return {}  # it knows no prepared statements in transaction mode
        before_kb = pss_kb(proxy.process.pid)
        load.stdin.write("prepare\n")
        load.stdin.flush()
        lab.next_line(load)
        time.sleep(2)
        return {"prepared_kb": (pss_kb(proxy.process.pid) - before_kb) / sessions}


def pooled(mode, clients, connections):
    few, many = clients == 64, clients == 1000
    narrow = connections == 10
    limits = []
    reference = SESSION if mode == "prepared" else "pgbouncer"
    if few and narrow:
        most = {"simple": 1.00, "prepared": 0.90}.get(mode)
        limits += [Limit(most, reference)] if most else []
        limits += [Limit(1.30, "trunkline", variant=OWN)]
    if many and narrow:
        limits += [Limit(0.95, reference), Limit(3, None, key="tail")]
    name = f"pool-{mode}" + ("" if few else f"-{clients}") + ("" if narrow else f"-{connections}")
    titles = {"simple": "simple protocol", "extended": "extended protocol, unnamed statement",
              "prepared": "prepared statement"}  # fmt: skip
    return Pooled(
        name, "pool", f"{clients:,} clients over {connections} connections, {titles[mode]}",
        "µs CPU/request", references=(reference, "trunkline"), more_limits=tuple(limits), mode=mode,
        clients=clients, connections=connections, traced=few and narrow,
        # Not with a thousand backends for each PgBouncer in session mode.
        with_postgres=few or mode != "prepared",
        slice_s=MANY_SLICE_S if many else Stream.slice_s,
    )  # fmt: skip


def pooled_login(name, title, **needs):
    return Stream(
        name, "pool", title, "µs CPU/login", Needs(pool="transaction", pool_size=10, **needs),
        Limit(1.00), proxies=("trunkline", "pgbouncer"), references=("pgbouncer",),
        load=("--mode", "login", "--clients", 16),
    )  # fmt: skip


def pooled_workers(clients, limit):
    return Workers(
        f"pool-workers-{clients}", "pool",
        f"Two workers against one, {clients:,} clients over 10 connections", "µs CPU/request",
        Needs(pinned=False, pool="transaction", pool_size=10), limit, references=("one worker",),
        load=("--mode", "simple", "--clients", clients), with_postgres=True,
        slice_s=MANY_SLICE_S if clients == 1000 else Stream.slice_s, traced=False,
    )  # fmt: skip


def pooled_memory(name, title, most_kb, **needs):
    return PooledMemory(
        name, "pool", f"{IDLE_SESSIONS} idle clients of a pool{title}", "kB/session",
        Needs(pool="transaction", pool_size=10, **needs),
        more_limits=(Limit(most_kb, None), Limit(1.5, None, key="prepared_kb")),
    )  # fmt: skip


POOL_SCENARIOS = [
    *(
        pooled(mode, clients, connections)
        for clients, connections in ((64, 10), (64, 40), (1000, 10), (1000, 40))
        for mode in ("simple", "extended", "prepared")
    ),
    pooled_workers(64, None),
    pooled_workers(1000, Limit(1.05, "one worker")),
    pooled_login("pool-login-trust", "Login with trust onto a warm pool"),
    pooled_login("pool-login-scram", "Login with SCRAM onto a warm pool", scram=True),
    pooled_login("pool-login-tls", "Login with TLS and SCRAM onto a warm pool", scram=True, tls=True),
    pooled_memory("pool-memory", "", 1.5),
    pooled_memory("pool-memory-tls", " with TLS", 16, tls=True),
]  # fmt: skip
