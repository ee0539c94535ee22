"""Certificates for the tests: a real authority and what it signs, made anew in a temporary folder.

Every kind stands for something a proxy gets wrong: the SCRAM end-point hash follows the signature
hash (SHA-384), is undefined for Ed25519, and verification must refuse expired certificates, other
hosts and other authorities, and must know wildcards and addresses.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class Pair:
    """A certificate and its key as PEM files."""

    cert: Path
    key: Path

    def der(self) -> bytes:
        certificate = x509.load_pem_x509_certificate(self.cert.read_bytes())
        return certificate.public_bytes(serialization.Encoding.DER)


def new_key(kind: str):
    """A private key: rsa, ecdsa or ed25519."""
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if kind == "ecdsa":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    raise ValueError(kind)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Trunkline tests"),
                      x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(folder: Path, name: str, certificate: x509.Certificate, key) -> Pair:
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    pair.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pair.key.touch(mode=0o600)
    pair.key.write_bytes(key.private_bytes(serialization.Encoding.PEM,
                                           serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))
    return pair


class Authority:
    """A certificate authority in a folder; issue() makes what it signs."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = new_key("ecdsa")
        self._subject = _name(f"Trunkline test authority {name}")
        now = datetime.utcnow()
        usage = x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True,
                              content_commitment=False, key_encipherment=False,
                              data_encipherment=False, key_agreement=False,
                              encipher_only=False, decipher_only=False)
        certificate = (x509.CertificateBuilder()
                       .subject_name(self._subject).issuer_name(self._subject)
                       .public_key(self._key.public_key())
                       .serial_number(x509.random_serial_number())
                       .not_valid_before(now - timedelta(days=400))
                       .not_valid_after(now + timedelta(days=3650))
                       .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
                       .add_extension(usage, True)
                       .sign(self._key, hashes.SHA256()))
        self.cert = _write(folder, name, certificate, self._key).cert

    def issue(self, name: str, common_name: str, alternatives: Sequence[str] = (),
              key: str = "ecdsa", hash_name: str = "sha256", expired: bool = False,
              client: bool = False) -> Pair:
        """Sign a certificate; `hash_name` is that of the signature, which SCRAM-PLUS follows."""
        private = new_key(key)
        now = datetime.utcnow()
        begin = now - timedelta(days=30)
        end = now - timedelta(days=1) if expired else now + timedelta(days=365)
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = (x509.CertificateBuilder()
                   .subject_name(_name(common_name)).issuer_name(self._subject)
                   .public_key(private.public_key())
                   .serial_number(x509.random_serial_number())
                   .not_valid_before(begin).not_valid_after(end)
                   .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
                   .add_extension(x509.ExtendedKeyUsage([purpose]), False))
        if alternatives:
            names = x509.SubjectAlternativeName([_alternative(each) for each in alternatives])
            builder = builder.add_extension(names, False)
        digest = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(),
                  "sha512": hashes.SHA512()}[hash_name]
        return _write(self.folder, name, builder.sign(self._key, digest), private)

    def self_signed_ed25519(self, name: str, host: str) -> Pair:
        """A certificate whose *signature* is Ed25519: it has no end-point hash (RFC 5929 4.1)."""
        private = new_key("ed25519")
        now = datetime.utcnow()
        certificate = (x509.CertificateBuilder()
                       .subject_name(_name(host)).issuer_name(_name(host))
                       .public_key(private.public_key())
                       .serial_number(x509.random_serial_number())
                       .not_valid_before(now - timedelta(days=1))
                       .not_valid_after(now + timedelta(days=365))
                       .add_extension(x509.SubjectAlternativeName([_alternative(host)]), False)
                       .sign(private, None))
        return _write(self.folder, name, certificate, private)


class TestCertificates:
    """All the certificates the suite uses, by what they are for."""

    __test__ = False  # the name is for people; pytest must not collect it

    def __init__(self, folder: Path) -> None:
        ca = Authority(folder)
        self.folder, self.ca, self.authority = folder, ca.cert, ca
        self.other_authority = Authority(folder, "other-ca")
        self.other_ca = self.other_authority.cert
        # Servers behind the proxy.
        self.server = ca.issue("server", "localhost",
                               ["localhost", "db.internal", "127.0.0.1", "::1"], key="rsa")
        self.server_expired = ca.issue("server-expired", "localhost", ["localhost", "127.0.0.1"],
                                       expired=True)
        self.server_wrong_host = ca.issue("server-wrong-host", "elsewhere.example",
                                          ["elsewhere.example"])
        self.server_untrusted = self.other_authority.issue("server-untrusted", "localhost",
                                                           ["localhost", "127.0.0.1"])
        # What the proxy shows to clients, by SNI.
        self.front = ca.issue("front", "localhost", ["localhost", "127.0.0.1"])
        self.front_eu = ca.issue("front-eu", "*.eu.example.com", ["*.eu.example.com"])
        self.front_exact = ca.issue("front-exact", "one.eu.example.com", ["one.eu.example.com"])
        self.front_rsa = ca.issue("front-rsa", "localhost", ["localhost"], key="rsa")
        self.front_sha384 = ca.issue("front-sha384", "localhost", ["localhost"],
                                     hash_name="sha384")
        self.front_ed25519 = ca.self_signed_ed25519("front-ed25519", "localhost")
        # Clients, by the user their common name says.
        self.client_certy = ca.issue("client-certy", "certy", client=True)
        self.client_mapped = ca.issue("client-mapped", "certy@corp.example", client=True)
        self.client_expired = ca.issue("client-expired", "certy", client=True, expired=True)
        self.client_untrusted = self.other_authority.issue("client-untrusted", "certy",
                                                           client=True)
