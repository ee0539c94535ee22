"""Reload, drain, limits, logs without secrets, systemd."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import listener, upstream_of
from lib import pgwire
from lib.pgauth import verifier
from lib.pgwire import ServerClosed, Wire, WireError, connect
from lib.processes import Program, resident_bytes, wait_until
from lib.trunkline import binary, client_tls, sanitized

DATABASE = "select current_database()"


def config_of(cluster, **more) -> dict:
    return {"upstreams": {"main": upstream_of(cluster)}, "routes": [{"upstream": "main"}],
            "authentication": [{"method": "trust"}], **more}


def refused(front, **login) -> WireError:
    with pytest.raises(WireError) as caught:
        connect(front, **login)
    return caught.value


class Load:
    """Clients that query all the time and note every failure."""

    def __init__(self, front, clients=8, reconnect=False) -> None:
        self.front, self.reconnect = front, reconnect
        self.failures, self.done = [], 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]
        for each in self._threads:
            each.start()

    def _run(self) -> None:
        wire = None
        while not self._stop.is_set():
            try:
                wire = wire or connect(self.front)
                wire.run("begin")
                wire.run("select pg_sleep(0.002)")
                wire.run("commit")
                self.done += 1
                if self.reconnect:
                    wire.close()
                    wire = None
            except (OSError, ServerClosed, WireError) as error:
                self.failures.append(error)
                return
        if wire:
            wire.close()

    def stop(self) -> None:
        self._stop.set()
        for each in self._threads:
            each.join(20)


# -- reload ---------------------------------------------------------------------------------------

def test_reload_changes_routes_users_and_limits(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18))
    with connect(front) as old:
        front.config["routes"] = [{"upstream": "main", "database": "tenant"}]
        front.reload(front.config)
        with connect(front) as new:
            assert new.scalar(DATABASE) == "tenant"
        assert old.scalar(DATABASE) == "app", "a session keeps its route"


def test_a_route_inserted_by_a_reload_takes_nothing_from_another(proxy_factory, pg18):
    old_route = {"match": {"user": "trusty"}, "upstream": "main", "max_clients": 1}
    front = proxy_factory(**config_of(pg18, routes=[old_route]))

    def of(name, metric):
        return front.metrics().get(f'trunkline_{metric}{{route="{name}",upstream="main"}}')

    with connect(front) as old:
        old.run("select 1")
        wait_until(lambda: of("user=trusty", "postgres_statements_total") == 1, "it is counted")
        # Another route in front, where the session's own was.
        front.config["routes"] = [{"match": {"database": "tenant"}, "upstream": "main",
                                   "max_clients": 1}, old_route]
        front.reload(front.config)
        assert of("user=trusty", "sessions_active") == 1
        assert of("database=tenant", "sessions_active") == 0
        old.run("select 2")
        wait_until(lambda: of("user=trusty", "postgres_statements_total") == 2, "it goes on")
        assert of("database=tenant", "postgres_statements_total") == 0

        # The session takes the one place of its own route, and none of the new one's.
        assert refused(front).sqlstate == "53300"
        with connect(front, database="tenant"):
            assert of("database=tenant", "sessions_active") == 1
            assert refused(front, database="tenant").sqlstate == "53300"
    wait_until(lambda: of("user=trusty", "sessions_active") == 0, "the old session is gone")
    with connect(front):
        assert refused(front).sqlstate == "53300"


def test_clients_are_not_told_what_a_route_matches(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18, routes=[
        {"match": {"user": ["trusty", "app_of_*"]}, "upstream": "main", "max_clients": 1}]))
    with connect(front):
        assert "app_of_" not in str(refused(front).fields)
    wait_until(lambda: "route=\"user=trusty,app_of_*\"" in front.log(), "the log names it")


def test_reload_changes_the_upstream(proxy_factory, pg15, pg18):
    front = proxy_factory(**config_of(pg15))
    front.config["upstreams"] = {"main": upstream_of(pg18)}
    front.reload(front.config)
    with connect(front) as wire:
        assert wire.scalar("show server_version").startswith("18")


def test_reload_removes_a_user(proxy_factory, pg18):
    users = [{"name": name, "password": "pw"} for name in ("one", "two")]
    front = proxy_factory(**config_of(
        pg18, users=users, authentication=[{"method": "scram-sha-256"}],
        routes=[{"upstream": "main", "login": {"user": "trusty"}}]))
    connect(front, user="two", password="pw").close()
    front.config["users"] = users[:1]
    front.reload(front.config)
    assert refused(front, user="two", password="pw").sqlstate == "28P01"
    connect(front, user="one", password="pw").close()


@pytest.mark.parametrize("text", ["listen: [", "listen: {address: 127.0.0.1}\nnonsense: 1\n", ""])
def test_a_bad_file_keeps_the_old_configuration(proxy_factory, pg18, text):
    front = proxy_factory(**config_of(pg18))
    front.reload(text, expect="refused")
    with connect(front) as wire:
        assert wire.scalar(DATABASE) == "app"
    front.reload(front.config)


def test_reload_under_load_loses_nothing(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18))
    lasting, short = Load(front, 6), Load(front, 4, reconnect=True)
    for _ in range(8):
        front.reload(front.config)
        time.sleep(0.1)
    wait_until(lambda: lasting.done > 20 and short.done > 20 or lasting.failures or short.failures,
               "both loads have run for a while")
    lasting.stop()
    short.stop()
    assert not lasting.failures and not short.failures


# -- drain ----------------------------------------------------------------------------------------

def test_drain_lets_transactions_finish(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18, shutdown_timeout="10s"))
    with connect(front) as busy, connect(front) as idle:
        busy.run("begin")
        front.terminate()
        assert idle.read_to_end()[-1].sqlstate() == "57P01"
        wait_until(lambda: front.http("/readyz")[0] == 503, "it is not ready while draining")
        with pytest.raises((OSError, ServerClosed, WireError)):
            connect(front)
        assert busy.scalar("select 'still here'") == "still here"
        assert [each.type for each in busy.run("commit")] == ["C", "Z"]
        assert busy.read_to_end()[-1].sqlstate() == "57P01"
    assert front.program.wait(5) == 0
    front.assert_clean_log()


def test_drain_under_load_fails_no_transaction(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18, shutdown_timeout="10s"))
    load = Load(front)
    wait_until(lambda: load.done > 30, "the load runs")
    front.terminate()
    assert front.program.wait(15) == 0
    load.stop()
    for failure in load.failures:
        # Between transactions the goodbye is 57P01 or the close itself, never a broken answer.
        assert not isinstance(failure, WireError) or failure.sqlstate == "57P01"
    front.assert_clean_log()


def test_drain_is_bounded(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18, shutdown_timeout="1s"))
    with connect(front) as wire:
        wire.run("begin")
        begun = time.monotonic()
        front.terminate()
        assert wire.read_to_end()[-1].fields()["V"] == "FATAL"
        assert front.program.wait(15) == 0
        assert 0.7 < time.monotonic() - begun < 15


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(proxy_factory, pg18, second):
    front = proxy_factory(**config_of(pg18, shutdown_timeout="30s"))
    with connect(front) as wire:
        wire.run("begin")
        front.terminate()
        # Two signals of a kind are one until the first is taken.
        wait_until(lambda: "draining" in front.log(), "the first is taken")
        front.program.signal(second)
        assert front.program.wait(15) is not None


def test_int_alone_ends_at_once(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18, shutdown_timeout="30s"))
    with connect(front) as wire:
        wire.run("begin")
        front.program.signal(signal.SIGINT)
        assert wire.read_to_end()[-1].sqlstate() == "57P01"
        assert front.program.wait(5) == 0


def test_shutdown_says_goodbye_to_the_server(proxy_factory, new_cluster):
    cluster = new_cluster(18)
    front = proxy_factory(**config_of(cluster))
    with connect(front):
        front.terminate()
        assert front.program.wait(10) == 0
    assert "unexpected EOF" not in cluster.log()


# -- limits ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("setting", ["max_clients", "max_clients_per_source", "max_clients_per_user",
                                     "max_clients_per_database", "route"])
def test_max_clients(proxy_factory, pg18, setting):
    config = config_of(pg18)
    if setting == "route":
        config["routes"][0]["max_clients"] = 3
    else:
        config[setting] = 3
    front = proxy_factory(**config)
    wires = [connect(front) for _ in range(3)]
    error = refused(front)
    assert (error.severity, error.sqlstate) == ("FATAL", "53300")
    named = '"max_clients"' if setting == "route" else f'"{setting}"'
    assert named in str(error.fields), "the message names the setting"
    wires.pop().close()

    def again():
        try:
            return connect(front)
        except WireError:
            return None

    wires.append(wait_until(again, "a place is free again"))
    for each in wires:
        each.close()


def test_logins_are_limited_by_source(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18, max_logins_per_second_per_source=2))

    def log_in():
        try:
            connect(front).close()
            return None
        except WireError as error:
            return error

    logins = [log_in()]
    while logins[-1] is None and len(logins) < 100:  # until three come within a second
        logins.append(log_in())
    assert logins[-1], "some of them are more than 2 a second"
    assert logins[-1].sqlstate == "53300"
    assert "max_logins_per_second_per_source" in str(logins[-1].fields)
    assert len(logins) > 2, "as many as a second allows come in at once"
    wait_until(lambda: log_in() is None, "a second has passed")
    # A limit that is lifted holds for nobody.
    del front.config["max_logins_per_second_per_source"]
    front.reload(front.config)
    assert [log_in() for _ in range(20)] == [None] * 20


def test_many_half_open_clients_do_not_lock_out(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18, login_timeout="3s", max_clients=50))
    half = [socket.create_connection((front.host, front.port)) for _ in range(60)]
    time.sleep(4)
    connect(front).close()
    for each in half:
        each.close()


def test_idle_memory_is_small(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18))
    wires = [connect(front) for _ in range(20)]
    time.sleep(0.3)
    before = resident_bytes(front.pid)
    wires += [connect(front) for _ in range(200)]
    time.sleep(0.5)
    each = (resident_bytes(front.pid) - before) / 200
    for wire in wires:
        wire.close()
    # The exact figure is the benchmark's; this catches a buffer kept by an idle session.
    assert each < (16 << 10) or sanitized()


# -- logs -----------------------------------------------------------------------------------------

def test_json_lines_at_login_and_close(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18, log={"level": "info", "format": "json"}))
    with connect(front, parameters=[("application_name", 'quo"te\n\x01')]):
        pass
    wait_until(lambda: re.search('"session closed".*"trusty".*"reason".*\n', front.log()),
               "a session has come and gone")
    log = front.log()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert len(lines) == len([line for line in log.splitlines() if line.strip()])
    texts = [json.dumps(line) for line in lines]
    assert any("trusty" in text and "login" in text for text in texts)
    closes = [text for text in texts if "close" in text and "reason" in text]
    assert closes and "127.0.0.1" in closes[-1]


def test_a_hostile_name_cannot_forge_a_line(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18))
    with pytest.raises(WireError):
        connect(front, user="evil\n2026-01-01 INFO forged login", database="x")
    assert "\n2026-01-01 INFO forged" not in front.log()


def test_no_secret_is_ever_logged(proxy_factory, pg18, certificates):
    secret = "Sehr-Geheim-4711"
    stored = verifier(secret)
    front = proxy_factory(**config_of(
        pg18, listen=listener(certificates), log={"level": "debug"},
        users=[{"name": "one", "password": secret}, {"name": "two", "password": stored}],
        authentication=[{"user": "one", "method": "password"}, {"method": "scram-sha-256"}],
        routes=[{"upstream": "main", "login": {"user": "alice", "password": secret}}]))
    for user in ("one", "two"):
        refused(front, user=user, password=secret)  # alice's real password is another
        refused(front, user=user, password=secret + "x")
    front.reload(front.config)
    log = front.log()
    for each in (secret, stored, stored.split(":")[1].split("$")[1], stored.rsplit(":", 1)[1]):
        assert each not in log
    done = subprocess.run([binary(), "check", "--config", front.config_path], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert secret not in done.stdout and stored not in done.stdout


def test_query_text_is_not_logged(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18))
    with connect(front) as wire:
        wire.run("select 'kreditkarte 4111'")
    assert "4111" not in front.log()


# -- systemd --------------------------------------------------------------------------------------

def test_sd_notify(proxy_factory, pg18, tmp_path):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.settimeout(10)
        front = proxy_factory(environment={"NOTIFY_SOCKET": str(path)}, **config_of(pg18))
        heard = ""

        def hear(word):
            nonlocal heard
            while word not in heard:
                heard += notify.recv(4096).decode() + "\n"

        hear("READY=1")
        heard = ""
        front.reload(front.config)
        hear("RELOADING=1")
        hear("READY=1")
        assert re.search(r"MONOTONIC_USEC=\d+", heard)
        front.terminate()
        hear("STOPPING=1")


ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_socket_activation(proxy_factory, pg18, tmp_path):
    front = proxy_factory(run=False, **config_of(pg18))
    with socket.create_server((front.host, front.port)) as given:
        front.program = Program(
            ["/usr/bin/python3", "-c", ACTIVATE, given.fileno(), binary(), "run", "--config",
             front.config_path], front.log_path, environment=front.environment,
            pass_fds=(given.fileno(),))
        with connect(front) as wire:
            assert wire.scalar(DATABASE) == "app"


# -- command line ---------------------------------------------------------------------------------

def command(*arguments):
    return subprocess.run([binary(), *arguments], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=10)


def test_version_and_help():
    assert re.search(r"\d+\.\d+", command("--version").stdout)
    for arguments in (["--help"], ["run", "--help"], ["check", "--help"], ["route", "--help"]):
        done = command(*arguments)
        assert done.returncode == 0 and done.stdout.strip()


@pytest.mark.parametrize("arguments", [["dance"], ["run", "--wrong"], []])
def test_usage_errors_exit_2(arguments):
    assert command(*arguments).returncode in ((0, 2) if not arguments else (2,))


def test_config_path_is_found(proxy_factory, pg18):
    front = proxy_factory(run=False, **config_of(pg18))
    done = subprocess.run([binary(), "check"], text=True, stdout=subprocess.PIPE, timeout=10,
                          env=dict(os.environ, CONFIG_PATH=str(front.config_path)))
    assert done.returncode == 0 and "main" in done.stdout


def test_secrets_from_the_environment(proxy_factory, pg18):
    front = proxy_factory(environment={"APP_PW": "app-pw"}, **config_of(
        pg18, routes=[{"upstream": "main", "login": {"user": "app", "password": "${APP_PW}"}}]))
    with connect(front) as wire:
        assert wire.scalar("select current_user") == "app"


def test_one_worker_and_four(proxy_factory, pg18, certificates):
    for workers in (1, 4):
        front = proxy_factory(**config_of(pg18, workers=workers, listen=listener(certificates)))
        wires = [connect(front, tls=client_tls() if n % 2 else None, server_name="localhost")
                 for n in range(12)]
        for wire in wires:
            wire.send(pgwire.query("select 1"))
        for wire in wires:
            assert wire.read_until("Z")[1].values() == [b"1"]
            wire.close()


def test_terminated_while_nobody_is_connected(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18))
    with Wire(front.host, front.port):
        pass
    front.stop()
