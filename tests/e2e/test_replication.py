"""COPY in both directions, that is physical and logical replication, runs through.
"""

import os
import subprocess

import pytest

from conftest import upstream_of
from lib import pgwire
from lib.pgwire import connect
from lib.postgres import password_of
from lib.processes import free_port, give_to, unprivileged_user, user_options, wait_until

BASEBACKUP = "/usr/lib/postgresql/15/bin/pg_basebackup"


def front_of(proxy_factory, cluster):
    return proxy_factory(
        upstreams={"main": upstream_of(cluster)}, routes=[{"upstream": "main"}],
        users=[{"name": "repl", "password": cluster.verifier("repl")}],
        authentication=[{"user": "repl", "method": "scram-sha-256"}, {"method": "trust"}])


@pytest.mark.parametrize("wal", ["fetch", "stream"])
def test_pg_basebackup(proxy_factory, new_cluster, session_folder, wal):
    cluster = new_cluster(15)
    front = front_of(proxy_factory, cluster)
    user = unprivileged_user()
    target = session_folder / f"backup-{wal}-{free_port()}"
    target.mkdir(mode=0o700)
    give_to(target, user)
    done = subprocess.run(
        [BASEBACKUP, "-h", front.host, "-p", str(front.port), "-U", "repl", "-D", target, "-X",
         wal, "--checkpoint=fast", "--no-sync", "-w"], stdout=subprocess.PIPE, timeout=120,
        stderr=subprocess.STDOUT, text=True, cwd="/", **user_options(user),
        env=dict(os.environ, PGPASSWORD=password_of("repl")))
    assert done.returncode == 0, done.stdout
    verified = subprocess.run(["/usr/lib/postgresql/15/bin/pg_verifybackup", target], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
                              **user_options(user))
    assert verified.returncode == 0, verified.stdout


def test_a_logical_subscription(proxy_factory, new_cluster):
    publisher, subscriber = new_cluster(15), new_cluster(18)
    front = front_of(proxy_factory, publisher)
    for cluster in (publisher, subscriber):
        cluster.execute("CREATE TABLE news (id int PRIMARY KEY, words text)", "app")
    publisher.execute("GRANT SELECT ON news TO repl; INSERT INTO news VALUES (1, 'before');"
                      "CREATE PUBLICATION pub FOR TABLE news", "app")
    connection = (f"host={front.host} port={front.port} user=repl dbname=app "
                  f"password={password_of('repl')}")
    subscriber.execute(f"CREATE SUBSCRIPTION sub CONNECTION '{connection}' PUBLICATION pub", "app")
    try:
        count = "SELECT count(*) FROM news"
        wait_until(lambda: subscriber.scalar(count, "app") == 1, "the first copy arrives", 30)
        publisher.execute("INSERT INTO news SELECT n, repeat('w', 1000) "
                          "FROM generate_series(2, 5001) n", "app")
        wait_until(lambda: subscriber.scalar(count, "app") == 5001, "the changes arrive", 30)
        publisher.execute("DELETE FROM news WHERE id > 10; UPDATE news SET words = 'new'", "app")
        wait_until(lambda: subscriber.scalar(
            "SELECT count(*) FROM news WHERE words = 'new'", "app") == 10, "updates arrive", 30)
    finally:
        subscriber.execute("DROP SUBSCRIPTION sub", "app")


def test_copy_both_ends_as_the_documentation_says(proxy_factory, cluster):
    """START_REPLICATION, CopyDone from us: CopyDone, two CommandCompletes, ReadyForQuery."""
    front = front_of(proxy_factory, cluster)
    streams = []
    for where in (cluster, front):
        with connect(where, user="streamer", parameters=[("replication", "true")]) as wire:
            found = wire.run("IDENTIFY_SYSTEM")
            row = next(each for each in found if each.type == "D").values()
            wire.send(pgwire.query(b"START_REPLICATION PHYSICAL " + row[2]))
            assert wire.read().type == "W"
            wire.send(pgwire.copy_data(b"r" + b"\0" * 33), pgwire.copy_done())
            kinds = [each.type for each in wire.read_until("Z")]
            streams.append([kind for kind in kinds if kind != "d"])
            wire.send(pgwire.terminate())
            assert not wire.read_to_end()
    assert streams[0] == streams[1]


def test_a_slot_is_read_by_sql_and_stream(proxy_factory, pg18):
    front = front_of(proxy_factory, pg18)
    with connect(front, user="streamer", parameters=[("replication", "database")]) as wire:
        wire.run("CREATE_REPLICATION_SLOT through TEMPORARY LOGICAL test_decoding")
        pg18.execute("CREATE TABLE IF NOT EXISTS decoded (a int); INSERT INTO decoded VALUES (7)",
                     "app")
        wire.send(pgwire.query("START_REPLICATION SLOT through LOGICAL 0/0"))
        wire.read_until("W")
        seen = b""
        while b"a[integer]:7" not in seen:
            seen += wire.read_until("d")[-1].body
        wire.send(pgwire.copy_done())
        assert [each.type for each in wire.read_until("Z") if each.type != "d"][-1] == "Z"
