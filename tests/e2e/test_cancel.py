"""Cancel requests find their session, whatever they came over, and nobody else's.
"""

import os
import select
import subprocess
import sys
import time

import pytest

from conftest import listener, upstream_of
from lib import pgwire
from lib.pgwire import Wire, connect, send_cancel
from lib.postgres import password_of
from lib.processes import free_port, wait_until
from lib.trunkline import client_tls

SLEEPS = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"


def front_of(proxy_factory, cluster, certificates, **more):
    return proxy_factory(listen=listener(certificates), routes=[{"upstream": "main"}],
                         upstreams={"main": upstream_of(cluster, **more.pop("tls", {}))},
                         authentication=[{"method": "trust"}], **more)


def sleep_until_cancelled(cluster, wire, cancel) -> str:
    """Start a long statement, wait until the server runs it, cancel; the SQLSTATE or ''."""
    begun = time.monotonic()
    wire.send(pgwire.query("select pg_sleep(8)"))
    wait_until(lambda: cluster.scalar(SLEEPS), "the statement runs")
    cancel()
    answer = wire.read_until("Z")
    assert time.monotonic() - begun < 6 or answer[0].type != "E"
    return next((each.sqlstate() for each in answer if each.type == "E"), "")


def nobody_is_answered(wires) -> bool:
    """What wires sent goes on, also when a cancel just sent has had time to hit it."""
    return not select.select([wire.socket for wire in wires], [], [], 0.5)[0]


@pytest.mark.parametrize("version", [pgwire.VERSION_3_0, pgwire.VERSION_3_2])
@pytest.mark.parametrize("over", ["plain", "starttls", "direct"])
def test_cancel_over_everything(proxy_factory, cluster, certificates, version, over):
    front = front_of(proxy_factory, cluster, certificates)
    with connect(front, version=version) as wire:
        tls = None if over == "plain" else client_tls(alpn=["postgresql"])
        state = sleep_until_cancelled(cluster, wire, lambda: send_cancel(
            (front.host, front.port), wire.session.pid, wire.session.key, tls,
            over == "direct", "localhost" if tls else None))
        assert state == "57014"
        assert wire.scalar("select 1") == "1"


def test_cancel_of_an_encrypted_session_goes_encrypted_to_the_server(proxy_factory, new_cluster,
                                                                     certificates):
    cluster = new_cluster(18)
    cluster.set_hba(["hostnossl all trusty all reject"])
    cluster.reload()
    front = front_of(proxy_factory, cluster, certificates, tls={"mode": "require"})
    with connect(front) as wire:
        assert sleep_until_cancelled(cluster, wire, lambda: send_cancel(
            (front.host, front.port), wire.session.pid, wire.session.key)) == "57014"


@pytest.mark.parametrize("version", [pgwire.VERSION_3_0, pgwire.VERSION_3_2])
def test_a_wrong_key_cancels_nothing(proxy_factory, pg18, certificates, version):
    front = front_of(proxy_factory, pg18, certificates)
    with connect(front, version=version) as wire:
        wire.send(pgwire.query("select pg_sleep(30)"))
        wait_until(lambda: pg18.scalar(SLEEPS), "the statement runs")
        key, pid = wire.session.key, wire.session.pid
        wrong = [(pid, key[:at] + bytes([key[at] ^ 1]) + key[at + 1:]) for at in range(len(key))]
        wrong += [(pid ^ 1, key), (0, key), (pid, key + b"\0"), (pid, b"\0" * len(key))]
        wrong += [(pid, key[:4])] if len(key) > 4 else [(pid, key * 8)]
        for each in wrong[:12] + wrong[-5:]:
            send_cancel((front.host, front.port), *each)
        assert nobody_is_answered([wire])
        send_cancel((front.host, front.port), pid, key)
        assert pgwire.error_of(wire.read_until("Z")).sqlstate() == "57014"


def test_a_cancel_while_idle_does_nothing(proxy_factory, cluster, certificates):
    front = front_of(proxy_factory, cluster, certificates)
    with connect(front) as wire:
        send_cancel((front.host, front.port), wire.session.pid, wire.session.key)
        time.sleep(0.1)
        assert wire.scalar("select pg_sleep(0.2)::text || 'x'") == "x"


def test_cancels_hit_the_right_one_of_many_sessions(proxy_factory, cluster, certificates):
    front = front_of(proxy_factory, cluster, certificates)
    wires = [connect(front, version=pgwire.VERSION_3_2 if n % 2 else pgwire.VERSION_3_0)
             for n in range(20)]
    for wire in wires:
        wire.send(pgwire.query("select pg_sleep(30)"))
    wait_until(lambda: cluster.scalar(SLEEPS) >= 20, "all of them sleep")
    chosen = wires[::3]
    rest = [wire for wire in wires if wire not in chosen]
    for some in (chosen, rest):
        for wire in some:
            send_cancel((front.host, front.port), wire.session.pid, wire.session.key)
        for wire in some:
            assert "E" in [each.type for each in wire.read_until("Z")]
        assert some is rest or nobody_is_answered(rest)
    for wire in wires:
        wire.close()


def test_keys_are_unique(proxy_factory, pg18, certificates):
    front = front_of(proxy_factory, pg18, certificates)
    wires = [connect(front) for _ in range(30)]
    assert len({(wire.session.pid, wire.session.key) for wire in wires}) == 30
    for wire in wires:
        wire.close()


def test_the_key_of_a_closed_session_is_dead(proxy_factory, pg18, certificates):
    front = front_of(proxy_factory, pg18, certificates)
    with connect(front) as first:
        old = first.session
    with connect(front) as wire:
        wire.send(pgwire.query("select pg_sleep(0.5), 'alive'"))
        send_cancel((front.host, front.port), old.pid, old.key)
        assert "E" not in [each.type for each in wire.read_until("Z")]


def test_many_wrong_cancels_do_not_stop_a_right_one(proxy_factory, pg18, certificates):
    """The rate limit is on failures, so that guessing is slow and users are not locked out."""
    front = front_of(proxy_factory, pg18, certificates)
    with connect(front) as wire:
        for number in range(300):
            with Wire(front.host, front.port) as guess:
                guess.send(pgwire.cancel_request(number, b"gues"))
                guess.read_to_end()  # it is counted before the pause
        time.sleep(1.2)
        assert sleep_until_cancelled(pg18, wire, lambda: send_cancel(
            (front.host, front.port), wire.session.pid, wire.session.key)) == "57014"


@pytest.mark.parametrize("upstreams", [1, 2])
def test_cancel_of_a_passthrough_session(proxy_factory, pg15, pg18, certificates, upstreams):
    """Over TLS its SNI says where it belongs; in plaintext only a single server can be meant."""
    routes = [{"match": {"sni": "eighteen.example"}, "upstream": "eighteen"},
              {"match": {"sni": "fifteen.example"}, "upstream": "fifteen"}][:upstreams]
    servers = {"eighteen": upstream_of(pg18), "fifteen": upstream_of(pg15)}
    front = proxy_factory(
        listen={"address": "127.0.0.1", "port": free_port(), "tls": {"mode": "passthrough"}},
        upstreams={each["upstream"]: servers[each["upstream"]] for each in routes},
        routes=routes)
    where = (front.host, front.port)
    with connect(front, tls=client_tls(), server_name="eighteen.example", user="alice",
                 password=password_of("alice")) as wire:
        key = (wire.session.pid, wire.session.key)
        assert sleep_until_cancelled(pg18, wire, lambda: send_cancel(
            where, *key, client_tls(), False, "eighteen.example")) == "57014"
        assert sleep_until_cancelled(pg18, wire, lambda: send_cancel(where, *key)) == \
            ("57014" if upstreams == 1 else "")


# Waits for a line, then sends 80 cancel requests to the unix socket it is given.
OTHER_USER = """
import socket, sys
request = bytes.fromhex(sys.argv[2])
input()
for _ in range(80):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(sys.argv[1])
        client.sendall(request)
        client.recv(1)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_one_user_of_a_unix_socket_does_not_use_up_the_cancel_requests_of_others(
        proxy_factory, pg18, session_folder):
    folder = session_folder / f"cancel-{free_port()}"
    folder.mkdir(mode=0o755)
    front = proxy_factory(listen={"address": str(folder), "port": 6432},
                          routes=[{"upstream": "main"}], upstreams={"main": upstream_of(pg18)})
    request = pgwire.cancel_request(1, b"nope")

    def limited() -> float:
        return front.metrics().get('trunkline_cancel_requests_total{outcome="limited"}', 0)

    path = str(folder / ".s.PGSQL.6432")
    other = subprocess.Popen([sys.executable, "-c", OTHER_USER, path, request.hex()],
                             stdin=subprocess.PIPE, user="nobody", text=True)

    def use_up() -> float:
        for _ in range(200):
            with Wire(str(folder), 6432) as wire:
                wire.send(request)
                wire.read_to_end()
        return limited()

    before = wait_until(use_up, "root has used up its own")
    other.communicate("go\n", timeout=20)
    assert other.returncode == 0
    assert limited() == before
