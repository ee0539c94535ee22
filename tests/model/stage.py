"""Plays a world through a proxy: many clients, started in the order of the world's turns."""

import asyncio
import random
from typing import Awaitable, Callable, Dict, List, Optional

from model.client import Address, Player
from model.steps import World

# How long the next client waits for the one before it; who waits for a pooled connection is passed.
PATIENCE_SECONDS = 0.01
BETWEEN_PROBABILITY = 0.1


class Part:
    """One player and how many of its actions may start; a task of its own plays them in order."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.due = 0
        self._wake = asyncio.Event()
        self._settled: Optional[asyncio.Future] = None
        self.task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        while self.player.left():
            while not self.due:
                self._wake.clear()
                await self._wake.wait()
            await self.player.act()
            self.due -= 1
            if not self.due or self.player.over:
                self._settle()
        self._settle()

    def _settle(self) -> None:
        if self._settled is not None and not self._settled.done():
            self._settled.set_result(None)

    def allow(self, count: int = 1) -> None:
        self.due += count
        self._wake.set()

    async def turn(self, patience: float) -> None:
        """Start the next action; return when it is over, or at once for who is behind already."""
        behind = self.due > 0
        self.allow()
        if behind:
            return
        loop = asyncio.get_running_loop()
        self._settled = loop.create_future()
        alarm = loop.call_later(patience, self._settle)
        await self._settled
        alarm.cancel()
        self._settled = None


async def play(world: World, address: Address, database: str, timeout: float,
               between: Optional[Callable[[], Awaitable[None]]] = None) -> Dict[int, List[bytes]]:
    """The transcripts by slot; ends when every client has ended or given up.

    `between` runs before some of the turns, by the world's seed.
    """
    chance = random.Random(world.seed)
    parts = {script.slot: Part(Player(script, address, database, timeout))
             for script in world.scripts}
    try:
        for slot in world.turns:
            if slot in parts and not parts[slot].task.done():
                if between is not None and chance.random() < BETWEEN_PROBABILITY:
                    await between()
                await parts[slot].turn(PATIENCE_SECONDS)
        for part in parts.values():
            part.allow(len(part.player.script.steps) + 1)
        await asyncio.gather(*(part.task for part in parts.values()))
    finally:
        for part in parts.values():
            part.task.cancel()
            part.player.give_up()
    return {slot: part.player.answers for slot, part in parts.items()}
