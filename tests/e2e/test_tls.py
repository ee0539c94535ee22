"""TLS to clients in its four modes, TLS to servers in libpq's six."""

import ssl
import time

import pytest

from conftest import listener, upstream_of
from lib import pgwire
from lib.fake_server import FakeServer
from lib.pgauth import end_point_hash
from lib.pgwire import Wire, WireError, connect
from lib.postgres import password_of
from lib.processes import free_port, open_descriptors, wait_until
from lib.relay import Faults, PlainRelay
from lib.trunkline import client_tls


def files(pair) -> dict:
    return {"cert": str(pair.cert), "key": str(pair.key)}


def simple(cluster, **more) -> dict:
    """One upstream, one route, everyone trusted."""
    return {"upstreams": {"main": upstream_of(cluster)}, "routes": [{"upstream": "main"}],
            "authentication": [{"method": "trust"}], **more}


# -- towards clients ------------------------------------------------------------------------------

def test_disable_answers_no(proxy_factory, pg18):
    front = proxy_factory(**simple(pg18))
    with Wire(front.host, front.port) as wire:
        assert wire.request_tls() == b"N"
        wire.login()


def test_allow_serves_both(proxy_factory, pg18, certificates):
    front = proxy_factory(**simple(pg18, listen=listener(certificates)))
    connect(front).close()
    with connect(front, tls=client_tls(certificates.ca), server_name="localhost") as wire:
        assert wire.socket.version() == "TLSv1.3"


def test_require_refuses_plaintext_in_words(proxy_factory, pg18, certificates):
    front = proxy_factory(**simple(pg18, listen=listener(certificates, "require")))
    with pytest.raises(WireError) as caught:
        connect(front)
    assert caught.value.severity == "FATAL" and caught.value.sqlstate == "28000"
    connect(front, tls=client_tls(), server_name="localhost").close()


@pytest.mark.parametrize("name,expected", [
    ("one.eu.example.com", "front_exact"), ("two.eu.example.com", "front_eu"),
    ("localhost", "front"), ("unknown.example", "front"), (None, "front"),
    ("deep.two.eu.example.com", "front"), ("ONE.EU.example.com", "front_exact")])
def test_sni_picks_the_certificate(proxy_factory, pg18, certificates, name, expected):
    listen = listener(certificates)
    listen["tls"]["certificates"] += [
        {"names": ["*.eu.example.com"], **files(certificates.front_eu)},
        {"names": ["one.eu.example.com"], **files(certificates.front_exact)}]
    front = proxy_factory(**simple(pg18, listen=listen))
    with Wire(front.host, front.port) as wire:
        wire.start_tls(client_tls(), name)
        assert wire.socket.getpeercert(True) == getattr(certificates, expected).der()


@pytest.mark.parametrize("pair", ["front", "front_rsa", "front_sha384"])
def test_scram_plus_binds_to_the_certificate_shown(proxy_factory, pg18, certificates, pair):
    listen = listener(certificates, certificates=[files(getattr(certificates, pair))])
    config = simple(pg18, listen=listen, users=[{"name": "alice", "password": "alice-pw"}])
    config["authentication"] = [{"method": "scram-sha-256"}]
    front = proxy_factory(**config)
    with connect(front, tls=client_tls(), server_name="localhost", user="alice",
                 password="alice-pw", scram={"binding": "require"}) as wire:
        assert wire.session.mechanisms == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]
        assert end_point_hash(wire.socket.getpeercert(True))


def test_plus_is_not_offered_for_ed25519(proxy_factory, pg18, certificates):
    listen = listener(certificates, certificates=[files(certificates.front_ed25519)])
    config = simple(pg18, listen=listen, users=[{"name": "alice", "password": "alice-pw"}])
    config["authentication"] = [{"method": "scram-sha-256"}]
    front = proxy_factory(**config)
    with connect(front, tls=client_tls(), server_name="localhost", user="alice",
                 password="alice-pw") as wire:
        assert wire.session.mechanisms == ["SCRAM-SHA-256"]


@pytest.mark.parametrize("offer,selected", [(["postgresql"], "postgresql"), ([], None),
                                            (["h2", "postgresql"], "postgresql")])
def test_alpn_over_starttls(proxy_factory, pg18, certificates, offer, selected):
    front = proxy_factory(**simple(pg18, listen=listener(certificates)))
    with connect(front, tls=client_tls(alpn=offer), server_name="localhost") as wire:
        assert wire.socket.selected_alpn_protocol() == selected


@pytest.mark.parametrize("direct", [False, True])
def test_a_foreign_alpn_gets_an_alert(proxy_factory, pg18, certificates, direct):
    front = proxy_factory(**simple(pg18, listen=listener(certificates)))
    with Wire(front.host, front.port) as wire:
        with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
            if direct:
                wire.wrap(client_tls(alpn=["http/1.1"]), "localhost")
            else:
                wire.start_tls(client_tls(alpn=["http/1.1"]), "localhost")


def test_sessions_are_not_resumed(proxy_factory, pg18, certificates):
    """A resumed session shows no certificate: PLUS and client authorities would go stale."""
    front = proxy_factory(**simple(pg18, listen=listener(certificates)))
    context = client_tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with Wire(front.host, front.port) as wire:
        wire.start_tls(context, "localhost")
        wire.login()
        session = wire.socket.session
    with Wire(front.host, front.port) as wire:
        assert wire.request_tls() == b"S"
        wrapped = context.wrap_socket(wire.socket, server_hostname="localhost", session=session)
        wire.socket = wrapped
        assert not wrapped.session_reused


@pytest.mark.parametrize("minimum,accepted", [("1.2", True), ("1.3", False)])
def test_min_version(proxy_factory, pg18, certificates, minimum, accepted):
    front = proxy_factory(**simple(pg18, listen=listener(certificates, min_version=minimum)))
    context = client_tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    if accepted:
        connect(front, tls=context, server_name="localhost").close()
    else:
        with pytest.raises(ssl.SSLError):
            connect(front, tls=context, server_name="localhost")


@pytest.mark.parametrize("mode", ["none", "request", "require"])
@pytest.mark.parametrize("shown", [None, "client_certy", "client_untrusted", "client_expired"])
def test_client_certificates(proxy_factory, pg18, certificates, mode, shown):
    listen = listener(certificates, client_certificate=mode, client_ca=str(certificates.ca))
    front = proxy_factory(**simple(pg18, listen=listen))
    pair = getattr(certificates, shown) if shown else None
    context = client_tls(None, pair.cert, pair.key) if pair else client_tls()
    good = shown == "client_certy"
    accepted = mode == "none" or good or (mode == "request" and shown is None)
    if accepted:
        connect(front, tls=context, server_name="localhost").close()
    else:
        # In TLS 1.3 the alert comes after the client believes it is done: any form of no will do.
        with pytest.raises((OSError, pgwire.ServerClosed, WireError)):
            connect(front, tls=context, server_name="localhost")


def test_certificates_are_read_anew_on_reload(proxy_factory, pg18, certificates, tmp_path):
    cert, key = tmp_path / "hot.crt", tmp_path / "hot.key"

    def put(pair):
        cert.write_bytes(pair.cert.read_bytes())
        key.write_bytes(pair.key.read_bytes())

    put(certificates.front)
    listen = listener(certificates, certificates=[{"cert": str(cert), "key": str(key)}])
    front = proxy_factory(**simple(pg18, listen=listen))
    with connect(front, tls=client_tls(), server_name="localhost") as old:
        put(certificates.front_rsa)
        front.reload()
        with connect(front, tls=client_tls(), server_name="localhost") as new:
            assert new.socket.getpeercert(True) == certificates.front_rsa.der()
        assert old.scalar("select 1") == "1"


# -- passthrough ----------------------------------------------------------------------------------

@pytest.fixture
def passthrough(proxy_factory, pg15, pg18):
    return proxy_factory(
        listen={"address": "127.0.0.1", "port": free_port(), "tls": {"mode": "passthrough"}},
        upstreams={"fifteen": upstream_of(pg15), "eighteen": upstream_of(pg18)},
        routes=[{"match": {"sni": "fifteen.example"}, "upstream": "fifteen"},
                {"match": {"sni": "*.eighteen.example"}, "upstream": "eighteen"}])


@pytest.mark.parametrize("name,version", [("fifteen.example", "15"), ("x.eighteen.example", "18")])
def test_passthrough_picks_the_server_by_sni(passthrough, certificates, name, version):
    with connect(passthrough, tls=client_tls(certificates.ca), server_name=name, user="alice",
                 password=password_of("alice"), scram={"binding": "require"}) as wire:
        assert wire.socket.getpeercert(True) == certificates.server.der()
        assert wire.scalar("show server_version").startswith(version)


def test_passthrough_of_direct_tls(passthrough):
    with Wire(passthrough.host, passthrough.port) as wire:
        wire.wrap(client_tls(alpn=["postgresql"]), "a.eighteen.example")
        assert wire.socket.selected_alpn_protocol() == "postgresql"
        wire.login()


@pytest.mark.parametrize("piece", [1, 5, 100])
@pytest.mark.parametrize("direct", [False, True])
def test_passthrough_of_a_fragmented_client_hello(passthrough, piece, direct):
    with PlainRelay((passthrough.host, passthrough.port), Faults(piece=piece, delay_s=0.0005),
                    Faults()) as relay, Wire(relay.host, relay.port) as wire:
        if direct:
            wire.wrap(client_tls(alpn=["postgresql"]), "a.eighteen.example")
        else:
            wire.start_tls(client_tls(), "a.eighteen.example")
        wire.login()
        assert wire.scalar("show server_version").startswith("18")


def test_passthrough_of_a_client_hello_in_several_records(passthrough):
    """RFC 8446 5.1: a handshake message may be split over records, each with its own header."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_tls(alpn=["postgresql"]).wrap_bio(incoming, outgoing,
                                                   server_hostname="a.eighteen.example")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()[5:]
    records = b"".join(b"\x16\x03\x01" + len(hello[at:at + 50]).to_bytes(2, "big") +
                       hello[at:at + 50] for at in range(0, len(hello), 50))
    with Wire(passthrough.host, passthrough.port) as wire:
        wire.send(records)
        answer = wire.read_bytes(6)
        assert answer[0] == 0x16 and answer[5] == 2, f"no ServerHello but {answer!r}"


def test_passthrough_without_a_matching_name_is_closed(passthrough):
    for name in ("elsewhere.example", None):
        with Wire(passthrough.host, passthrough.port) as wire:
            with pytest.raises((OSError, pgwire.ServerClosed)):
                wire.start_tls(client_tls(), name)
                wire.login()


def test_passthrough_goes_on_to_a_server_that_has_tls(proxy_factory, without_tls, pg18):
    servers = [{"host": each.host, "port": each.port} for each in (without_tls, pg18)]
    front = proxy_factory(
        listen={"address": "127.0.0.1", "port": free_port(), "tls": {"mode": "passthrough"}},
        upstreams={"main": {"servers": servers}}, routes=[{"upstream": "main"}])
    with connect(front, tls=client_tls(), server_name="any.example", user="alice",
                 password=password_of("alice")) as wire:
        assert wire.scalar("show server_version").startswith("18")


# -- towards servers ------------------------------------------------------------------------------

def through(proxy_factory, cluster, password="alice-pw", **tls):
    """A proxy whose server side uses these TLS settings; alice must log in with SCRAM."""
    return proxy_factory(upstreams={"main": upstream_of(cluster, **tls)},
                         routes=[{"upstream": "main", "login": {"user": "alice",
                                                                "password": password}}],
                         authentication=[{"method": "trust"}])


SSL_NOW = "select ssl::text from pg_stat_ssl where pid = pg_backend_pid()"


@pytest.mark.parametrize("mode,encrypted", [("disable", "false"), ("allow", "false"),
                                            ("prefer", "true"),
                                            ("require", "true"), ("verify-ca", "true"),
                                            ("verify-full", "true")])
def test_modes_towards_a_server_with_tls(proxy_factory, cluster, certificates, mode, encrypted):
    front = through(proxy_factory, cluster, mode=mode, ca=str(certificates.ca))
    with connect(front) as wire:
        assert wire.scalar(SSL_NOW) == encrypted


def test_direct_negotiation_towards_a_server(proxy_factory, pg18, certificates):
    front = through(proxy_factory, pg18, mode="verify-full", ca=str(certificates.ca),
                    negotiation="direct")
    with connect(front) as wire:
        assert wire.scalar(SSL_NOW) == "true"


@pytest.fixture(scope="module")
def without_tls(clusters):
    cluster = clusters.new(15, tls=False)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def only_with_tls(clusters):
    """alice comes in over TLS only; a plain login is refused before anybody asks for a password."""
    cluster = clusters.new(18)
    cluster.set_hba(["hostssl all alice all scram-sha-256", "host all alice all reject"])
    cluster.reload()
    yield cluster
    cluster.stop()


def test_allow_goes_on_with_tls_when_the_plain_login_is_refused(proxy_factory, only_with_tls):
    with connect(through(proxy_factory, only_with_tls, mode="allow")) as wire:
        assert wire.scalar(SSL_NOW) == "true"
    with pytest.raises(WireError) as caught:
        connect(through(proxy_factory, only_with_tls, mode="disable"))
    assert caught.value.sqlstate == "28000"


def test_allow_with_relayed_authentication(proxy_factory, only_with_tls):
    front = proxy_factory(upstreams={"main": upstream_of(only_with_tls, mode="allow")},
                          routes=[{"upstream": "main", "auth": "relay"}])
    with connect(front, user="alice", password=password_of("alice")) as wire:
        assert wire.scalar(SSL_NOW) == "true"
    with pytest.raises(WireError) as caught:
        connect(front, user="alice", password="wrong")
    assert caught.value.sqlstate == "28P01", "what the server says over TLS"


def test_allow_shows_the_refusal_of_a_server_that_has_no_tls(proxy_factory, without_tls):
    with pytest.raises(WireError) as caught:
        connect(through(proxy_factory, without_tls, password="wrong", mode="allow"))
    assert caught.value.sqlstate == "28P01"


def test_prefer_falls_back_to_plaintext(proxy_factory, without_tls):
    with connect(through(proxy_factory, without_tls, mode="prefer")) as wire:
        assert wire.scalar(SSL_NOW) == "false"


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_require_against_no_is_a_readable_fatal(proxy_factory, without_tls, certificates, mode):
    front = through(proxy_factory, without_tls, mode=mode, ca=str(certificates.ca))
    with pytest.raises(WireError) as caught:
        connect(front)
    assert caught.value.severity == "FATAL"
    assert caught.value.sqlstate.startswith("08"), caught.value.fields
    assert "TLS" in caught.value.fields["M"] or "SSL" in caught.value.fields["M"]


@pytest.mark.parametrize("shown,mode,accepted", [
    ("server_expired", "require", True), ("server_expired", "verify-ca", False),
    ("server_expired", "verify-full", False), ("server_untrusted", "require", True),
    ("server_untrusted", "verify-ca", False), ("server_wrong_host", "verify-ca", True),
    ("server_wrong_host", "verify-full", False)])
def test_verification_of_the_server(proxy_factory, bad_server, certificates, shown, mode,
                                    accepted):
    bad_server.set_tls(getattr(certificates, shown))
    bad_server.reload()
    front = through(proxy_factory, bad_server, mode=mode, ca=str(certificates.ca))
    if accepted:
        connect(front).close()
    else:
        with pytest.raises(WireError) as caught:
            connect(front)
        assert caught.value.severity == "FATAL" and "certificate" in caught.value.fields["M"]


@pytest.fixture(scope="module")
def bad_server(clusters):
    cluster = clusters.new(18)
    yield cluster
    cluster.stop()


def test_server_name_overrides_the_host(proxy_factory, bad_server, certificates):
    bad_server.set_tls(certificates.server_wrong_host)
    bad_server.reload()
    connect(through(proxy_factory, bad_server, mode="verify-full", ca=str(certificates.ca),
                    server_name="elsewhere.example")).close()


def test_a_client_certificate_towards_the_server(proxy_factory, pg18, certificates):
    pair = certificates.client_certy
    front = proxy_factory(
        upstreams={"main": upstream_of(pg18, mode="verify-full", ca=str(certificates.ca),
                                       cert=str(pair.cert), key=str(pair.key))},
        routes=[{"upstream": "main", "login": {"user": "certy"}}],
        authentication=[{"method": "trust"}])
    with connect(front) as wire:
        assert wire.scalar("select current_user") == "certy"


@pytest.mark.parametrize("answer", [b"S" + b"R\0\0\0\x08\0\0\0\0", b"E\0\0\0\x08MX\0\0", b"?"],
                         ids=["stuffed", "error", "unknown"])
def test_wrong_answers_to_ssl_request_are_refused(proxy_factory, answer):
    """CVE-2021-23222 and CVE-2024-10977: nothing unencrypted counts after SSLRequest."""
    def talk(client):
        client.recv(8)
        client.sendall(answer)
        time.sleep(0.3)

    with FakeServer(talk) as server:
        front = through(proxy_factory, server, mode="require")
        with pytest.raises(WireError) as caught:
            connect(front)
        assert caught.value.severity == "FATAL"


def test_a_tls_login_storm_leaves_nothing_open(proxy_factory, pg18, certificates):
    front = proxy_factory(**simple(pg18, listen=listener(certificates)))
    connect(front).close()
    before = open_descriptors(front.pid)
    for _ in range(50):
        with Wire(front.host, front.port) as wire:
            wire.start_tls(client_tls(), "localhost")
            wire.abort()
    wait_until(lambda: open_descriptors(front.pid) <= before, "descriptors are closed again")
