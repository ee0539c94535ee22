"""Users that are looked up in a database: `auth_query`."""

import re
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from conftest import upstream_of
from lib import pgwire
from lib.fake_server import FakeServer
from lib.pgauth import verifier
from lib.pgwire import Wire, WireError, connect
from lib.postgres import password_of
from lib.processes import wait_until

WHO = "select current_user"
ASKER = {"user": "asker", "password": "asker-pw"}
ASKING = ("select count(*) from pg_stat_activity"
          " where application_name = 'trunkline auth_query'")
METHODS = ["scram-sha-256", "md5", "password"]


@pytest.fixture(scope="module", params=[15, 18], ids=["pg15", "pg18"])
def server(request, clusters):
    """A cluster with a user who may read pg_authid, and databases by what is in them."""
    cluster = clusters.new(request.param)
    with cluster.connect() as connection:
        connection.execute("create role asker login superuser password 'asker-pw'")
        connection.execute("create role new_user login password 'old-pw'")
        connection.execute("set password_encryption = 'md5'")
        connection.execute("create role md5_user login password 'md5-pw'")
        connection.execute("create role no_login password 'no_login-pw'")
        connection.execute("create role no_password login")
    yield cluster
    cluster.stop()


@pytest.fixture
def asking(proxy_factory, server):
    """A proxy that knows no users but those of the server."""
    def make(query=None, method="scram-sha-256", **more):
        return proxy_factory(**{"upstreams": {"main": upstream_of(server)},
                                "auth_query": dict(ASKER, **(query or {})),
                                "authentication": [{"method": method}], **more})
    return make


def refused(front, **login) -> WireError:
    with pytest.raises(WireError) as caught:
        connect(front, **dict({"database": "app"}, **login))
    assert caught.value.severity == "FATAL"
    return caught.value


def alter(cluster, role, what) -> None:
    with cluster.connect() as connection:
        connection.execute(f"alter role {role} {what}")


def counted(front, what) -> int:
    return int(front.metrics().get(f"trunkline_auth_query_{what}_total", 0))


@pytest.mark.parametrize("pool", [None, {"mode": "transaction", "size": 2}])
def test_users_of_the_server_get_in_by_scram_and_on_by_their_own_keys(asking, pool):
    front = asking(**({"pool": pool} if pool else {}))
    for user in ("alice", "bob"):
        for _ in range(2):
            with connect(front, user=user, password=password_of(user), database="app") as wire:
                assert wire.scalar(WHO) == user
    assert refused(front, user="alice", password="wrong").sqlstate == "28P01"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("user", ["alice", "md5_user"])
def test_each_method_with_what_the_server_stores(asking, server, method, user):
    front = asking(method=method, routes=[{"upstream": "main", "login": {"user": "trusty"}}])
    password = "md5-pw" if user == "md5_user" else password_of(user)
    if method == "scram-sha-256" and user == "md5_user":
        assert refused(front, user=user, password=password).sqlstate == "28P01"
    else:
        connect(front, user=user, password=password, database="app").close()
    assert refused(front, user=user, password=password + "x").sqlstate == "28P01"


def test_an_md5_password_is_good_for_the_server_too(asking, server):
    server.set_hba(["host all md5_user all md5"])
    server.reload()
    front = asking(method="md5")
    with connect(front, user="md5_user", password="md5-pw", database="app") as wire:
        assert wire.scalar(WHO) == "md5_user"


@pytest.mark.parametrize("method", METHODS)
def test_nobody_and_a_wrong_password_look_the_same(asking, method):
    front = asking(method=method)

    def exchange(user):
        error = refused(front, user=user, password="wrong")
        fields = dict(error.fields)
        fields["M"] = fields["M"].replace(user, "NAME")
        return [each.type for each in error.messages], fields

    kinds = [exchange(user) for user in
             ("alice", "nobody_at_all", "no_login", "no_password", "x' or true --")]
    assert all(each == kinds[0] for each in kinds), kinds
    lookups = counted(front, "lookups")
    assert lookups == 5, "each of them was asked for, once"


def test_a_name_that_is_no_text_is_nobodys(asking):
    front = asking()
    error = refused(front, user=b"b\xff\xfe", password="wrong")
    assert error.sqlstate == "28P01"
    assert counted(front, "failures") == 0


def test_users_of_the_file_are_not_looked_up(asking):
    front = asking(users=[{"name": "alice", "password": "file-pw"}],
                   routes=[{"upstream": "main", "login": {"user": "trusty"}}])
    connect(front, user="alice", password="file-pw", database="app").close()
    assert refused(front, user="alice", password=password_of("alice")).sqlstate == "28P01"
    assert counted(front, "lookups") == 0


def test_methods_without_a_password_ask_nobody(asking):
    front = asking(method="trust")
    connect(front, user="trusty", database="app").close()
    assert counted(front, "lookups") == 0


def test_what_is_known_is_not_asked_again(asking, server):
    front = asking()
    for _ in range(5):
        connect(front, user="bob", password=password_of("bob"), database="app").close()
    assert (counted(front, "lookups"), counted(front, "cache_hits")) == (1, 4)
    assert counted(front, "failures") == 0
    wait_until(lambda: int(server.scalar(ASKING)) == 1, "one connection asks", 5)


def test_without_a_cache_each_login_asks_on_the_same_connection(asking, server):
    front = asking({"cache_ttl": "0s"})
    for _ in range(4):
        connect(front, user="bob", password=password_of("bob"), database="app").close()
    assert (counted(front, "lookups"), counted(front, "cache_hits")) == (4, 0)
    wait_until(lambda: int(server.scalar(ASKING)) == 1, "one connection asks", 5)


@pytest.mark.parametrize("method", METHODS)
def test_a_changed_password(asking, server, method):
    """At once where the client's answer can be checked by the new one; with SCRAM it is made with
    the old salt, and the next login works."""
    alter(server, "new_user", "password 'old-pw'")
    front = asking(method=method, routes=[{"upstream": "main", "login": {"user": "trusty"}}])
    connect(front, user="new_user", password="old-pw", database="app").close()
    alter(server, "new_user", "password 'new-pw'")
    time.sleep(1.1)
    if method == "password":
        connect(front, user="new_user", password="new-pw", database="app").close()
    else:
        assert refused(front, user="new_user", password="new-pw").sqlstate == "28P01"
    connect(front, user="new_user", password="new-pw", database="app").close()
    assert refused(front, user="new_user", password="old-pw").sqlstate == "28P01"


def test_a_user_that_comes_into_being_after_it_was_not_there(asking, server):
    front = asking()
    assert refused(front, user="late", password="late-pw").sqlstate == "28P01"
    with server.connect() as connection:
        connection.execute("drop role if exists late")
        connection.execute("create role late login password 'late-pw'")
    time.sleep(1.1)
    assert refused(front, user="late", password="late-pw").sqlstate == "28P01"
    connect(front, user="late", password="late-pw", database="app").close()
    with server.connect() as connection:
        connection.execute("drop role late")


def test_guessing_passwords_costs_one_query_a_second(asking):
    front = asking()
    began = time.monotonic()
    for _ in range(20):
        assert refused(front, user="alice", password="wrong").sqlstate == "28P01"
        assert refused(front, user="nobody", password="wrong").sqlstate == "28P01"
    assert counted(front, "lookups") <= 2 * (time.monotonic() - began + 1)


def test_an_expired_password_is_wrong_also_when_it_was_known(asking, server):
    alter(server, "new_user", "password 'old-pw' valid until '2000-01-01'")
    front = asking()
    assert refused(front, user="new_user", password="old-pw").sqlstate == "28P01"

    with server.connect() as connection:
        until = connection.execute("select now() + '7 s'").fetchone()[0]
    alter(server, "new_user", f"valid until '{until}'")
    time.sleep(1.1)
    refused(front, user="new_user", password="old-pw")
    connect(front, user="new_user", password="old-pw", database="app").close()
    time.sleep(6.5)
    error = refused(front, user="new_user", password="old-pw")
    assert (error.sqlstate, error.fields["M"]) == (
        "28P01", 'password authentication failed for user "new_user"')

    for endless in ("infinity", "2100-01-01"):
        alter(server, "new_user", f"valid until '{endless}'")
        fresh = asking()
        connect(fresh, user="new_user", password="old-pw", database="app").close()
    alter(server, "new_user", "valid until '-infinity'")
    assert refused(asking(), user="new_user", password="old-pw").sqlstate == "28P01"
    alter(server, "new_user", "valid until 'infinity'")


def test_settings_of_the_client_have_no_part_in_the_look_up(asking, server):
    """A search_path of the client's would let it answer for pg_authid itself (CVE-2025-12819)."""
    with server.connect("app") as connection:
        connection.execute("create schema if not exists evil")
        connection.execute("drop table if exists evil.pg_authid")
        connection.execute("create table evil.pg_authid (rolname name, rolpassword text)")
        connection.execute("insert into evil.pg_authid values ('alice', 'mine')")
    front = asking({"database": "*", "query": "select rolname, rolpassword from pg_authid"
                                              " where rolname = $1"})
    for setting in (("search_path", "evil, pg_catalog"),
                    ("options", "-c search_path=evil,pg_catalog")):
        assert refused(front, user="alice", password="mine",
                       parameters=[setting]).sqlstate == "28P01"
    connect(front, user="alice", password=password_of("alice"), database="app").close()


FUNCTION = """
    create or replace function find_user(name text) returns table (n text, p text)
    language sql security definer as $$ select '{found}' || '', '{password}' || '' $$"""


def test_a_function_of_the_clients_database(asking, server):
    """Each database with its own users, as far as the query says so."""
    with server.connect() as connection:
        connection.execute("drop role if exists lowly")
        connection.execute("create role lowly login password 'lowly-pw'")
    for database, password in (("shard_1", "one"), ("shard_2", "two")):
        with server.connect(database) as connection:
            connection.execute(FUNCTION.format(found="someone", password=password))
    front = asking({"user": "lowly", "password": "lowly-pw", "database": "*",
                    "query": "select n, p from find_user($1)"},
                   routes=[{"match": {"database": "/db(.)/"}, "upstream": "main",
                            "database": "shard_$1", "login": {"user": "trusty"}}])
    began = time.monotonic()
    connect(front, user="someone", password="one", database="db1").close()
    connect(front, user="someone", password="two", database="db2").close()
    assert refused(front, user="someone", password="one", database="db2").sqlstate == "28P01"
    # Nobody is in a database that is not there, and it costs the server one login.
    for _ in range(3):
        assert refused(front, user="someone", password="one", database="db9").sqlstate == "28P01"
    # A wrong password is looked up again once what is known is older than a second.
    assert 3 <= counted(front, "lookups") <= 3 + 2 * int(time.monotonic() - began)


def test_a_fixed_database_serves_all_and_the_server_says_which_exist(asking):
    front = asking()
    for database in ("app", "tenant"):
        with connect(front, user="bob", password=password_of("bob"), database=database) as wire:
            assert wire.scalar("select current_database()") == database
    assert refused(front, user="bob", password=password_of("bob"),
                   database="absent").sqlstate == "3D000"
    assert counted(front, "lookups") == 1


@pytest.mark.parametrize("query,words", [
    ({"password": "wrong"}, "password authentication failed"),
    ({"database": "absent"}, "does not exist"),
    ({"query": "select $1 from absent"}, "42P01"),
    ({"query": "select $1::text"}, "1 columns"),
    ({"query": "select 'other' || left($1, 0), 'x'"}, "not the name asked for"),
    ({"query": "select $1::text, 'x' from generate_series(1, 2)"}, "more than one row"),
    ({"query": "select $1::text, 'secret-word', 'soon'"}, "not a number"),
    ({"query": "select $1::text, pg_sleep(9)::text", "timeout": "3s"}, "no answer within"),
])
def test_a_failure_is_fatal_without_details_and_the_log_has_them(asking, query, words):
    front = asking(query)
    error = refused(front, user="alice", password=password_of("alice"))
    assert (error.sqlstate, error.fields["M"]) == (
        "57P03", 'cannot authenticate user "alice" now')
    assert words not in str(error.fields)
    wait_until(lambda: words in front.log(), "the log says why", 5)
    assert "auth_query failed" in front.log()
    assert "secret-word" not in front.log()
    assert counted(front, "failures") == 1


def test_no_secret_is_in_the_log(asking):
    front = asking()
    refused(front, user="alice", password="wrong-guess")
    connect(front, user="alice", password=password_of("alice"), database="app").close()
    log = front.log()
    for secret in ("SCRAM-SHA-256$", "asker-pw", "wrong-guess", password_of("alice")):
        assert secret not in log


def test_a_query_that_nobody_waits_for_any_more_is_cancelled(asking, server):
    front = asking({"query": "select $1::text, pg_sleep(60)::text", "timeout": "2s",
                    "max_connections": 1})
    for _ in range(2):
        assert refused(front, user="alice", password="x").sqlstate == "57P03"
    wait_until(lambda: int(server.scalar(ASKING)) == 0, "no backend sleeps on", 15)


@contextmanager
def many(count, target):
    threads = [threading.Thread(target=target, args=(i,), daemon=True) for i in range(count)]
    for each in threads:
        each.start()
    yield
    for each in threads:
        each.join(20)
        assert not each.is_alive()


def test_a_storm_of_logins_is_one_query_for_each_user(asking, server):
    """The look-ups are slow, so that all logins meet in them."""
    front = asking({"query": "select $1::text, 'pw-' || $1 || left(pg_sleep(0.3)::text, 0)",
                    "max_connections": 2},
                   routes=[{"upstream": "main", "login": {"user": "trusty"}}])
    failed = []

    def log_in(number):
        try:
            user = f"user{number % 4}"
            connect(front, user=user, password=f"pw-{user}", database="app").close()
        except (WireError, OSError) as error:
            failed.append(error)

    with many(24, log_in):
        pass
    assert not failed
    assert counted(front, "lookups") == 4
    wait_until(lambda: int(server.scalar(ASKING)) == 2, "two connections ask", 5)


def test_a_restart_of_the_server_is_not_felt_by_later_logins(proxy_factory, new_cluster):
    cluster = new_cluster(15)
    with cluster.connect() as connection:
        connection.execute("create role asker login superuser password 'asker-pw'")
    front = proxy_factory(upstreams={"main": upstream_of(cluster)}, auth_query=ASKER)
    connect(front, user="bob", password=password_of("bob"), database="app").close()
    cluster.restart()
    connect(front, user="alice", password=password_of("alice"), database="app").close()
    cluster.stop()
    assert refused(front, user="app", password=password_of("app")).sqlstate == "57P03"
    cluster.start()
    connect(front, user="app", password=password_of("app"), database="app").close()


def test_a_look_up_ends_with_the_login(proxy_factory):
    """A server that accepts and says nothing."""
    with FakeServer(lambda connection: time.sleep(5)) as silent:
        front = proxy_factory(
            upstreams={"main": {"servers": [{"host": silent.host, "port": silent.port}],
                                "tls": {"mode": "disable"}}},
            auth_query=dict(ASKER, timeout="30s"), login_timeout="500ms")
        began = time.monotonic()
        with pytest.raises((WireError, pgwire.ServerClosed)):
            connect(front, user="alice", password="x", database="app")
        assert time.monotonic() - began < 3


def test_connections_that_ask_are_closed_when_idle(asking, server):
    front = asking({"idle_timeout": "4s"})
    connect(front, user="bob", password=password_of("bob"), database="app").close()
    wait_until(lambda: int(server.scalar(ASKING)) == 1, "one connection asks", 5)
    wait_until(lambda: int(server.scalar(ASKING)) == 0, "it is closed", 10)


def test_a_reload_changes_whom_new_logins_ask(asking, server):
    front = asking()
    connect(front, user="bob", password=password_of("bob"), database="app").close()
    front.config["auth_query"] = dict(ASKER, query="select $1::text, 'other-pw'")
    front.config["routes"] = [{"upstream": "main", "login": {"user": "trusty"}}]
    front.reload(front.config)
    assert refused(front, user="bob", password=password_of("bob")).sqlstate == "28P01"
    connect(front, user="bob", password="other-pw", database="app").close()
    del front.config["auth_query"]
    front.config["users"] = [{"name": "x", "password": "y"}]
    front.reload(front.config)
    assert refused(front, user="bob", password="other-pw").sqlstate == "28P01"


def test_a_route_asks_as_it_says(asking):
    front = asking(routes=[
        {"match": {"database": "tenant"}, "upstream": "main", "login": {"user": "trusty"},
         "auth_query": {"query": "select $1::text, 'tenant-pw'"}},
        {"upstream": "main"}])
    connect(front, user="bob", password="tenant-pw", database="tenant").close()
    connect(front, user="bob", password=password_of("bob"), database="app").close()
    assert refused(front, user="bob", password="tenant-pw").sqlstate == "28P01"


def test_the_mock_exchange_shows_the_servers_iterations(asking, server):
    if server.version < 16:
        pytest.skip("scram_iterations came with PostgreSQL 16")
    with server.connect() as connection:
        connection.execute("alter role asker set scram_iterations = 5555")
    try:
        front = asking()

        def iterations_of(user):
            with Wire(front.host, front.port) as wire:
                wire.send(pgwire.startup([("user", user), ("database", "app")]))
                wire.read()
                wire.send(pgwire.message("p", b"SCRAM-SHA-256\0\0\0\0\x0dn,,n=,r=abcde"))
                first = pgwire.decode(wire.read())[1][1].decode()
                return dict(each.split("=", 1) for each in first.split(","))["i"]

        assert iterations_of("ghost") == "5555"
        alter(server, "new_user", f"password '{verifier('x', iterations=5555)}'")
        assert iterations_of("new_user") == "5555"
    finally:
        alter(server, "asker", "reset scram_iterations")


def test_psycopg_gets_in(asking):
    front = asking(pool={"mode": "transaction", "size": 2})
    for _ in range(3):
        with psycopg.connect(host=front.host, port=front.port, user="alice", dbname="app",
                             password=password_of("alice")) as connection:
            assert connection.execute(WHO).fetchone() == ("alice",)


def test_the_example_of_the_documentation(asking, server):
    """A function that says who may come this way, for a user without rights of its own."""
    page = (Path(__file__).resolve().parents[2] / "docs/auth_query.md").read_text(encoding="utf-8")
    sql = re.search(r"```sql\n(.*?)```", page, re.DOTALL)[1]
    query = re.search(r"^  query: (.*)$", page, re.MULTILINE)[1]
    with server.connect("postgres") as connection:
        connection.execute("drop schema if exists trunkline cascade")
        connection.execute("drop role if exists trunkline")
        connection.execute(sql.replace("…", "trunkline-pw"))
    front = asking({"user": "trunkline", "password": "trunkline-pw", "query": query})
    connect(front, user="alice", password=password_of("alice"), database="app").close()
    assert refused(front, user="asker", password="asker-pw").sqlstate == "28P01", "a superuser"
    alter(server, "new_user", "password 'old-pw' valid until '2000-01-01'")
    assert refused(front, user="new_user", password="old-pw").sqlstate == "28P01"
    alter(server, "new_user", "valid until 'infinity'")
    assert refused(front, user="new_user", password="x").sqlstate == "28P01"
    assert counted(front, "failures") == 0
