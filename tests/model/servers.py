"""What the command starts: PostgreSQL, and in front of it PgBouncer, Trunkline, or nothing."""

import asyncio
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Iterator, List, Tuple

from lib.postgres import Cluster, Template
from lib.processes import Program, free_port, give_to, unprivileged_user, wait_until
from lib.trunkline import Trunkline, base_config
from model.arena import Admin
from model.client import Address
from model.grammar import MOST_CLIENTS

KINDS = ("direct", "pgbouncer", "trunkline")
PGBOUNCER = "/usr/sbin/pgbouncer"
HBA = ["host all model,postgres 127.0.0.1/32 trust"]
ROLES = """
do $$ begin
  if to_regrole('model') is null then
    create role model login; create role model_a; create role model_b;
    grant model_a, model_b to model;
  end if;
end $$"""
SCHEMA = """
grant all on schema public to public;
create table who (name text); insert into who values ('public'); grant select on who to public;
create schema sa; create table sa.who as select 'sa'::text as name;
create schema sb; create table sb.who as select 'sb'::text as name;
grant usage on schema sa, sb to public; grant select on sa.who, sb.who to public;
create function opaque_set(name text, value text) returns void language plpgsql as
  $$ begin perform set_config(name, value, false); end $$;
create function opaque_path() returns text language sql set search_path = sb as
  $$ select name from who $$;
create view opaque_view as select set_config('DateStyle', 'German', false);
create function hook() returns trigger language plpgsql as $$ begin
  perform set_config('application_name', 'from a trigger', false); return null; end $$;
create table hooked (a int); grant all on hooked to public;
create trigger hook before insert on hooked for each row execute function hook();
create table late (k int primary key deferrable initially deferred);
insert into late select generate_series(0, 7);
grant select on opaque_view to public; grant all on late to public;
create procedure opaque_commit(name text, key int) language plpgsql as $$ begin
  execute format('update %I set v = v || ''c'' where k = %s', name, key); commit; end $$"""
TABLES = """
create table t{n} (k int primary key, v text); alter table t{n} owner to model;
grant select on t{n} to model_a; grant all on t{n} to model_b;
create table d{n} (a int default 1); alter table d{n} owner to model;
create sequence s{n}; alter sequence s{n} owner to model;"""


def database_names(count: int) -> List[Tuple[str, str]]:
    """For each arena the database that is reached straight, and the one behind the proxy."""
    return [(f"model_d{at}", f"model_p{at}") for at in range(count)]


async def _prepare(address: Address, count: int) -> None:
    names = [each for pair in database_names(count) for each in pair]
    server = await Admin(address, "postgres").open()
    try:
        await server.rows(ROLES)
        for each in names:
            await server.rows(f"drop database if exists {each} with (force)")
        await server.rows(f"create database {names[0]}")
        first = await Admin(address, names[0]).open()
        tables = "".join(TABLES.format(n=n) for n in range(MOST_CLIENTS))
        await first.rows(SCHEMA + ";" + tables)
        first.close()
        while int((await server.rows("select count(*) from pg_stat_activity where datname = "
                                     f"'{names[0]}'"))[0][0] or 0):
            await asyncio.sleep(0.01)
        for each in names[1:]:
            await server.rows(f"create database {each} template {names[0]}")
    finally:
        server.close()


def prepare(address: Address, count: int) -> None:
    """Roles and databases for so many arenas; earlier ones of the same names are dropped."""
    asyncio.run(_prepare(address, count))


async def _version(address: Address) -> str:
    server = await Admin(address, "postgres").open()
    try:
        return ((await server.rows("select version()"))[0][0] or b"").decode()
    finally:
        server.close()


def version_of(address: Address) -> str:
    """The server's own words."""
    return asyncio.run(_version(address))


# -- Starting -------------------------------------------------------------------------------------

@contextmanager
def folder_for_servers() -> Iterator[Path]:
    """One the server's account may enter."""
    folder = Path(tempfile.mkdtemp(prefix="trunkline-model-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(cluster: Cluster) -> Iterator[Cluster]:
    """A cluster with the model's users, until the end of the block."""
    cluster.set_hba(HBA)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()


# Temporary tables by the thousand: the catalogs need autovacuum. From the sixth time that a statement
# runs, whoever runs it, PostgreSQL may plan it generically: then what is wrong with a value shows in
# Execute and not in Bind, sooner where clients share the statement.
SETTINGS = {"autovacuum": "on", "plan_cache_mode": "force_custom_plan"}


def new_cluster(folder: Path, version: int) -> Cluster:
    return Template(version, folder, None).cluster(log_connections="off", **SETTINGS)


@contextmanager
def pgbouncer(folder: Path, cluster: Cluster, pool: int) -> Iterator[Address]:
    """Debian's PgBouncer in transaction mode, otherwise as it comes."""
    port, user = free_port(), unprivileged_user()
    users, config = folder / "pgbouncer-users.txt", folder / "pgbouncer.ini"
    users.write_text('"model" ""\n', encoding="ascii")
    config.write_text(f"""[databases]
* = host={cluster.host} port={cluster.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = {pool}
max_client_conn = 1000
ignore_startup_parameters = extra_float_digits,options,search_path,work_mem,IntervalStyle
""", encoding="ascii")
    for each in (users, config):
        give_to(each, user)
    program = Program([PGBOUNCER, config], folder / "pgbouncer.log", user)
    try:
        wait_until(lambda: "process up" in program.log() or not program.running(),
                   "PgBouncer is up")
        assert program.running(), program.log()
        yield ("127.0.0.1", port)
    finally:
        program.kill()


def trunkline_config(cluster: Cluster, pool: int) -> dict:
    """Transaction pooling in front of a cluster, trusting everybody."""
    upstream = {"servers": [{"host": cluster.host, "port": cluster.port}],
                "tls": {"mode": "disable"}}
    route = {"upstream": "main", "pool": {"mode": "transaction", "size": pool}}
    return {"upstreams": {"main": upstream}, "routes": [route],
            "authentication": [{"method": "trust"}]}


class Refused(Exception):
    """A proxy did not start; what it said."""


@contextmanager
def trunkline(folder: Path, cluster: Cluster, pool: int) -> Iterator[Address]:
    """The program of $TRUNKLINE_BINARY; it may not know the configuration yet."""
    proxy = Trunkline(folder, base_config(log={"level": "info"}, **trunkline_config(cluster, pool)))
    try:
        proxy.start()
    except AssertionError as error:
        if proxy.running():
            raise
        raise Refused(proxy.log().strip()[-500:]) from error
    try:
        yield proxy.addresses()[0]
    finally:
        proxy.stop()


@contextmanager
def start(kind: str, pool: int, version: int = 15) -> Iterator[Tuple[Address, Address]]:
    """PostgreSQL and one of KINDS in front of it: (direct, proxy)."""
    with ExitStack() as stack:
        folder = stack.enter_context(folder_for_servers())
        cluster = stack.enter_context(running(new_cluster(folder, version)))
        direct = (cluster.host, cluster.port)
        proxy = direct if kind == "direct" else stack.enter_context(
            {"pgbouncer": pgbouncer, "trunkline": trunkline}[kind](folder, cluster, pool))
        yield direct, proxy
