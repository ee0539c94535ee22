"""Fixtures every test shares: certificates, one cluster of each version, proxies that get stopped.

Clusters live for the session and are started on first use. A test that changes a server (kills
it, swaps its certificate) takes a cluster of its own from `new_cluster`.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Callable, Dict, Iterator, List

import pytest

from lib.certs import TestCertificates
from lib.pgwire import Wire, connect
from lib.postgres import Cluster, Template, password_of
from lib.processes import free_port
from lib.transcript import NORMALISATIONS
from lib.trunkline import Trunkline, base_config, sanitized


def pytest_terminal_summary(terminalreporter) -> None:
    """Say what the comparison leaves out, whenever it ran: a list nobody reads grows."""
    reports = [report for each in terminalreporter.stats.values() for report in each]
    if any("test_compare.py" in getattr(report, "nodeid", "") for report in reports):
        terminalreporter.section("not compared between direct and proxied")
        for line in NORMALISATIONS:
            terminalreporter.line(f"- {line}")


# Marks a test without a proxy: the harness alone, or another program in the proxy's place.
no_proxy = pytest.mark.skipif(sanitized(), reason="no proxy in it: the release run tells")

# Where several processes run files side by side, those that take long begin, so that all end together.
LONG_FILES = ("test_semantics.py", "test_compare.py", "test_big.py", "test_drivers.py")


def pytest_collection_modifyitems(items: list) -> None:
    order = {name: number for number, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """A temporary folder the server's account may enter (pytest's own are private)."""
    folder = Path(tempfile.mkdtemp(prefix="trunkline-e2e-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def certificates(session_folder: Path) -> TestCertificates:
    return TestCertificates(session_folder / "certs")


class Clusters:
    """Hands out templates and clusters by version and stops what it started."""

    def __init__(self, folder: Path, certificates: TestCertificates) -> None:
        self.folder, self.certificates = folder, certificates
        self._templates: Dict[int, Template] = {}
        self._shared: Dict[int, Cluster] = {}
        self.started: List[Cluster] = []

    def template(self, version: int) -> Template:
        if version not in self._templates:
            self._templates[version] = Template(version, self.folder, self.certificates)
        return self._templates[version]

    def new(self, version: int, tls: bool = True, **settings: str) -> Cluster:
        """A started cluster; its owner stops it."""
        pair = self.certificates.server if tls else None
        cluster = self.template(version).cluster(pair, **settings)
        self.started.append(cluster)
        return cluster.start()

    def shared(self, version: int) -> Cluster:
        if version not in self._shared:
            self._shared[version] = self.new(version)
        return self._shared[version]

    def stop(self) -> None:
        for cluster in self.started:
            cluster.stop()


@pytest.fixture(scope="session")
def clusters(session_folder: Path, certificates: TestCertificates) -> Iterator[Clusters]:
    found = Clusters(session_folder, certificates)
    yield found
    found.stop()


@pytest.fixture(scope="session")
def pg15(clusters: Clusters) -> Cluster:
    return clusters.shared(15)


@pytest.fixture(scope="session")
def pg18(clusters: Clusters) -> Cluster:
    return clusters.shared(18)


@pytest.fixture(params=[15, 18], ids=["pg15", "pg18"])
def cluster(request, clusters: Clusters) -> Cluster:
    """The shared cluster of each version in turn."""
    return clusters.shared(request.param)


@pytest.fixture
def new_cluster(clusters: Clusters) -> Iterator[Callable[..., Cluster]]:
    """Makes clusters this test may break: new_cluster(15, tls=False, …)."""
    mine: List[Cluster] = []

    def make(version: int = 15, tls: bool = True, **settings: str) -> Cluster:
        mine.append(clusters.new(version, tls, **settings))
        return mine[-1]

    yield make
    for each in mine:
        each.stop()
        shutil.rmtree(each.data, ignore_errors=True)


class Proxy(Trunkline):
    """A Trunkline with one listener, addressed like a server: .host and .port."""

    @property
    def host(self) -> str:
        return self.addresses()[0][0]

    @property
    def port(self) -> int:
        return self.addresses()[0][1]


ProxyFactory = Callable[..., Proxy]


@pytest.fixture
def proxy_factory(tmp_path: Path) -> Iterator[ProxyFactory]:
    """Starts proxies and stops them with their exit code and log checked: start(**config).

    A test that ends its proxy itself calls .stop() or leaves it dead with .program set to None.
    """
    started: List[Proxy] = []

    def start(environment: dict = None, run: bool = True, **config) -> Proxy:
        proxy = Proxy(tmp_path, base_config(**config), f"trunkline-{len(started)}", environment)
        started.append(proxy)
        return proxy.start() if run else proxy

    yield start
    failures = []
    for proxy in started:
        try:
            proxy.stop()
        except AssertionError as error:
            failures.append(str(error))
    assert not failures, "\n".join(failures)


PGBENCH = "/usr/lib/postgresql/15/bin/pgbench"
POOL_SIZE = 4
OF_THE_FILE = ("login_timeout", "tcp_user_timeout", "cancel_timeout")


@pytest.fixture(scope="module")
def filled(clusters: Clusters) -> Cluster:
    """A cluster with pgbench's tables, for tests of pools."""
    cluster = clusters.shared(15)
    subprocess.run([PGBENCH, "-i", "-q", "-s", "1", "-h", cluster.host, "-p", str(cluster.port),
                    "-U", "bob", "tenant"], check=True, stderr=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, env=dict(os.environ, PGPASSWORD=password_of("bob")))
    return cluster


@pytest.fixture
def pooled(proxy_factory: ProxyFactory, filled: Cluster) -> ProxyFactory:
    """Makes a proxy with this pool; everybody is who he says he is."""
    def make(mode="transaction", size=POOL_SIZE, upstream=None, pool=None, **more) -> Proxy:
        # `pool` as the test says, also its times; other keys at the top of the file.
        times = {key: more.pop(key) for key in list(more)
                 if key in ("min_size", "max_lifetime")
                 or (key.endswith("_timeout") and key not in OF_THE_FILE)}
        return proxy_factory(upstreams={"main": dict(upstream_of(filled), **(upstream or {}))},
                             pool={"mode": mode, "size": size, **times, **(pool or {})},
                             authentication=[{"method": "trust"}],
                             users=[{"name": name, "password": password_of(name)}
                                    for name in ("bob", "alice", "trusty")], **more)
    return make


@pytest.fixture
def session() -> Iterator[Callable[[Proxy], Wire]]:
    """Makes a session of bob's, which is closed when the test is over."""
    opened = []

    def make(front: Proxy) -> Wire:
        opened.append(connect(front, user="bob", database="tenant"))
        return opened[-1]
    yield make
    for wire in opened:
        wire.close()


def listener(made: TestCertificates, mode: str = "allow", **more) -> dict:
    """A `listen` entry with TLS on a free port; `more` goes into its tls part."""
    pair = made.front
    tls = {"mode": mode, "certificates": [{"cert": str(pair.cert), "key": str(pair.key)}], **more}
    return {"address": "127.0.0.1", "port": free_port(), "tls": tls}


def upstream_of(cluster: Cluster, **tls) -> dict:
    """An `upstreams` entry for a cluster over TCP; without arguments in plaintext."""
    return {"servers": [{"host": cluster.host, "port": cluster.port}],
            "tls": tls or {"mode": "disable"}}
