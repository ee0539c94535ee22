"""Real drivers through the proxy: each small program of tests/drivers says what worked.

With TRUNKLINE_BINARY=relay a plain relay takes the proxy's place, which checks the programs.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Dict, List

import pytest

from conftest import listener, upstream_of
from lib.postgres import password_of
from lib.relay import PlainRelay

REPOSITORY = Path(__file__).resolve().parents[2]
DRIVERS = REPOSITORY / "tests/drivers"
CACHE = REPOSITORY / "build/drivers"
PYTHON = "/usr/bin/python3"
JARS = ("postgresql", "scram-client", "scram-common", "stringprep")
NPM_PACKAGES = ("pg", "pg-copy-streams", "postgres")
BASICS = ["connect", "simple", "prepared", "transaction", "copy"]


@pytest.fixture(params=[(15, "none"), (18, "none"), (15, "transaction"), (18, "transaction")],
                ids=["pg15", "pg18", "pg15-pooled", "pg18-pooled"])
def front(request, clusters, certificates):
    """The proxy with SCRAM on both sides, each session with a connection of its own or out of a
    pool; or the relay."""
    version, mode = request.param
    cluster = clusters.shared(version)
    if os.environ.get("TRUNKLINE_BINARY") == "relay":
        with PlainRelay((cluster.host, cluster.port)) as relay:
            yield relay
        return
    factory = request.getfixturevalue("proxy_factory")
    yield factory(upstreams={"main": upstream_of(cluster)},
                  routes=[{"upstream": "main", "pool": {"mode": mode, "size": 3}}],
                  users=[{"name": "alice", "password": cluster.verifier("alice")}],
                  listen=listener(certificates))


def environment(front, certificates, sslmode: str) -> Dict[str, str]:
    return dict(os.environ, PGHOST="localhost", PGPORT=str(front.port), PGUSER="alice",
                PGPASSWORD=password_of("alice"), PGDATABASE="app", PGSSLMODE=sslmode,
                PGSSLROOTCERT=str(certificates.ca), PYTHONIOENCODING="utf-8",
                PGCLIENTENCODING="UTF8")


def run(arguments: List[object], variables: Dict[str, str], expected: List[str], **more) -> None:
    """Run a program; it must print exactly one `ok …` line for each of `expected`."""
    done = subprocess.run([str(each) for each in arguments], env=variables, text=True, timeout=90,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    said = [line[3:] for line in done.stdout.splitlines() if line.startswith("ok ")]
    assert done.returncode == 0 and said == expected, done.stdout


@pytest.mark.parametrize("sslmode", ["disable", "require", "verify-full"])
def test_psql(front, certificates, sslmode):
    commands = (DRIVERS / "psql/commands.sql").read_text(encoding="utf-8")
    run(["psql", "-X", "-q"], environment(front, certificates, sslmode), BASICS + ["listen"],
        input=commands)


@pytest.mark.parametrize("sslmode", ["disable", "verify-full"])
def test_psycopg(front, certificates, sslmode):
    run([PYTHON, DRIVERS / "python/psycopg_driver.py"],
        environment(front, certificates, sslmode),
        ["connect", "simple", "prepared", "transaction", "pipeline", "copy", "cancel", "listen"])


@pytest.mark.parametrize("sslmode", ["disable", "require"])
def test_asyncpg(front, certificates, sslmode):
    run([PYTHON, DRIVERS / "python/asyncpg_driver.py"],
        environment(front, certificates, sslmode), BASICS + ["cancel", "listen"])


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The packages, installed by name once into the build folder."""
    folder = CACHE / "node"
    if not all((folder / "node_modules" / name).exists() for name in NPM_PACKAGES):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n', encoding="ascii")
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", *NPM_PACKAGES],
                       cwd=folder, check=True)
    return folder / "node_modules"


@pytest.mark.parametrize("sslmode", ["disable", "require"])
@pytest.mark.parametrize("program,expected", [("node_postgres", BASICS + ["listen"]),
                                              ("postgres_js", BASICS + ["cancel", "listen"])])
def test_node(front, certificates, node_modules, program, expected, sslmode):
    variables = environment(front, certificates, sslmode)
    run(["node", DRIVERS / f"node/{program}.cjs"],
        dict(variables, NODE_PATH=str(node_modules)), expected)


@pytest.mark.parametrize("sslmode,threshold", [("disable", 1), ("verify-full", 3)])
def test_jdbc(front, certificates, sslmode, threshold):
    path = ":".join(f"/usr/share/java/{jar}.jar" for jar in JARS)
    run(["java", "-XX:TieredStopAtLevel=1", f"-DprepareThreshold={threshold}", "-cp", path,
         DRIVERS / "java/Jdbc.java"],
        environment(front, certificates, sslmode), BASICS + ["cancel", "listen"])


@pytest.fixture(scope="session")
def pgx() -> Path:
    """Built in GOPATH mode from Debian's package, cached by the source's age."""
    program, source = CACHE / "pgx", DRIVERS / "go/pgx.go"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["/usr/bin/go", "build", "-o", program, source], check=True, env=dict(
            os.environ, GOPATH="/usr/share/gocode", GO111MODULE="off", GOFLAGS="",
            GOCACHE=str(CACHE / "go-cache")))
    return program


@pytest.mark.parametrize("sslmode", ["disable", "verify-full"])
def test_pgx(front, certificates, pgx, sslmode):
    run([pgx], environment(front, certificates, sslmode), BASICS + ["cancel", "listen"])


@pytest.fixture(scope="session")
def tokio_postgres() -> Path:
    """Built offline from Debian's crates; takes about a minute, once."""
    program, sources = CACHE / "rust/debug/tokio-postgres-driver", DRIVERS / "rust"
    newest = max(path.stat().st_mtime for path in sources.rglob("*") if path.is_file())
    if not program.exists() or program.stat().st_mtime < newest:
        work = CACHE / "rust-source"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(sources, work)
        (work / ".cargo").mkdir()
        (work / ".cargo/config.toml").write_text(
            '[source.crates-io]\nreplace-with = "debian"\n'
            '[source.debian]\ndirectory = "/usr/share/cargo/registry"\n', encoding="ascii")
        subprocess.run(["cargo", "build", "--offline", "--quiet"], cwd=work, check=True,
                       env=dict(os.environ, CARGO_TARGET_DIR=str(CACHE / "rust")))
    return program


@pytest.mark.slow
def test_tokio_postgres(front, certificates, tokio_postgres):
    run([tokio_postgres], environment(front, certificates, "disable"),
        BASICS + ["cancel", "listen"])
