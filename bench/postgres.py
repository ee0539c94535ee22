"""A real PostgreSQL in place of the server that only answers, for --postgres."""
import os
import pathlib
import pwd
import subprocess

PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")
CONNECTIONS_MAX = 300  # all variants of a scenario are up at once

SETTINGS = f"""
listen_addresses = ''
max_connections = {CONNECTIONS_MAX}
shared_buffers = 64MB
fsync = off
autovacuum = off
jit = off
"""


def unprivileged_ids():
    """PostgreSQL and PgBouncer refuse to run as root."""
    if os.getuid() != 0:
        return os.getuid(), os.getgid()
    user = pwd.getpwnam("nobody")
    return user.pw_uid, user.pw_gid


def unprivileged():
    """For subprocess."""
    if os.getuid() != 0:
        return {}
    user, group = unprivileged_ids()
    return {"user": user, "group": group, "extra_groups": []}


def start_postgres(lab, port):
    """With everybody trusted, and the table that the load's clients ask for."""
    folder = lab.folder / "postgres"
    folder.mkdir()
    os.chown(folder, *unprivileged_ids())
    run = {"check": True, "capture_output": True, "text": True, "cwd": "/", **unprivileged()}
    subprocess.run(
        [PROGRAMS / "initdb", "--auth", "trust", "--no-sync", "--username", "bench",
         "--encoding", "UTF8", "--no-locale", "-D", folder / "data"], **run,
    )  # fmt: skip
    with open(folder / "data/postgresql.conf", "a") as settings:
        settings.write(f"{SETTINGS}unix_socket_directories = '{folder}'\nport = {port}\n")
    with open(folder / "log", "w") as log:
        server = lab.spawn(
            [PROGRAMS / "postgres", "-D", folder / "data"], lab.other_cpus,
            stdout=log, stderr=log, cwd="/", **unprivileged(),
        )  # fmt: skip
    ask = [PROGRAMS / "psql", "-X", "-q", "-h", folder, "-p", str(port), "-U", "bench"]
    ready = [PROGRAMS / "pg_isready", "-q", "-h", folder, "-p", str(port)]
    lab.wait_for(lambda: subprocess.run(ready).returncode == 0, "PostgreSQL", server)
    subprocess.run([*ask, "-d", "postgres", "-c", "create database bench"], **run)
    subprocess.run(
        [*ask, "-d", "bench", "-v", "ON_ERROR_STOP=1",
         "-c", "create table product (id int primary key, name text)",
         "-c", "insert into product select 1234567, 'product 1234'",
         "-c", "vacuum analyze product"], **run,
    )  # fmt: skip
    # Where the proxies look for it.
    os.symlink(folder / f".s.PGSQL.{port}", lab.folder / f".s.PGSQL.{port}")
