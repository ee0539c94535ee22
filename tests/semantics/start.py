"""Starts what the suite runs against: PostgreSQL, and PgBouncer or Trunkline in front of it.

Free loopback ports, a temporary folder, programs ended by pid: also when the suite fails.
"""

import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

from lib.certs import TestCertificates
from lib.postgres import Cluster, Template
from lib.processes import Program, free_port, give_to, wait_until
from lib.trunkline import Trunkline, base_config, binary
from semantics.stage import Target

PGBOUNCER = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
USER, DATABASE = "trusty", "app"


class Refused(Exception):
    """The program does not take the configuration the suite needs."""


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Site:
    """A folder with a started PostgreSQL and the proxies in front of it."""

    def __init__(self, postgres: int = 15) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="trunkline-semantics-"))
        self.folder.chmod(0o755)
        self.cluster: Optional[Cluster] = None
        self.stops: List[Callable[[], object]] = []
        try:
            certificates = TestCertificates(self.folder / "certs")
            self.cluster = Template(postgres, self.folder, certificates).cluster().start()
        except BaseException:
            self.stop()
            raise

    def proxies(self, name: str) -> Dict[int, Target]:
        """By pool size, 1 and 2."""
        assert self.cluster is not None
        return proxies(name, self.folder, self.cluster, self.stops)

    def stop(self) -> None:
        """End the proxies, then the server, then the folder."""
        try:
            stop_all([*self.stops, *([self.cluster.stop] if self.cluster else [])])
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


def stop_all(stops: List[Callable[[], object]]) -> None:
    """Call every one, also when one finds fault."""
    for stop in stops:
        try:
            stop()
        except AssertionError as error:
            print(f"while stopping: {error}")


def proxies(name: str, folder: Path, cluster: Cluster,
            stops: List[Callable[[], object]]) -> Dict[int, Target]:
    """Start the proxies of both pool sizes; what stops them is added to `stops`."""
    start = {"pgbouncer": start_pgbouncer, "trunkline": start_trunkline}[name]
    found: Dict[int, Target] = {}
    for size in (1, 2):
        port, pid, stop = start(folder, cluster, size)
        stops.append(stop)
        found[size] = Target(name, ("127.0.0.1", port), pid=pid, restart_server=cluster.restart)
    return found


Started = Tuple[int, int, Callable[[], object]]  # port, pid, and what ends it


def pgbouncer_version() -> str:
    said = subprocess.run([PGBOUNCER, "--version"], check=True, stdout=subprocess.PIPE, text=True)
    return said.stdout.splitlines()[0]


def start_pgbouncer(folder: Path, cluster: Cluster, size: int) -> Started:
    """As Debian installs it, but for transaction mode, the size, and quick reconnects."""
    port, users = free_port(), folder / "users.txt"
    users.write_text(f'"{USER}" ""\n"postgres" ""\n', encoding="ascii")
    config = folder / f"pgbouncer-{size}.ini"
    config.write_text(f"""[databases]
* = host=127.0.0.1 port={cluster.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = {size}
server_login_retry = 0.2
""", encoding="ascii")
    for path in (users, config):
        give_to(path, cluster.user)
    program = Program([PGBOUNCER, config], folder / f"pgbouncer-{size}.log", cluster.user)
    try:
        wait_until(lambda: accepts(port), f"PgBouncer accepts on {port}")
    except BaseException:
        program.kill()
        raise
    return port, program.pid, program.kill


def start_trunkline(folder: Path, cluster: Cluster, size: int) -> Started:
    """With a transaction pool; raises Refused when the binary does not know `pool`."""
    config = base_config(
        upstreams={"main": {"servers": [{"host": cluster.host, "port": cluster.port}],
                            "tls": {"mode": "disable"}}},
        authentication=[{"method": "trust"}],
        routes=[{"upstream": "main", "pool": {"mode": "transaction", "size": size}}])
    proxy = Trunkline(folder, config, f"trunkline-{size}")
    checked = subprocess.run([binary(), "check", "--config", proxy.config_path], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if checked.returncode != 0:
        raise Refused(f"no transaction pooling: {checked.stdout.strip()[-300:]}")
    proxy.start()
    return proxy.addresses()[0][1], proxy.pid, proxy.stop
