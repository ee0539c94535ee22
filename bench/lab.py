"""Where measurements happen: a folder, two sets of CPUs, fake servers, and the proxies to compare."""
import base64
import dataclasses
import hashlib
import hmac
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from postgres import start_postgres, unprivileged, unprivileged_ids

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
START_SECONDS_MAX = 10
USER = PASSWORD = "bench"


def scram_verifier(password, iterations=4096):
    """As PostgreSQL stores it. The salt is fixed: server and proxies hold the same verifier."""
    salt = b"trunkline-bench!"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    stored, server, salt = (
        base64.b64encode(part).decode()
        for part in (hashlib.sha256(client_key).digest(), server_key, salt)
    )
    return f"SCRAM-SHA-256${iterations}:{salt}${stored}:{server}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclasses.dataclass(frozen=True)
class Needs:
    """How a scenario wants the proxy to be set up."""

    tls: bool = False
    scram: bool = False
    single_use: bool = False  # a new server connection for each login
    workers: int = 1
    pinned: bool = True
    watched: bool = False  # with an admin listener, and its locks counted
    pool: str = "none"  # or the mode: session, transaction
    pool_size: int = 15000  # server connections


class Lab:
    def __init__(self, postgres=False):
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            raise SystemExit("bench: two CPUs are needed, one of them for the proxy alone")
        self.proxy_cpus, self.other_cpus, self.all_cpus = [cpus[-1]], cpus[:-1], cpus
        os.sched_setaffinity(0, self.other_cpus)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.descriptors_max = hard
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="trunkline-bench-"))
        self.folder.chmod(0o755)
        self.verifier = scram_verifier(PASSWORD)
        self.processes = []
        self.server_ports = {}
        try:
            self._make_certificate()
            self._start_servers(postgres)
        except BaseException:
            self.close()
            raise

    def _start_servers(self, postgres):
        for name, options in {"trust": [], "scram": ["--scram", self.verifier]}.items():
            port = self.server_ports[name] = free_port()
            if postgres and name == "trust":
                start_postgres(self, port)
                continue
            path = self.folder / f".s.PGSQL.{port}"
            self.spawn(
                [BUILD / "bench/bench_fake_server", "--listen", path, *options], self.other_cpus
            )
            self.wait_for(path.exists, "the fake server's socket")

    def _make_certificate(self):
        self.key, self.certificate = self.folder / "server.key", self.folder / "server.crt"
        self.pem = self.folder / "server.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-keyout", self.key, "-out", self.certificate],
            check=True, capture_output=True,
        )  # fmt: skip
        self.key.chmod(0o600)
        self.pem.write_text(self.certificate.read_text() + self.key.read_text())

    def spawn(self, command, cpus, **options):
        cpu_list = ",".join(map(str, cpus))
        process = subprocess.Popen(["taskset", "-c", cpu_list, *map(str, command)], **options)
        self.processes.append(process)
        return process

    def wait_for(self, is_there, what, process=None):
        deadline = time.monotonic() + START_SECONDS_MAX
        while not is_there():
            if process is not None and process.poll() is not None:
                raise SystemExit(f"bench: {what}: ended with code {process.returncode}")
            if time.monotonic() > deadline:
                raise SystemExit(f"bench: {what} did not come up in {START_SECONDS_MAX} s")
            time.sleep(0.02)

    def server_port(self, needs):
        return self.server_ports["scram" if needs.scram else "trust"]

    def server_socket(self, needs):
        return self.folder / f".s.PGSQL.{self.server_port(needs)}"

    def load_command(self, proxy, needs, arguments):
        command = [BUILD / "bench/bench_load", "--target", f"127.0.0.1:{proxy.port}"]
        if needs.tls:
            command += ["--tls", proxy.tls_kind]
        return [*command, "--watch", proxy.process.pid, *arguments]

    def start_load(self, proxy, needs, arguments, nice=0):
        prefix = ["nice", "-n", str(nice)] if nice else []
        cpus = self.other_cpus if needs.pinned else self.all_cpus
        return self.spawn(
            [*prefix, *self.load_command(proxy, needs, arguments)],
            cpus, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def start_held_load(self, proxy, needs, arguments):
        """Logged in, warm and at rest; measure_held makes it work."""
        load = self.start_load(proxy, needs, arguments)
        self.next_line(load)
        return load

    def measure_held(self, load):
        load.stdin.write("go\n")
        load.stdin.flush()
        sample = self.next_line(load)
        self.next_line(load)  # at rest again
        return sample

    def next_line(self, load):
        line = load.stdout.readline()
        if not line:
            raise SystemExit("bench: the load generator ended early")
        return json.loads(line)

    def release(self, load):
        load.communicate("done\n")
        self.processes.remove(load)

    def finish_load(self, process, what):
        output, _ = process.communicate()
        self.processes.remove(process)
        if process.returncode != 0:
            raise SystemExit(f"bench: {what}: the load generator ended with {process.returncode}")
        return json.loads(output.splitlines()[-1])

    def stop(self, process):
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.processes.remove(process)

    def close(self):
        for process in reversed(list(self.processes)):  # servers go last
            self.stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)


class Proxy:
    """One running proxy; made anew for every sample, so that a lucky layout is not kept."""

    name = ""
    tls_kind = "starttls"
    can_tls = True

    def __init__(self, lab, needs):
        self.lab, self.needs, self.port = lab, needs, free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=lab.folder, prefix=self.name + "-"))
        self.folder.chmod(0o755)
        with open(self.folder / "log", "w") as log:
            self.process = lab.spawn(
                self.command(), lab.proxy_cpus if needs.pinned else lab.all_cpus,
                stdout=log, stderr=log, **self.run_as(),
            )  # fmt: skip
        try:
            lab.wait_for(self.answers, self.name, self.process)
        except SystemExit:
            print((self.folder / "log").read_text())
            raise

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def run_as(self):
        return {}

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lab.stop(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)


class Trunkline(Proxy):
    name = "trunkline"
    binary = BUILD / "trunkline"

    def command(self):
        tls = ""
        if self.needs.tls:
            tls = f"""
    tls:
      mode: require
      certificates: [{{ cert: {self.lab.certificate}, key: {self.lab.key} }}]"""
        admin = ""
        if self.needs.watched:
            self.admin_port = free_port()
            admin = f"admin: {{ address: 127.0.0.1, port: {self.admin_port} }}"
        pool = ""
        if self.needs.pool != "none":
            pool = f"pool: {{ mode: {self.needs.pool}, size: {self.needs.pool_size} }}"
        config = self.write(
            "trunkline.yaml",
            f"""{admin}
{pool}
workers: {self.needs.workers}
max_clients: 20000
log: {{ level: warn }}
listen:
  - address: 127.0.0.1
    port: {self.port}{tls}
upstreams:
  main:
    servers: [{{ host: {self.lab.folder}, port: {self.lab.server_port(self.needs)} }}]
    tls: {{ mode: disable }}
routes:
  - {{ upstream: main }}
users:
  - {{ name: {USER}, password: "{self.lab.verifier}" }}
authentication:
  - {{ method: {"scram-sha-256" if self.needs.scram else "trust"} }}
""",
        )
        return [self.binary, "run", "--config", config]

    def run_as(self):
        if not self.needs.watched:
            return {}
        self.locks = self.write("locks", "\0" * 8)
        counter = BUILD / "bench/libbench_lock_counter.so"
        return {"env": {**os.environ, "LD_PRELOAD": str(counter), "LOCK_COUNTER_FILE": str(self.locks)}}

    def locks_taken(self):
        return int.from_bytes(self.locks.read_bytes(), sys.byteorder)

    def by_worker(self, metric):
        """The values of a metric that has the label worker, in their order."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics") as answer:
            text = answer.read().decode()
        found = re.findall(rf'^trunkline_{metric}{{worker="(\d+)"}} (\d+)$', text, re.M)
        return [int(value) for _, value in sorted(found)]


class PgBouncer(Proxy):
    name = "pgbouncer"

    def command(self):
        users = self.write("users.txt", f'"{USER}" "{self.lab.verifier}"\n')
        tls = ""
        if self.needs.tls:
            key = self.write("server.key", self.lab.key.read_text())
            os.chown(key, *unprivileged_ids())
            key.chmod(0o600)
            tls = (
                "client_tls_sslmode = require\n"
                f"client_tls_key_file = {key}\nclient_tls_cert_file = {self.lab.certificate}\n"
            )
        config = self.write(
            "pgbouncer.ini",
            f"""
[databases]
bench = host={self.lab.folder} port={self.lab.server_port(self.needs)} dbname=bench
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
listen_backlog = 4096
unix_socket_dir =
auth_type = {"scram-sha-256" if self.needs.scram else "trust"}
auth_file = {users}
pool_mode = {"transaction" if self.needs.pool == "transaction" else "session"}
max_client_conn = 15000
default_pool_size = {self.needs.pool_size}
server_reset_query =
{"server_lifetime = 0" if self.needs.single_use else ""}
log_connections = 0
log_disconnections = 0
log_stats = 0
{tls}""",
        )
        return ["/usr/sbin/pgbouncer", "-q", config]

    def run_as(self):
        return unprivileged()


class HAProxy(Proxy):
    name = "haproxy"
    tls_kind = "direct"  # it knows no SSLRequest

    def command(self):
        tls = ""
        if self.needs.tls:
            tls = f" ssl crt {self.lab.pem} alpn postgresql ssl-min-ver TLSv1.3"
        config = self.write(
            "haproxy.cfg",
            f"""
global
  nbthread 1
  maxconn 9000
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen bench
  bind 127.0.0.1:{self.port} backlog 4096{tls}
  server main unix@{self.lab.server_socket(self.needs)}
""",
        )
        return ["/usr/sbin/haproxy", "-db", "-q", "-f", config]


class PlainRelay(Proxy):
    name = "relay"
    can_tls = False

    def command(self):
        return [
            BUILD / "bench/bench_plain_relay", "--listen", f"127.0.0.1:{self.port}",
            "--server", self.lab.server_socket(self.needs),
        ]  # fmt: skip


PROXIES = {proxy.name: proxy for proxy in (Trunkline, PgBouncer, HAProxy, PlainRelay)}
