"""What people do with PostgreSQL every day, through a pool of transactions: the same as directly."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, List

import pytest

from conftest import PGBENCH
from lib.postgres import password_of

TESTS = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((TESTS / "regress").glob("*.sql"))
BIN = Path(PGBENCH).parent


def environment(server, user: str, database: str) -> Dict[str, str]:
    return dict(os.environ, PGHOST=str(server.host), PGPORT=str(server.port), PGUSER=user,
                PGDATABASE=database, PGPASSWORD=password_of(user), PGSSLMODE="disable")


def run(arguments: List[object], variables: Dict[str, str], **more) -> str:
    done = subprocess.run([str(each) for each in arguments], env=variables, text=True, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def psql(server, script: Path) -> str:
    return run(["psql", "-X", "-a", "-q", "-f", script], environment(server, "bob", "tenant"))


@pytest.fixture(scope="module", autouse=True)
def schemas(filled) -> None:
    filled.execute("grant create on database tenant to bob")


@pytest.fixture(scope="module")
def directly(filled, schemas) -> Dict[Path, str]:
    return {script: psql(filled, script) for script in SCRIPTS}


def test_scripts_print_what_they_print_directly(pooled, directly):
    assert len(SCRIPTS) >= 6
    front = pooled(size=3)
    # From then on the pool knows that its clients ask for what defaults have drawn from sequences.
    subprocess.run(["psql", "-X", "-q", "-c", "select lastval()"], check=False,
                   env=environment(front, "bob", "tenant"), stderr=subprocess.DEVNULL)
    with ThreadPoolExecutor(len(SCRIPTS)) as threads:
        for _ in range(2):  # the second time on connections that others have used
            printed = dict(zip(SCRIPTS, threads.map(lambda script: psql(front, script), SCRIPTS)))
            for script in SCRIPTS:
                assert printed[script] == directly[script], script.name


@pytest.mark.parametrize("size", [1, 3])
def test_a_web_application_sees_what_it_sees_directly(pooled, filled, size):
    program = ["/usr/bin/python3", TESTS / "drivers/python/everyday.py"]
    expected = run(program, environment(filled, "bob", "tenant"))
    front = pooled(size=size)
    assert run(program, environment(front, "bob", "tenant")) == expected


def test_a_database_is_dumped_and_restored(pooled, filled, tmp_path):
    front = pooled(size=4)
    of_front = environment(front, "bob", "tenant")
    dump, parallel = tmp_path / "tenant.dump", tmp_path / "parallel"
    run([BIN / "pg_dump", "-Fc", "-f", dump], of_front)
    run([BIN / "pg_dump", "-Fd", "-j", "3", "-f", parallel], of_front)
    plain = [BIN / "pg_dump", "-O"]
    if "--restrict-key" in run([BIN / "pg_dump", "--help"], of_front):
        plain.append("--restrict-key=same")  # else a random one is in the text
    expected = run(plain, environment(filled, "bob", "tenant"))
    for name, source in (("restored", dump), ("restored_parallel", parallel)):
        filled.execute(f"create database {name} owner bob")
        try:
            jobs = ["-j", "3"] if source.is_dir() else []
            run([BIN / "pg_restore", "-O", "--exit-on-error", *jobs, "-d", name, source],
                dict(of_front, PGDATABASE=name))
            assert run(plain, environment(filled, "bob", name)) == expected
        finally:
            filled.execute(f"drop database {name} with (force)")


@pytest.mark.parametrize("reconnects", [[], ["-C"]], ids=["", "reconnecting"])
@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
def test_pgbench(pooled, protocol, reconnects):
    front = pooled(size=4)
    # A thread each: while one prepares, all clients of its thread wait, and hold what it waits for.
    said = run([PGBENCH, "-n", "-c", "16", "-j", "16", "-t", "20", "-M", protocol, *reconnects],
               environment(front, "bob", "tenant"))
    assert "number of transactions actually processed: 320/320" in said, said
    assert "number of failed transactions: 0 " in said, said
