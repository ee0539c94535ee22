"""pgbench through the proxy: three protocols, 64 clients, plain and encrypted, and reconnecting."""

import os
import re
import subprocess

import pytest

from conftest import listener, upstream_of
from lib.postgres import password_of

PGBENCH = "/usr/lib/postgresql/15/bin/pgbench"


@pytest.fixture(scope="module")
def filled(clusters):
    cluster = clusters.shared(15)
    subprocess.run([PGBENCH, "-i", "-q", "-s", "1", "-h", cluster.host, "-p", str(cluster.port),
                    "-U", "bob", "tenant"], check=True, stderr=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, env=dict(os.environ, PGPASSWORD=password_of("bob")))
    return cluster


def run(front, *options, sslmode="disable"):
    done = subprocess.run(
        [PGBENCH, "-n", "-h", front.host, "-p", str(front.port), "-U", "bob", *options, "tenant"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
        env=dict(os.environ, PGPASSWORD=password_of("bob"), PGSSLMODE=sslmode))
    assert done.returncode == 0, done.stdout
    assert re.search(r"number of failed transactions: 0 ", done.stdout), done.stdout
    made = re.search(r"actually processed: (\d+)(?:/(\d+))?", done.stdout)
    assert made and int(made[1]) > 0
    if made[2]:
        assert made[1] == made[2], done.stdout
    return int(made[1])


@pytest.fixture
def front(proxy_factory, filled, certificates):
    return proxy_factory(upstreams={"main": upstream_of(filled)}, routes=[{"upstream": "main"}],
                         users=[{"name": "bob", "password": filled.verifier("bob")}],
                         listen=listener(certificates))


@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
@pytest.mark.parametrize("sslmode", ["disable", "require"])
def test_sixty_four_clients(front, protocol, sslmode):
    run(front, "-c", "64", "-j", "2", "-t", "20", "-M", protocol, sslmode=sslmode)


def test_select_only_counts_what_was_done(front):
    before = front.counter("statements_select")
    done = run(front, "-S", "-c", "16", "-t", "100", "-M", "prepared")
    looks_at_its_tables = 2  # before the first transaction
    assert front.counter("statements_select") - before == done + looks_at_its_tables


def test_a_connection_for_each_transaction(front):
    run(front, "-S", "-C", "-c", "8", "-t", "20")


def test_pipelines(front, tmp_path):
    script = tmp_path / "pipeline.sql"
    script.write_text("\\startpipeline\n" + "select 1;\n" * 16 + "\\endpipeline\n")
    run(front, "-f", str(script), "-c", "16", "-t", "50", "-M", "extended")
