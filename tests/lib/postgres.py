"""Throw-away PostgreSQL clusters, 15 from Debian and 18 from npm, as an unprivileged user.

A `Template` runs initdb once and fills in users and databases; `Template.cluster()` copies the
folder, which is much faster, and starts a server on free ports. Everything lives in one temporary
folder and dies with the tests.
"""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List, Optional

import psycopg

from lib.certs import Pair, TestCertificates
from lib.processes import (Program, free_port, give_to, unprivileged_user, user_options,
                           wait_until)

REPOSITORY = Path(__file__).resolve().parents[2]
DEBIAN_BIN = Path("/usr/lib/postgresql/15/bin")

# Users by how the server authenticates them; the password is "<name>-pw" for all.
USERS = {"alice": "scram-sha-256", "bob": "scram-sha-256", "app": "scram-sha-256",
         "plain": "password", "md5y": "md5", "trusty": "trust", "certy": "cert",
         "repl": "scram-sha-256", "streamer": "trust"}
DATABASES = ("app", "shard_1", "shard_2", "tenant")

SETTINGS = {
    "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off",
    "wal_level": "logical", "max_connections": "300", "max_wal_senders": "20",
    "max_replication_slots": "20", "max_prepared_transactions": "20", "shared_buffers": "64MB",
    "autovacuum": "off", "jit": "off", "lc_messages": "'C'", "timezone": "'UTC'",
    "log_connections": "on", "listen_addresses": "'127.0.0.1'", "logging_collector": "off",
    "max_parallel_workers_per_gather": "0", "authentication_timeout": "20s",
}


def password_of(user: str) -> str:
    """The password every test user has."""
    return f"{user}-pw"


def programs(version: int) -> Path:
    """The folder with initdb and postgres of a version; fetches 18 when it is not there."""
    if version == 15:
        return DEBIAN_BIN
    if version != 18:
        raise ValueError(f"no PostgreSQL {version} here")
    folder = os.environ.get("TRUNKLINE_POSTGRES18", str(REPOSITORY / "build/postgres18"))
    done = subprocess.run([sys.executable, REPOSITORY / "tools/fetch_postgres18", folder],
                          check=True, stdout=subprocess.PIPE, text=True)
    return Path(done.stdout.strip())


def hba_lines(extra: Optional[List[str]] = None) -> str:
    """pg_hba.conf: one method for each user, so that a test picks a method by picking a user."""
    lines = list(extra or [])
    lines += ["local all postgres trust", "local all trusty trust", "local all all scram-sha-256",
              "host all postgres 127.0.0.1/32 trust", "hostssl all certy all cert",
              "host all certy all reject"]
    lines += [f"host all,replication {user} all {method}" for user, method in USERS.items()
              if method != "cert"]
    lines += ["host replication postgres 127.0.0.1/32 trust", "host all all all scram-sha-256"]
    return "\n".join(lines) + "\n"


class Template:
    """One initdb for the whole session and version; owned by a session-scoped fixture."""

    def __init__(self, version: int, folder: Path, certificates: TestCertificates) -> None:
        self.version = version
        self.folder = folder
        self.certificates = certificates
        self.user = unprivileged_user()
        self.bin = self._reachable_programs(programs(version))
        self.data = folder / f"template-{version}"
        self._count = 0
        self._initialise()

    def _reachable_programs(self, found: Path) -> Path:
        """The unprivileged user may not enter the checkout (/root/…): then use a copy."""
        probe = [found / "postgres", "--version"]
        try:
            subprocess.run(probe, check=True, stdout=subprocess.DEVNULL, cwd="/",
                           **user_options(self.user))
            return found
        except (PermissionError, subprocess.CalledProcessError):
            copy = self.folder / f"programs-{self.version}"
            shutil.copytree(found.parent, copy, symlinks=True)
            return copy / "bin"

    def _initialise(self) -> None:
        self.data.mkdir(mode=0o700)
        give_to(self.data, self.user)
        subprocess.run([self.bin / "initdb", "-D", self.data, "-U", "postgres", "--no-locale",
                        "--encoding=UTF8", "--auth=trust", "--no-sync"], check=True, cwd="/",
                       stdout=subprocess.DEVNULL, **user_options(self.user))
        with self._started(Cluster(self, self.data, tls=None)) as cluster:
            with cluster.connect() as connection:
                for user, method in USERS.items():
                    encryption = "md5" if method == "md5" else "scram-sha-256"
                    connection.execute(f"SET password_encryption = '{encryption}'")
                    connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{password_of(user)}'")
                connection.execute("ALTER ROLE repl REPLICATION")
                connection.execute("ALTER ROLE streamer REPLICATION")
                connection.execute("GRANT pg_read_all_stats TO trusty")
                for database in DATABASES:
                    connection.execute(f"CREATE DATABASE {database}")
            for database in DATABASES:
                with cluster.connect(database) as connection:
                    connection.execute("GRANT ALL ON SCHEMA public TO PUBLIC")
                    connection.execute("CREATE TABLE whoami (name text)")
                    connection.execute("INSERT INTO whoami VALUES (current_database())")
                    connection.execute("GRANT SELECT ON whoami TO PUBLIC")

    @staticmethod
    @contextmanager
    def _started(cluster: "Cluster") -> Iterator["Cluster"]:
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()

    def cluster(self, tls: Optional[Pair] = None, **settings: str) -> "Cluster":
        """A new cluster from the template, not started; `tls` is its certificate (None: no TLS)."""
        self._count += 1
        data = self.folder / f"cluster-{self.version}-{self._count}"
        subprocess.run(["cp", "-a", self.data, data], check=True)
        return Cluster(self, data, tls, **settings)


class Cluster:
    """One PostgreSQL server with its own folder, port and unix socket."""

    host = "127.0.0.1"

    def __init__(self, template: Template, data: Path, tls: Optional[Pair],
                 **settings: str) -> None:
        self.template = template
        self.version = template.version
        self.data = data
        self.port = free_port()
        self.user = template.user
        self.socket_folder = data.with_name(data.name + "-socket")
        self.socket_folder.mkdir(mode=0o755, exist_ok=True)
        give_to(self.socket_folder, self.user)
        self.program: Optional[Program] = None
        self.tls = tls
        self._settings = dict(SETTINGS, **settings)
        self.set_hba()

    def _write(self, name: str, text: str, mode: int = 0o600) -> Path:
        path = self.data / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        give_to(path, self.user)
        return path

    def set_tls(self, pair: Optional[Pair]) -> None:
        """The certificate from the next start or reload on."""
        self.tls = pair

    def set_hba(self, extra: Optional[List[str]] = None) -> None:
        """Put `extra` lines before the standard ones; takes effect at start or reload."""
        self._write("pg_hba.conf", hba_lines(extra))

    def _configure(self) -> None:
        settings = dict(self._settings, port=str(self.port),
                        unix_socket_directories=f"'{self.socket_folder}'")
        if self.tls is not None:
            self._write("server.crt", self.tls.cert.read_text(encoding="ascii"))
            self._write("server.key", self.tls.key.read_text(encoding="ascii"))
            ca = self.template.certificates.ca.read_text(encoding="ascii")
            self._write("root.crt", ca)
            settings.update(ssl="on", ssl_ca_file="'root.crt'")
        lines = [f"{name} = {value}" for name, value in settings.items()]
        self._write("postgresql.auto.conf", "\n".join(lines) + "\n")

    def start(self) -> "Cluster":
        self._configure()
        log = self.data.with_name(self.data.name + ".log")
        self.program = Program([self.template.bin / "postgres", "-D", self.data], log, self.user,
                               death_signal=signal.SIGINT)
        wait_until(self._ready, f"PostgreSQL {self.version} answers on {self.port}", 60)
        return self

    def _ready(self) -> bool:
        assert self.program is not None
        assert self.program.running(), f"PostgreSQL ended:\n{self.program.log()[-2000:]}"
        try:
            self.connect().close()
            return True
        except psycopg.OperationalError:
            return False

    def stop(self, number: int = signal.SIGINT) -> None:
        """Fast shutdown by pid; immediate when that takes too long."""
        if self.program is None:
            return
        self.program.signal(number)
        if self.program.wait(20) is None:
            self.program.signal(signal.SIGQUIT)
            self.program.wait(10)
        self.program.kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def reload(self) -> None:
        """Apply hba and certificate changes; returns when the server has read them."""
        assert self.program is not None
        self._configure()
        before = self.scalar("SELECT pg_conf_load_time()")
        self.program.signal(signal.SIGHUP)
        wait_until(lambda: self.scalar("SELECT pg_conf_load_time()") != before, "a reload")

    def connect(self, database: str = "postgres", user: str = "postgres",
                **options) -> psycopg.Connection:
        """A direct connection, by default the superuser's over the unix socket, autocommit."""
        options.setdefault("host", str(self.socket_folder))
        return psycopg.connect(port=self.port, dbname=database, user=user, autocommit=True,
                               connect_timeout=10, **options)

    def execute(self, statement: str, database: str = "postgres") -> None:
        with self.connect(database) as connection:
            connection.execute(statement)

    def scalar(self, query: str, database: str = "postgres"):
        """The first column of the first row, or None without a row."""
        with self.connect(database) as connection:
            row = connection.execute(query).fetchone()
            return row[0] if row else None

    def verifier(self, user: str) -> str:
        """The stored password hash, which the proxy may be given instead of the password."""
        return self.scalar(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{user}'")

    def log(self) -> str:
        return self.program.log() if self.program else ""
