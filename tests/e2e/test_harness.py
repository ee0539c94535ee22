"""The harness checks itself: clusters, certificates, the raw client and the relay, no proxy."""

import pytest

from lib import pgwire
from lib.pgauth import end_point_hash, verifier
from lib.pgwire import Wire, WireError, connect
from lib.processes import wait_until
from lib.postgres import password_of
from lib.relay import Faults, PlainRelay
from lib.script import BUILDERS, Script, parse_blocks, unescape
from lib.transcript import normalise
from lib.trunkline import client_tls


@pytest.mark.parametrize("user", ["alice", "plain", "md5y", "trusty"])
def test_every_password_method_logs_in(cluster, user):
    with connect(cluster, user=user, password=password_of(user)) as wire:
        assert wire.scalar("select current_user") == user
        assert wire.session.parameters["server_version"].startswith(str(cluster.version))


@pytest.mark.parametrize("user", ["alice", "plain", "md5y"])
def test_a_wrong_password_is_refused(cluster, user):
    with pytest.raises(WireError) as caught:
        connect(cluster, user=user, password="wrong")
    assert caught.value.sqlstate == "28P01"


@pytest.mark.parametrize("spoil", [{"spoil_proof": True}, {"end_point": b"x" * 32}])
def test_a_spoiled_scram_exchange_is_refused(cluster, spoil):
    with pytest.raises(WireError):
        connect(cluster, tls=client_tls(), user="alice", password=password_of("alice"), scram=spoil)


def test_scram_plus_binds_to_the_certificate(cluster, certificates):
    tls = client_tls(certificates.ca)
    with connect(cluster, tls=tls, user="alice", password=password_of("alice"),
                 scram={"binding": "require"}) as wire:
        assert wire.session.mechanisms == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]
        shown = wire.socket.getpeercert(True)
        assert end_point_hash(shown) == end_point_hash(certificates.server.der())


def test_a_client_certificate_logs_in(cluster, certificates):
    pair = certificates.client_certy
    tls = client_tls(certificates.ca, pair.cert, pair.key)
    with connect(cluster, tls=tls, user="certy") as wire:
        assert wire.scalar("select current_user") == "certy"


def test_a_stored_verifier_has_postgresqls_form(cluster):
    assert cluster.verifier("alice").startswith("SCRAM-SHA-256$4096:")
    cluster.execute(f"CREATE ROLE made_here LOGIN PASSWORD '{verifier('made-pw')}'")
    try:
        connect(cluster, user="made_here", password="made-pw").close()
    finally:
        cluster.execute("DROP ROLE made_here")


def test_direct_tls_needs_alpn(pg18):
    with Wire(pg18.host, pg18.port) as wire:
        wire.wrap(client_tls(alpn=["postgresql"]), "localhost")
        assert wire.socket.selected_alpn_protocol() == "postgresql"
        wire.login()


def test_version_18_has_the_long_key(pg18):
    with connect(pg18, version=pgwire.VERSION_3_2) as wire:
        assert len(wire.session.key) == 32


def test_cancel_reaches_the_server(cluster):
    with connect(cluster) as wire:
        wire.send(pgwire.query("select 1; select pg_sleep(30)"))
        busy = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
        wait_until(lambda: cluster.scalar(busy), "the statement sleeps")
        pgwire.send_cancel((cluster.host, cluster.port), wire.session.pid, wire.session.key)
        assert wire.read_until("E")[-1].sqlstate() == "57014"


def test_the_relay_cuts_where_it_is_told(pg15):
    with PlainRelay((pg15.host, pg15.port), to_client=Faults(cut_after=20)) as relay:
        with Wire(relay.host, relay.port) as wire:
            wire.send(pgwire.startup([("user", "trusty"), ("database", "app")]))
            with pytest.raises(pgwire.ServerClosed):
                wire.read_until("Z")


def test_the_relay_fragments(pg15):
    with PlainRelay((pg15.host, pg15.port), Faults(piece=1), Faults(piece=3)) as relay:
        with connect(relay) as wire:
            assert wire.scalar("select repeat('x', 100)") == "x" * 100


def test_the_comparison_sees_every_field_but_the_listed_ones():
    plain = Script("x", frozenset(), ())
    own = Script("x", frozenset({"own"}), ())
    error = ("E", (("C", "42601"), ("L", "10"), ("M", "no")))
    other_line = ("E", (("C", "42601"), ("L", "11"), ("M", "no")))
    other_code = ("E", (("C", "42602"), ("L", "10"), ("M", "no")))
    assert normalise(plain, [error]) != normalise(plain, [other_line])
    assert normalise(own, [error]) == normalise(own, [other_line])
    assert normalise(own, [error]) != normalise(own, [other_code])
    assert normalise(plain, [("K", (1, b"abcd"))]) == normalise(plain, [("K", (2, b"efgh"))])
    assert normalise(plain, [("K", (1, b"abcd"))]) != normalise(plain, [("K", (1, b"a" * 32))])


def test_a_script_block_becomes_the_bytes_it_names():
    script, = parse_blocks("[b]\nbind p | s | \\x01 ; NULL | 1 | 0\nsync\nready", "t")
    assert script.steps[1:] == ("sync", "ready")
    sent = BUILDERS["bind"]([unescape(each) for each in ("p", "s", "\\x01 ; NULL", "1", "0")])
    assert sent == (b"B\0\0\0\x1bp\0s\0" b"\0\1\0\1" b"\0\2\0\0\0\1\1\xff\xff\xff\xff" b"\0\1\0\0")
