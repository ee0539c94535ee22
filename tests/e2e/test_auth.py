"""How clients prove who they are, and how the proxy proves it to servers."""

import hashlib
import os
import pwd
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import listener, upstream_of
from lib import pgwire
from lib.fake_server import FakeServer
from lib.pgauth import md5_password, verifier
from lib.pgwire import Wire, WireError, connect
from lib.postgres import password_of
from lib.trunkline import client_tls, sanitized

WHO = "select current_user"
STORED = {"plain": "pw-of-x", "scram": verifier("pw-of-x"),
          "md5": "md5" + hashlib.md5(b"pw-of-xx_user").hexdigest()}


def terminating(cluster, method=None, rules=None, **more) -> dict:
    """The proxy authenticates x_user itself and logs in as trusty."""
    return {"upstreams": {"main": upstream_of(cluster)},
            "routes": [{"upstream": "main", "login": {"user": "trusty"}}],
            "authentication": rules or [{"method": method}], **more}


def code_of(front, **login) -> str:
    with pytest.raises(WireError) as caught:
        connect(front, **login)
    assert caught.value.severity == "FATAL"
    return caught.value.sqlstate


@pytest.mark.parametrize("method,stored", [
    ("password", "plain"), ("password", "scram"), ("password", "md5"), ("md5", "plain"),
    ("md5", "md5"), ("md5", "scram"), ("scram-sha-256", "plain"), ("scram-sha-256", "scram")])
def test_each_method_with_each_stored_form(proxy_factory, pg18, method, stored):
    front = proxy_factory(**terminating(pg18, method, users=[
        {"name": "x_user", "password": STORED[stored]}]))
    with connect(front, user="x_user", password="pw-of-x") as wire:
        assert wire.scalar(WHO) == "trusty"
    for wrong in ("pw-of-y", "", "x" * 1000):
        assert code_of(front, user="x_user", password=wrong) == "28P01"


def test_trust_and_reject(proxy_factory, pg18):
    front = proxy_factory(**terminating(pg18, rules=[{"user": "good", "method": "trust"},
                                                     {"method": "reject"}]))
    connect(front, user="good").close()
    assert code_of(front, user="bad") == "28000"


def test_the_default_is_scram(proxy_factory, pg18):
    config = terminating(pg18, "x", users=[{"name": "x_user", "password": "pw-of-x"}])
    del config["authentication"]
    with connect(proxy_factory(**config), user="x_user", password="pw-of-x") as wire:
        assert wire.session.mechanisms == ["SCRAM-SHA-256"]


@pytest.mark.parametrize("method", ["password", "md5", "scram-sha-256"])
def test_an_unknown_user_cannot_be_told_from_a_wrong_password(proxy_factory, pg18, method):
    front = proxy_factory(**terminating(pg18, method, users=[
        {"name": "x_user", "password": STORED["plain"]}]))

    def exchange(user):
        with pytest.raises(WireError) as caught:
            connect(front, user=user, password="wrong")
        fields = dict(caught.value.fields)
        fields["M"] = fields["M"].replace(user, "NAME")
        return [each.type for each in caught.value.messages], fields

    assert exchange("x_user") == exchange("unknown")


def test_the_mock_exchange_is_stable_for_a_name(proxy_factory, pg18):
    front = proxy_factory(**terminating(pg18, "scram-sha-256", users=[
        {"name": "x_user", "password": STORED["scram"]}]))

    def salt_of(user):
        with Wire(front.host, front.port) as wire:
            wire.send(pgwire.startup([("user", user), ("database", "app")]))
            wire.read()
            wire.send(pgwire.message("p", b"SCRAM-SHA-256\0\0\0\0\x0dn,,n=,r=abcde"))
            first = pgwire.decode(wire.read())[1][1].decode()
            parts = dict(each.split("=", 1) for each in first.split(","))
            return parts["s"], parts["i"], len(parts["r"])

    assert salt_of("ghost") == salt_of("ghost")
    assert salt_of("ghost")[0] != salt_of("other ghost")[0]
    assert salt_of("ghost")[1:] == salt_of("x_user")[1:]
    assert len(salt_of("ghost")[0]) == len(salt_of("x_user")[0])


@pytest.mark.parametrize("spoil", [
    {"spoil_proof": True}, {"spoil_nonce": True}, {"gs2": "y,,"},
    {"end_point": b"\0" * 32}, {"gs2": "p=tls-unique,,"}, {"mechanism": "SCRAM-SHA-512"},
    {"on_first": lambda data: data[:4]}, {"on_first": lambda data: b""},
    {"on_first": lambda data: data + b",m=ext"},
    {"on_first": lambda data: data.replace(b"r=", b"x=")}])
def test_spoiled_scram_over_tls_is_refused(proxy_factory, pg18, certificates, spoil):
    front = proxy_factory(**terminating(pg18, "scram-sha-256", listen=listener(certificates),
                                        users=[{"name": "x_user", "password": STORED["scram"]}]))
    assert code_of(front, tls=client_tls(), server_name="localhost", user="x_user",
                   password="pw-of-x", scram=spoil) in ("28P01", "08P01", "28000")
    connect(front, tls=client_tls(), server_name="localhost", user="x_user",
            password="pw-of-x").close()


@pytest.mark.parametrize("binding", ["disable", "prefer", "require"])
def test_channel_binding_modes(proxy_factory, pg18, certificates, binding):
    front = proxy_factory(**terminating(pg18, "scram-sha-256", listen=listener(certificates),
                                        users=[{"name": "x_user", "password": STORED["scram"]}]))
    connect(front, tls=client_tls(), server_name="localhost", user="x_user", password="pw-of-x",
            scram={"binding": binding}).close()


@pytest.mark.parametrize("size,closed", [(65531, False), (65532, True)])
def test_the_password_message_has_a_limit(proxy_factory, pg18, size, closed):
    """The length field is at most 65535, as in PostgreSQL: OAuth tokens are that long."""
    front = proxy_factory(**terminating(pg18, "password", users=[
        {"name": "x_user", "password": "pw-of-x"}]))
    with Wire(front.host, front.port) as wire:
        wire.send(pgwire.startup([("user", "x_user"), ("database", "app")]))
        wire.read()
        wire.send(pgwire.message("p", b"a" * (size - 1) + b"\0"))
        states = [each.sqlstate() for each in wire.read_to_end() if each.type == "E"]
        assert states == ([] if closed else ["28P01"]) or (closed and states == ["08P01"])


@pytest.mark.parametrize("body", [b"", b"no terminator", b"two\0words\0"])
def test_malformed_passwords(proxy_factory, pg18, body):
    front = proxy_factory(**terminating(pg18, "password", users=[
        {"name": "x_user", "password": "pw-of-x"}]))
    with Wire(front.host, front.port) as wire:
        wire.send(pgwire.startup([("user", "x_user"), ("database", "app")]))
        wire.read()
        wire.send(pgwire.message("p", body))
        states = [each.sqlstate() for each in wire.read_to_end() if each.type == "E"]
        assert states and states[0] in ("08P01", "28P01")


def test_a_query_in_place_of_a_password(proxy_factory, pg18):
    front = proxy_factory(**terminating(pg18, "password", users=[
        {"name": "x_user", "password": "pw-of-x"}]))
    with Wire(front.host, front.port) as wire:
        wire.send(pgwire.startup([("user", "x_user"), ("database", "app")]))
        wire.read()
        wire.send(pgwire.query("select 1"))
        assert [each.sqlstate() for each in wire.read_to_end() if each.type == "E"] == ["08P01"]


# -- rules ----------------------------------------------------------------------------------------

def test_an_hba_file(proxy_factory, pg18, tmp_path, certificates):
    hba = tmp_path / "pg_hba.conf"
    hba.write_text("# comment\n"
                   "local   all  all                      reject\n"
                   'host    "app" x_user  127.0.0.1/32    scram-sha-256\n'
                   "hostssl all  /^tls_    0.0.0.0/0      trust\n"
                   "hostnossl all tls_x   all             reject\n"
                   "host    all  open,other 127.0.0.1 255.255.255.255 trust\n")
    config = terminating(pg18, "x", listen=listener(certificates), hba_file=str(hba),
                         users=[{"name": "x_user", "password": "pw-of-x"}])
    del config["authentication"]
    front = proxy_factory(**config)
    connect(front, user="x_user", password="pw-of-x").close()
    connect(front, user="open").close()
    connect(front, user="other").close()
    connect(front, tls=client_tls(), server_name="localhost", user="tls_x").close()
    assert code_of(front, user="tls_x") == "28000"
    assert code_of(front, user="stranger") == "28000"
    assert code_of(front, user="x_user", password="pw-of-x", database="tenant") == "28000"


def test_rules_by_source_database_and_type(proxy_factory, pg18, certificates):
    rules = [{"type": "hostssl", "user": "a", "method": "trust"},
             {"type": "host", "source": "10.0.0.0/8", "method": "trust"},
             {"database": ["tenant", "shard_1"], "method": "trust"}, {"method": "reject"}]
    front = proxy_factory(**terminating(pg18, rules=rules, listen=listener(certificates)))
    connect(front, tls=client_tls(), server_name="localhost", user="a").close()
    connect(front, user="b", database="tenant").close()
    assert code_of(front, user="a") == "28000"


def test_a_pgbouncer_userlist(proxy_factory, pg18, tmp_path):
    users = tmp_path / "userlist.txt"
    users.write_text('; comment\n"x_user" "pw-of-x"\n'
                     f'"md_user" "md5{hashlib.md5(b"pw-of-xmd_user").hexdigest()}"\n'
                     f'"sc""quoted" "{STORED["scram"]}"\n')
    front = proxy_factory(**terminating(pg18, "md5", users_file=str(users)))
    for user in ("x_user", "md_user", 'sc"quoted'):
        connect(front, user=user, password="pw-of-x").close()
        assert code_of(front, user=user, password="no") == "28P01"


def test_ten_thousand_users_load_quickly(proxy_factory, pg18, tmp_path):
    users = tmp_path / "userlist.txt"
    users.write_text("".join(f'"user{n}" "{STORED["scram"]}"\n' for n in range(10_000)))
    begun = time.monotonic()
    front = proxy_factory(**terminating(pg18, "scram-sha-256", users_file=str(users)))
    assert time.monotonic() - begun < 10
    connect(front, user="user9999", password="pw-of-x").close()


# -- certificates and peer ------------------------------------------------------------------------

def certified(proxy_factory, pg18, certificates, rule, **more):
    listen = listener(certificates, client_certificate="request", client_ca=str(certificates.ca))
    return proxy_factory(**terminating(pg18, rules=[{"type": "hostssl", **rule},
                                                    {"method": "reject"}], listen=listen, **more))


def test_cert_takes_the_common_name(proxy_factory, pg18, certificates):
    front = certified(proxy_factory, pg18, certificates, {"method": "cert"})
    pair = certificates.client_certy
    shown = client_tls(None, pair.cert, pair.key)
    connect(front, tls=shown, server_name="localhost", user="certy").close()
    assert code_of(front, tls=shown, server_name="localhost", user="alice") == "28000"
    assert code_of(front, tls=client_tls(), server_name="localhost", user="certy") == "28000"


def test_cert_with_a_map(proxy_factory, pg18, certificates):
    front = certified(proxy_factory, pg18, certificates, {"method": "cert", "map": "corp"},
                      ident=[{"map": "corp", "system_user": "/(.*)@corp\\.example/",
                              "database_user": "\\1"}])
    pair = certificates.client_mapped
    shown = client_tls(None, pair.cert, pair.key)
    connect(front, tls=shown, server_name="localhost", user="certy").close()
    assert code_of(front, tls=shown, server_name="localhost", user="alice") == "28000"


def test_peer(proxy_factory, pg18, tmp_path):
    folder = tmp_path / "sock"
    folder.mkdir()
    me = pwd.getpwuid(os.geteuid()).pw_name
    front = proxy_factory(**terminating(
        pg18, rules=[{"type": "local", "method": "peer"}, {"method": "reject"}],
        listen={"address": str(folder), "port": 6432}))
    connect((front.host, front.port), user=me).close()
    with pytest.raises(WireError) as caught:
        connect((front.host, front.port), user="somebody_else")
    assert caught.value.sqlstate == "28000"


# A directory service that does not answer, as far as the proxy can see.
HANGS = """
#include <pwd.h>
#include <unistd.h>
int getpwuid_r(uid_t user, struct passwd* entry, char* buffer, size_t size, struct passwd** found) {
  for (;;) pause();
}
"""


@pytest.mark.skipif(sanitized(), reason="a preloaded library comes before the sanitizer's")
def test_peer_whose_name_is_not_found_in_time(proxy_factory, pg18, tmp_path):
    source, library = tmp_path / "hangs.c", tmp_path / "hangs.so"
    source.write_text(HANGS)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    folder = tmp_path / "sock"
    folder.mkdir()
    front = proxy_factory(
        environment={"LD_PRELOAD": str(library)},
        **terminating(pg18, rules=[{"type": "local", "database": "app", "method": "peer"},
                                   {"method": "trust"}],
                      listen={"address": str(folder), "port": 6432}, login_timeout="3s"))
    where = (front.host, front.port)

    def late(_):
        begun = time.monotonic()
        code = code_of(where, user="somebody")
        return code, time.monotonic() - begun

    connect(where, user="trusty", database="tenant").close()  # all threads are there then
    threads = len(os.listdir(f"/proc/{front.pid}/task"))
    for _ in range(2):
        with ThreadPoolExecutor(20) as several:
            for code, seconds in several.map(late, range(20)):
                assert code == "57014" and 2.9 < seconds < 10
    assert len(os.listdir(f"/proc/{front.pid}/task")) == threads, "one look-up, however many ask"
    connect(where, user="trusty", database="tenant").close()
    front.terminate()
    assert front.program.wait(10) == 0, "the end waits for no look-up"


# -- towards servers ------------------------------------------------------------------------------

@pytest.mark.parametrize("user", ["alice", "plain", "md5y"])
@pytest.mark.parametrize("tls", ["disable", "require"])
def test_login_by_every_method_of_the_server(proxy_factory, cluster, user, tls):
    front = proxy_factory(
        upstreams={"main": upstream_of(cluster, mode=tls)},
        routes=[{"upstream": "main", "login": {"user": user, "password": password_of(user)}}],
        authentication=[{"method": "trust"}])
    with connect(front, user="anyone") as wire:
        assert wire.scalar(WHO) == user


@pytest.mark.parametrize("user", ["alice", "plain", "md5y"])
def test_the_stored_password_serves_both_sides(proxy_factory, cluster, user):
    front = proxy_factory(
        upstreams={"main": upstream_of(cluster)}, routes=[{"upstream": "main"}],
        users=[{"name": user, "password": password_of(user)}])
    with connect(front, user=user, password=password_of(user)) as wire:
        assert wire.scalar(WHO) == user


@pytest.mark.parametrize("tls", ["disable", "require"])
def test_the_client_key_serves_when_the_verifier_is_the_servers(proxy_factory, cluster, tls,
                                                                certificates):
    front = proxy_factory(
        listen=listener(certificates), upstreams={"main": upstream_of(cluster, mode=tls)},
        routes=[{"upstream": "main"}],
        users=[{"name": "alice", "password": cluster.verifier("alice")}])
    with connect(front, user="alice", password=password_of("alice")) as wire:
        assert wire.scalar(WHO) == "alice"
    with connect(front, tls=client_tls(), server_name="localhost", user="alice",
                 password=password_of("alice"), scram={"binding": "require"}) as wire:
        assert wire.scalar(WHO) == "alice"


@pytest.mark.parametrize("method", ["scram-sha-256", "password"])
def test_what_a_client_has_shown_serves_a_login_as_himself(proxy_factory, pg18, method):
    """`login` without a password: what alice shows is for alice, and for nobody else."""
    front = proxy_factory(
        upstreams={"main": upstream_of(pg18)}, authentication=[{"method": method}],
        routes=[{"upstream": "main", "login": {"user": "alice"}}],
        users=[{"name": name, "password": pg18.verifier(name)} for name in ("alice", "bob")])
    with connect(front, user="alice", password=password_of("alice")) as wire:
        assert wire.scalar(WHO) == "alice"
    assert code_of(front, user="bob", password=password_of("bob"))[:2] in ("28", "08")


def test_another_verifier_of_the_same_password_does_not_serve(proxy_factory, pg18):
    front = proxy_factory(
        upstreams={"main": upstream_of(pg18)}, routes=[{"upstream": "main"}],
        users=[{"name": "alice", "password": verifier(password_of("alice"))}])
    assert code_of(front, user="alice", password=password_of("alice"))[:2] in ("28", "08")


def test_a_wrong_login_password_tells_no_secret(proxy_factory, pg18):
    front = proxy_factory(
        upstreams={"main": upstream_of(pg18)}, authentication=[{"method": "trust"}],
        routes=[{"upstream": "main", "login": {"user": "alice", "password": "se-cret-pw"}}])
    with pytest.raises(WireError) as caught:
        connect(front)
    assert "se-cret-pw" not in str(caught.value) and "se-cret-pw" not in front.log()


@pytest.mark.parametrize("first", [
    b"r=NONCEx,s=c2FsdA==,i=2000000000", b"r=NONCEx,s=c2FsdA==,i=0", b"r=other,s=c2FsdA==,i=4096",
    b"r=NONCE,s=c2FsdA==,i=4096", b"r=NONCEx,s=!!!,i=4096", b"", b"r=" + b"n" * 60000,
    b"r=NONCEx,s=" + b"A" * 40000 + b",i=4096"], ids=range(8))
def test_a_hostile_server_exchange_is_refused_quickly(proxy_factory, first):
    def talk(client):
        client.recv(4096)
        client.sendall(pgwire.message("R", b"\0\0\0\x0aSCRAM-SHA-256\0\0"))
        nonce = client.recv(4096).rsplit(b"r=", 1)[-1]
        client.sendall(pgwire.message("R", b"\0\0\0\x0b" + first.replace(b"NONCE", nonce)))
        client.recv(4096)

    with FakeServer(talk) as server:
        front = proxy_factory(
            upstreams={"main": upstream_of(server)}, authentication=[{"method": "trust"}],
            routes=[{"upstream": "main", "login": {"user": "alice", "password": "x"}}])
        begun = time.monotonic()
        code_of(front)
        assert time.monotonic() - begun < 3


def test_md5_salts_differ(proxy_factory, pg18):
    front = proxy_factory(**terminating(pg18, "md5", users=[
        {"name": "x_user", "password": "pw-of-x"}]))
    salts = set()
    for _ in range(5):
        with Wire(front.host, front.port) as wire:
            wire.send(pgwire.startup([("user", "x_user"), ("database", "app")]))
            salts.add(pgwire.decode(wire.read())[1][1])
    assert len(salts) == 5
    assert md5_password("x_user", "pw-of-x", b"salt").startswith(b"md5")
