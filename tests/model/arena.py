"""Two databases, one reached straight and one through the proxy, for one world at a time.

The proxy's pool of the database belongs to this world alone, so a world can be played again. What
clients own (tables t0…, d0…, sequences s0…) is put back before each world, and looked at after it.
"""

import asyncio
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from lib import pgwire
from model.cache import Transcripts
from model.client import Address, Connection, play_alone
from model.compare import Difference, compare
from model.normalise import messages
from model.stage import play
from model.steps import Script, World

QUIET_SECONDS = 3.0
BUSY = """select (select count(*) from pg_stat_activity where datname = current_database()
  and pid <> pg_backend_pid() and xact_start is not null), (select count(*) from pg_locks
  where locktype = 'advisory' and database = (select oid from pg_database
  where datname = current_database())), (select count(*) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid()
  and backend_type = 'client backend')"""
END_ALL = """select count(pg_terminate_backend(pid, 2000)) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid()
  and backend_type = 'client backend'"""
END_IDLE = """select pg_terminate_backend(pid, 2000) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and state = 'idle'
  and backend_type = 'client backend' and state_change < clock_timestamp() - interval '5 ms'"""
LAST_KEY = 100  # what a client writes with its last breath: it may be there or not
LAST_BREATH_SECONDS = 0.02  # how long a proxy may take to pass that on


class AdminError(Exception):
    """The harness's own statement failed."""


class Admin:
    """The superuser's own connection to a database, past the proxy."""

    def __init__(self, address: Address, database: str) -> None:
        self.address, self.database = address, database
        self.connection = Connection()

    async def open(self) -> "Admin":
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self.connection, *self.address)
        self.connection.send(pgwire.startup([
            ("user", "postgres"), ("database", self.database), ("application_name", "model-admin"),
            ("lock_timeout", "2000"), ("client_min_messages", "error")]))
        await self._answer()
        return self

    async def _answer(self) -> List[Tuple[Optional[bytes], ...]]:
        found = messages(await self.connection.read(b"Z", 1, 30))
        for kind, *rest in found:
            if kind == "E" or kind.startswith("!"):
                raise AdminError(f"{self.database}: {kind} {rest}")
        return [rest[0] for kind, *rest in found if kind == "D"]

    async def rows(self, sql: str) -> List[Tuple[Optional[bytes], ...]]:
        self.connection.send(pgwire.query(sql))
        return await self._answer()

    def close(self) -> None:
        self.connection.abort(False)

    async def reset(self, scripts: Sequence[Script]) -> None:
        """The clients' tables and sequences as a script expects them."""
        parts = []
        for script in scripts:
            n = script.slot
            parts.append(f"delete from t{n}; insert into t{n} select g, 'v' || g from "
                         f"generate_series(1, 5) g; select setval('s{n}', 1, false)")
            if any(step.feature in ("ddl", "prepared", "unnamed", "multi", "pipeline", "portal")
                   for step in script.steps):
                parts.append(f"drop table if exists d{n}; create table d{n} (a int default 1); "
                             f"insert into d{n} values (1); alter table d{n} owner to model")
        await self.rows("; ".join(parts))

    async def quiet(self, gone: bool = False) -> str:
        """Wait until no transaction and no advisory lock is left, with `gone` also no session.

        Tells what is left in the end, and ends it.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + QUIET_SECONDS
        while True:
            row = (await self.rows(BUSY))[0]
            transactions, locks, sessions = (int(each or 0) for each in row)
            if not transactions and not locks and not (gone and sessions):
                return ""
            if loop.time() > deadline:
                await self.rows(END_ALL)
                return f"{transactions} transactions, {locks} advisory locks" + \
                    (f", {sessions} sessions" if gone else "")
            await asyncio.sleep(0.005)

    async def left(self, scripts: Sequence[Script]) -> Dict[int, str]:
        """What the clients' tables and sequences hold, by slot."""
        columns = []
        for script in scripts:
            columns.append(f"(select string_agg(k || '=' || coalesce(v, 'null'), ',' order by k) "
                           f"from t{script.slot} where k <> {LAST_KEY}), "
                           f"(select last_value || ' ' || is_called from s{script.slot})")
        row = (await self.rows("select " + ", ".join(columns)))[0]
        texts = [(each or b"").decode() for each in row]
        return {script.slot: f"rows {texts[2 * at]}; sequence {texts[2 * at + 1]}"
                for at, script in enumerate(scripts)}


class Played(NamedTuple):
    """All that is known of one client when a world is over."""

    answers: List[bytes]
    left: str


class Arena:
    """Used by one task; owns its two databases while it is open."""

    def __init__(self, direct: Address, proxy: Address, databases: Tuple[str, str],
                 timeout: float, transcripts: Transcripts, kill_idle: bool = False,
                 own_errors: bool = False) -> None:
        self.kill_idle, self.own_errors = kill_idle, own_errors
        self.direct_address, self.proxy_address = direct, proxy
        self.databases, self.timeout, self.transcripts = databases, timeout, transcripts
        self.admins = [Admin(direct, each) for each in databases]

    async def open(self) -> "Arena":
        for each in self.admins:
            await each.open()
        return self

    def close(self) -> None:
        for each in self.admins:
            each.close()

    async def direct(self, script: Script, again: bool = False) -> Played:
        """A script alone, from memory when it was played before and not `again`."""
        known = None if again else self.transcripts.get(script)
        if known is not None:
            return Played(*known)
        admin = self.admins[0]
        await admin.reset([script])
        answers = await play_alone(script, self.direct_address, self.databases[0], self.timeout)
        trouble = await admin.quiet(gone=True)
        if trouble:
            raise AdminError(f"a script alone left {trouble}: {script}")
        found = Played(answers, (await admin.left([script]))[script.slot])
        self.transcripts.put(script, found)
        return found

    async def end_sessions(self) -> None:
        """Close the proxy's server connections: it opens new ones when it needs them."""
        await self.admins[1].rows(END_ALL)

    async def end_idle(self) -> None:
        """Close what a proxy keeps for later, as a restart of the server or a timeout would."""
        await self.admins[1].rows(END_IDLE)

    async def proxied(self, world: World) -> Tuple[Dict[int, Played], str]:
        """A world through the proxy, and what it left open."""
        admin = self.admins[1]
        await admin.reset(world.scripts)
        answers = await play(world, self.proxy_address, self.databases[1], self.timeout,
                             self.end_idle if self.kill_idle else None)
        if any(each.steps and each.steps[-1].end and each.steps[-1].operations
               for each in world.scripts):
            await asyncio.sleep(LAST_BREATH_SECONDS)
        trouble = await admin.quiet()
        left = await admin.left(world.scripts)
        return {slot: Played(each, left[slot]) for slot, each in answers.items()}, trouble

    async def examine(self, world: World, fresh: bool = False,
                      before: Sequence[World] = ()) -> Optional[Difference]:
        """The first difference, by the order of the clients.

        `fresh`: on new server connections, or on those that the worlds `before` have used.
        """
        if fresh:
            await self.end_sessions()
        for each in before:
            await self.proxied(each)
        direct = {script.slot: await self.direct(script) for script in world.scripts}
        proxied, trouble = await self.proxied(world)
        for script in world.scripts:
            ours, theirs = direct[script.slot], proxied[script.slot]
            found = compare(script, ours.answers, theirs.answers, self.own_errors)
            if found is not None:
                return found
        for script in world.scripts:
            ours, theirs = direct[script.slot], proxied[script.slot]
            if ours.left != theirs.left:
                return Difference(script.slot, -1, "tables", [(ours.left,)], [(theirs.left,)])
        if trouble:
            return Difference(world.scripts[0].slot, -1, "left open", [("nothing",)], [(trouble,)])
        return None

    async def steady(self, script: Script) -> bool:
        """Whether the script has one transcript: alone and again, equal and without a timeout."""
        one, two = await self.direct(script), await self.direct(script, again=True)
        return compare(script, one.answers, two.answers) is None and one.left == two.left \
            and not any(each.endswith(b"!timeout") for each in two.answers)
