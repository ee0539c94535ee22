"""Transcripts of scripts that were played alone: in memory, and in a file when one is given.

PostgreSQL's answers do not depend on the proxy, so many builds can be measured against one file.
"""

import json
import pickle
import sqlite3
import zlib
from collections import OrderedDict
from hashlib import blake2b
from pathlib import Path
from typing import List, Optional, Tuple

from model.steps import Script

MOST_IN_MEMORY = 2000
WRITE_EVERY = 200


class Transcripts:
    """Of one process; several may share the file. `salt` tells what else the answers depend on."""

    def __init__(self, path: Optional[Path] = None, salt: str = "") -> None:
        self._salt = salt.encode()
        self._memory: "OrderedDict[str, tuple]" = OrderedDict()
        self._file = sqlite3.connect(path, timeout=60) if path else None
        self._unwritten: List[Tuple[bytes, bytes]] = []
        if self._file:
            self._file.execute("pragma synchronous = off")
            self._file.execute("create table if not exists played (k blob primary key, v blob)")

    def _digest(self, key: str) -> bytes:
        return blake2b(key.encode(), digest_size=16, key=self._salt[:64]).digest()

    def get(self, script: Script) -> Optional[tuple]:
        key = script.key()
        if key in self._memory:
            self._memory.move_to_end(key)
            return self._memory[key]
        if self._file is None:
            return None
        row = self._file.execute("select v from played where k = ?", [self._digest(key)]).fetchone()
        return pickle.loads(zlib.decompress(row[0])) if row else None

    def put(self, script: Script, played: tuple) -> None:
        key = script.key()
        self._memory[key] = played
        if len(self._memory) > MOST_IN_MEMORY:
            self._memory.popitem(last=False)
        if self._file is None:
            return
        self._unwritten.append((self._digest(key),
                                zlib.compress(pickle.dumps(tuple(played)), 1)))
        if len(self._unwritten) >= WRITE_EVERY:
            self.write()

    def write(self) -> None:
        """Also before the process ends. All at once: the file is locked for a moment only."""
        if self._file is not None:
            self._file.executemany("insert or replace into played values (?, ?)", self._unwritten)
            self._file.commit()
            self._unwritten.clear()


def salt_of(version: str) -> str:
    """What the answers depend on beside the script: the server's version."""
    return json.dumps([version, "schema 2"])
