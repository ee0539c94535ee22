"""Which server a client gets, by every kind of match, and the commands that say so.
"""

import json
import socket
import subprocess

import pytest

from conftest import listener, upstream_of
from lib import pgwire
from lib.pgwire import Wire, WireError, connect
from lib.postgres import password_of
from lib.processes import free_port, wait_until
from lib.trunkline import base_config, binary, client_tls

DATABASE = "select current_database()"


def config_of(cluster, routes, **more) -> dict:
    return {"upstreams": {"main": upstream_of(cluster)}, "routes": routes,
            "authentication": [{"method": "trust"}], **more}


def to(target: str, **match) -> dict:
    """A route that shows that it won by the database it leads to."""
    return {"match": match, "upstream": "main", "database": target}


FALL = {"upstream": "main", "database": "tenant"}


@pytest.mark.parametrize("match,client,won", [
    ({"user": "trusty"}, {}, True),
    ({"user": "alice"}, {}, False),
    ({"user": ["alice", "trus*"]}, {}, True),
    ({"user": "tr*y"}, {}, True),
    ({"user": "/tr.*/"}, {}, True),
    ({"user": "/rust/"}, {}, False),
    ({"database": "app"}, {}, True),
    ({"database": "APP"}, {}, False),
    ({"database": "a*"}, {"database": "shard_1"}, False),
    ({"application_name": "etl*"}, {"parameters": [("application_name", "etl nightly")]}, True),
    ({"application_name": "etl*"}, {}, False),
    ({"source": "127.0.0.0/8"}, {}, True),
    ({"source": ["10.0.0.0/8", "::1/128"]}, {}, False),
    ({"tls": False}, {}, True),
    ({"tls": True}, {}, False),
    ({"user": "trusty", "database": "app", "source": "127.0.0.1/32"}, {}, True),
    ({"user": "trusty", "database": "other"}, {}, False),
])
def test_matches(proxy_factory, pg18, match, client, won):
    front = proxy_factory(**config_of(pg18, [to("shard_1", **match), FALL]))
    with connect(front, **client) as wire:
        assert wire.scalar(DATABASE) == ("shard_1" if won else "tenant")


@pytest.mark.parametrize("name,expected", [("host1.example.com", "shard_1"),
                                           ("a.wild.example", "shard_2"),
                                           ("db7.example", "app"), (None, "tenant")])
def test_sni_matches(proxy_factory, pg18, certificates, name, expected):
    routes = [to("shard_1", sni="host1.example.com"), to("shard_2", sni="*.wild.example"),
              to("app", sni=r"/db\d\.example/"), FALL]
    front = proxy_factory(**config_of(pg18, routes, listen=listener(certificates)))
    with connect(front, tls=client_tls(), server_name=name) as wire:
        assert wire.scalar(DATABASE) == expected


def test_the_first_match_wins(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18, [to("shard_1", user="trusty"),
                                             to("shard_2", user="trusty")]))
    with connect(front) as wire:
        assert wire.scalar(DATABASE) == "shard_1"


def test_captures_rewrite_the_database(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18, [to("shard_$1", database=r"/app_(\d+)/")]))
    for number in ("1", "2"):
        with connect(front, database=f"app_{number}") as wire:
            assert wire.scalar(DATABASE) == f"shard_{number}"


def test_a_capture_in_a_host(proxy_factory, pg18):
    route = {"match": {"database": "/via_([a-z]+)/"}, "database": "app",
             "upstream": {"host": "$1", "port": pg18.port}}
    front = proxy_factory(routes=[route], authentication=[{"method": "trust"}])
    with connect(front, database="via_localhost") as wire:
        assert wire.scalar(DATABASE) == "app"


@pytest.mark.parametrize("evil", ["via_a.b", "via_a/b", "via_..", "via_" + "a" * 59, "via_a b"])
def test_a_capture_in_a_host_is_only_a_label(proxy_factory, pg18, evil):
    route = {"match": {"database": "/via_(.*)/"}, "database": "app",
             "upstream": {"host": "$1.localhost", "port": pg18.port}}
    front = proxy_factory(routes=[route], authentication=[{"method": "trust"}])
    with pytest.raises(WireError):
        connect(front, database=evil)


def test_login_is_rewritten(proxy_factory, pg18, tmp_path):
    secret = tmp_path / "password"
    secret.write_text(password_of("app") + "\n")
    route = {"upstream": "main", "login": {"user": "app", "password_file": str(secret)}}
    front = proxy_factory(**config_of(pg18, [route]))
    with connect(front) as wire:
        assert wire.scalar("select current_user") == "app"


def test_reject_says_its_text(proxy_factory, pg18):
    routes = [{"match": {"database": "closed*"}, "reject": "gone fishing"}, FALL]
    front = proxy_factory(**config_of(pg18, routes))
    with pytest.raises(WireError) as caught:
        connect(front, database="closed_one")
    assert (caught.value.sqlstate, caught.value.fields["M"]) == ("3D000", "gone fishing")
    connect(front).close()


def test_no_match_speaks_as_postgresql_does(proxy_factory, pg18):
    front = proxy_factory(**config_of(pg18, [to("app", user="nobody")]))
    with pytest.raises(WireError) as caught:
        connect(front, database="nowhere")
    assert caught.value.sqlstate == "3D000"
    assert caught.value.fields["M"] == 'database "nowhere" does not exist'
    wait_until(lambda: "nowhere" in front.log(), "the log says what was looked at")


def test_no_match_is_told_only_after_authentication(proxy_factory, pg18):
    config = config_of(pg18, [to("app", user="nobody")],
                       users=[{"name": "alice", "password": "alice-pw"}])
    config["authentication"] = [{"method": "scram-sha-256"}]
    front = proxy_factory(**config)
    with pytest.raises(WireError) as caught:
        connect(front, user="alice", password="wrong", database="nowhere")
    assert caught.value.sqlstate == "28P01"
    with pytest.raises(WireError) as caught:
        connect(front, user="alice", password="alice-pw", database="nowhere")
    assert caught.value.sqlstate == "3D000"


def test_servers_are_tried_in_order(proxy_factory, pg15, pg18):
    servers = [{"host": "127.0.0.1", "port": free_port()}, {"host": pg18.host, "port": pg18.port},
               {"host": pg15.host, "port": pg15.port}]
    config = config_of(pg18, [{"upstream": "main"}])
    config["upstreams"]["main"]["servers"] = servers
    with connect(proxy_factory(**config)) as wire:
        assert wire.scalar("show server_version").startswith("18")


def test_no_server_answers(proxy_factory, pg18):
    config = config_of(pg18, [{"upstream": "main"}])
    config["upstreams"]["main"]["servers"] = [{"host": "127.0.0.1", "port": free_port()}]
    with pytest.raises(WireError) as caught:
        connect(proxy_factory(**config))
    assert caught.value.severity == "FATAL" and caught.value.sqlstate.startswith("08")


def test_a_server_on_a_unix_socket(proxy_factory, pg18):
    config = config_of(pg18, [{"upstream": "main"}])
    config["upstreams"]["main"]["servers"] = [{"host": str(pg18.socket_folder),
                                               "port": pg18.port}]
    with connect(proxy_factory(**config)) as wire:
        assert wire.scalar("select inet_server_port() is null") == "t"


# -- short forms ----------------------------------------------------------------------------------

def test_user_mappings(proxy_factory, pg15, pg18):
    front = proxy_factory(user_mappings={
        "alice": {"host": pg15.host, "port": pg15.port},
        "bob": {"host": pg18.host, "port": pg18.port}})
    for user, version in (("alice", "15"), ("bob", "18")):
        with connect(front, user=user, password=password_of(user)) as wire:
            assert wire.scalar("show server_version").startswith(version)


def test_user_mapping_to_another_user(proxy_factory, pg18):
    front = proxy_factory(user_mappings={"alice": {"host": pg18.host, "port": pg18.port,
                                                   "user": "app"}})
    with connect(front, user="alice", password=password_of("app")) as wire:
        assert wire.scalar("select current_user") == "app"


def test_mappings_by_sni_without_certificates_pass_tls_through(proxy_factory, pg15, pg18,
                                                               certificates):
    front = proxy_factory(mappings=[
        {"external": "one.example", "internal": pg15.host, "port": pg15.port},
        {"external": "two.example", "internal": pg18.host, "port": pg18.port}])
    for name, version in (("one.example", "15"), ("two.example", "18")):
        with connect(front, tls=client_tls(certificates.ca), server_name=name, user="alice",
                     password=password_of("alice"), scram={"binding": "require"}) as wire:
            assert wire.scalar("show server_version").startswith(version)


def test_one_mapping_alone_serves_clients_without_tls(proxy_factory, pg18):
    front = proxy_factory(mappings=[{"external": "one.example", "internal": pg18.host,
                                     "port": pg18.port}])
    with connect(front, user="alice", password=password_of("alice")) as wire:
        assert wire.scalar(DATABASE) == "app"


def test_a_pgproxy_configuration_runs_unchanged(proxy_factory, pg18, tmp_path):
    front = proxy_factory(run=False)
    port = free_port()
    front.config = {"listen": {"address": "127.0.0.1", "port": port}}
    front.write(f"listen:\n  address: 127.0.0.1\n  port: {port}\ndebug: true\nmappings:\n"
                f"  - external: host1.example.com\n    internal: {pg18.host}\n"
                f"    port: {pg18.port}\n")
    front.start()
    with connect(front, user="alice", password=password_of("alice")) as wire:
        assert wire.scalar(DATABASE) == "app"


# -- commands -------------------------------------------------------------------------------------

def run_command(tmp_path, config, *arguments):
    path = tmp_path / "checked.yaml"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    return subprocess.run([binary(), arguments[0], "--config", path, *arguments[1:]], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)


def test_check_prints_the_routes(tmp_path, pg18):
    done = run_command(tmp_path, base_config(**config_of(pg18, [to("app", user="alice"), FALL])),
                       "check")
    assert done.returncode == 0, done.stdout
    assert "line " in done.stdout and ": user=alice -> main" in done.stdout
    assert ": all -> main" in done.stdout and str(pg18.port) in done.stdout


@pytest.mark.parametrize("spoil,words", [
    (lambda c: c.update(listne={}), ["listne", "listen"]),
    (lambda c: c.update(max_clients="many"), ["max_clients", "many"]),
    (lambda c: c["routes"].append({"upstream": "missing"}), ["missing"]),
    (lambda c: c["routes"].append({"match": {"database": "/(/"}, "upstream": "main"}), ["/(/"]),
    (lambda c: c["listen"].update(tls={"mode": "require"}), ["certificates"]),
    (lambda c: c.update(login_timeout="15"), ["login_timeout", "15"]),
    (lambda c: c["routes"].insert(0, {"upstream": "main", "auth": "relay",
                                      "login": {"user": "a", "password": "b"}}), ["relay"]),
])
def test_check_names_what_is_wrong(tmp_path, pg18, spoil, words):
    config = base_config(**config_of(pg18, [FALL]))
    spoil(config)
    done = run_command(tmp_path, config, "check")
    assert done.returncode == 1
    assert "checked.yaml:" in done.stdout
    for word in words:
        assert word in done.stdout, done.stdout


def test_check_tells_all_problems_at_once(tmp_path, pg18):
    config = base_config(**config_of(pg18, [FALL]), max_clients="x", login_timeout="y")
    done = run_command(tmp_path, config, "check")
    assert "max_clients" in done.stdout and "login_timeout" in done.stdout


def test_check_tells_what_all_modules_find_at_once(tmp_path, pg18):
    config = base_config(**config_of(pg18, [{"match": {"user": "/(/"}, "upstream": "main"}, FALL]),
                         max_clients="many", users=[{"name": "x", "password": "SCRAM-SHA-256$"}])
    config["listen"]["tls"] = {"certificates": [{"cert": "none.crt", "key": "none.key"}]}
    done = run_command(tmp_path, json.dumps(config, indent=1), "check")
    assert done.returncode == 1
    for key in ("max_clients", "routes[0].match.user", "none.crt", "users"):
        assert key in done.stdout, done.stdout
    assert done.stdout.count("error:") == len(done.stdout.splitlines()) == 5, done.stdout


def test_run_with_a_bad_configuration_exits_1(tmp_path, pg18):
    assert run_command(tmp_path, {"listen": 5}, "run").returncode == 1


def test_a_port_in_use_exits_3(tmp_path, pg18):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = base_config(**config_of(pg18, [FALL]))
        config["listen"]["port"] = taken.getsockname()[1]
        assert run_command(tmp_path, config, "run").returncode == 3


def test_route_explains_itself(tmp_path, pg18):
    config = base_config(**config_of(pg18, [to("shard_1", user="alice", database="x"), FALL]))
    done = run_command(tmp_path, config, "route", "--user", "alice", "--database", "y")
    assert done.returncode == 0, done.stdout
    assert "database" in done.stdout and "main" in done.stdout and "tenant" in done.stdout


@pytest.mark.parametrize("wrong", [["--database", "y"], ["--application-name", "etl"],
                                   ["--user", "a", "--source", "nowhere"]])
def test_route_refuses_questions_without_sense(tmp_path, pg18, wrong):
    done = run_command(tmp_path, base_config(**config_of(pg18, [FALL])), "route", *wrong)
    assert done.returncode == 2 and wrong[-2] in done.stdout


# -- listeners -------------------------------------------------------------------------------------

def test_several_listeners_tcp_and_unix(proxy_factory, pg18, tmp_path):
    folder = tmp_path / "sock"
    folder.mkdir()
    listeners = [{"address": "127.0.0.1", "port": free_port()},
                 {"address": "::1", "port": free_port()},
                 {"address": str(folder), "port": 6432}]
    front = proxy_factory(**config_of(pg18, [{"upstream": "main"}], listen=listeners))
    for each in listeners:
        with Wire(each["address"], each["port"]) as wire:
            assert wire.login().scalar(DATABASE) == "app"
    assert (folder / ".s.PGSQL.6432").exists()
    front.stop()
    front.program = None
    assert not (folder / ".s.PGSQL.6432").exists()


V1 = b"PROXY TCP4 10.1.2.3 10.0.0.1 55555 5432\r\n"
V2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([10, 1, 2, 3, 10, 0, 0, 1]) +
      (55555).to_bytes(2, "big") + (5432).to_bytes(2, "big"))


@pytest.mark.parametrize("mode,header,won", [
    ("accept", V1, True), ("accept", V2, True), ("accept", b"", False), ("require", V1, True),
    ("require", V2, True), ("accept", b"PROXY UNKNOWN\r\n", False)])
def test_proxy_protocol_gives_the_source(proxy_factory, pg18, mode, header, won):
    listen = {"address": "127.0.0.1", "port": free_port(),
              "proxy_protocol": {"mode": mode, "from": ["127.0.0.0/8"]}}
    front = proxy_factory(**config_of(pg18, [to("shard_1", source="10.1.2.3/32"), FALL],
                                      listen=listen))
    with Wire(front.host, front.port) as wire:
        wire.send_slowly(header, 3)
        assert wire.login().scalar(DATABASE) == ("shard_1" if won else "tenant")


@pytest.mark.parametrize("mode,believed,header", [
    ("require", "127.0.0.0/8", b""), ("accept", "10.0.0.0/8", V1), ("off", "127.0.0.0/8", V1),
    ("require", "127.0.0.0/8", b"PROXY TCP4 nonsense\r\n"),
    ("require", "127.0.0.0/8", b"PROXY " + b"x" * 200)])
def test_proxy_protocol_is_not_believed(proxy_factory, pg18, mode, believed, header):
    listen = {"address": "127.0.0.1", "port": free_port(),
              "proxy_protocol": {"mode": mode, "from": [believed]}}
    front = proxy_factory(**config_of(pg18, [FALL], listen=listen))
    with Wire(front.host, front.port) as wire:
        wire.send(header + pgwire.startup([("user", "trusty"), ("database", "app")]))
        assert "Z" not in [each.type for each in wire.read_to_end()]
