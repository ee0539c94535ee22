"""No password, and nothing that was answered for one, stays in the proxy's memory after a login."""

import os
import re
import time

import pytest

from conftest import listener, upstream_of
from lib.pgauth import verifier
from lib.pgwire import Wire
from lib.postgres import password_of
from lib.trunkline import client_tls, sanitized


def writable_memory(pid: int):
    """The process's own pages, mapping by mapping."""
    with open(f"/proc/{pid}/smaps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        start = end = 0
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found:
                start, end = (int(each, 16) for each in found.groups())
            elif re.match(r"[0-9a-f]+-", line):
                start = end = 0
            elif line.startswith("Rss:") and int(line.split()[1]) and start < end:
                memory.seek(start)
                try:
                    yield memory.read(end - start)
                except OSError:
                    pass  # special mappings


def found(pid: int, pattern: bytes) -> list:
    return [each for memory in writable_memory(pid) for each in re.findall(pattern, memory)]


# Answers to md5 and SCRAM, the client's to the proxy and the proxy's to the server.
PROOF = rb"md5[0-9a-f]{32}|,p=[A-Za-z0-9+/]{43}="


class Split(Wire):
    """Sends in two parts: what has come is moved when the rest comes."""

    def send(self, *pieces: bytes) -> None:
        data = b"".join(pieces)
        super().send(data[:-7])
        time.sleep(0.03)
        super().send(data[-7:])


@pytest.mark.skipif(sanitized(), reason="a sanitizer keeps what is freed, and much more")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read the memory of the proxy")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
@pytest.mark.parametrize("auth,user,method", [
    ("relay", "plain", ""), ("relay", "md5y", ""), ("relay", "alice", ""),
    ("terminate", "plain", "password"), ("terminate", "md5y", "password"),
    ("terminate", "alice", "password"), ("terminate", "alice", "scram-sha-256")])
def test_no_secret_of_a_login_stays_in_memory(proxy_factory, pg18, certificates, auth, user,
                                              method, split, tls):
    """`users` holds a verifier only: whatever is found comes from the login itself."""
    secret = password_of(user)
    stored = verifier(secret) if method != "scram-sha-256" else pg18.verifier(user)
    front = proxy_factory(upstreams={"main": upstream_of(pg18)},
                          routes=[{"upstream": "main", "auth": auth}],
                          authentication=[{"method": method or "trust"}],
                          users=[{"name": user, "password": stored}],
                          listen=listener(certificates), workers=1)
    with (Split if split else Wire)(front.host, front.port) as wire:
        if tls:
            wire.start_tls(client_tls(), "localhost")
        wire.login(user, password=secret, parameters=[("application_name", "known-to-stay")])
        assert wire.scalar("select 'also seen ' || 'by the relay'") == "also seen by the relay"
        assert found(front.pid, b"known-to-stay"), "the memory can be read"
        assert not found(front.pid, secret.encode())
        assert not found(front.pid, PROOF)
