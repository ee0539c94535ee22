"""A client's side of authentication by hand: cleartext, md5, SCRAM-SHA-256 and -PLUS (RFC 5802).

Every step can be spoiled on purpose: wrong proofs, nonces, channel bindings.
"""

import base64
import hashlib
import hmac
import os
import ssl
from typing import Callable, List, Optional

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm


def md5_password(user: str, password: str, salt: bytes) -> bytes:
    """The answer to AuthenticationMD5Password."""
    inner = hashlib.md5(password.encode() + user.encode()).hexdigest()
    return b"md5" + hashlib.md5(inner.encode() + salt).hexdigest().encode() + b"\0"


def end_point_hash(certificate_der: bytes) -> bytes:
    """tls-server-end-point (RFC 5929): the signature's hash, SHA-256 in place of MD5 and SHA-1."""
    certificate = x509.load_der_x509_certificate(certificate_der)
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None:
        raise UnsupportedAlgorithm("the certificate's signature has no hash (Ed25519)")
    name = "sha256" if algorithm.name in ("md5", "sha1") else algorithm.name
    return hashlib.new(name, certificate_der).digest()


def verifier(password: str, iterations: int = 4096, salt: Optional[bytes] = None) -> str:
    """What PostgreSQL stores in pg_authid.rolpassword."""
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client_key).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(each).decode()
                                  for each in (salt, stored, server))
    return f"SCRAM-SHA-256${iterations}:{salt64}${stored64}:{server64}"


class ScramClient:
    """One exchange. `binding` is libpq's channel_binding: disable, prefer, require."""

    def __init__(self, password: str, offered: List[str], connection: object,
                 binding: str = "prefer", mechanism: Optional[str] = None,
                 gs2: Optional[str] = None, end_point: Optional[bytes] = None,
                 spoil_proof: bool = False, spoil_nonce: bool = False,
                 on_first: Optional[Callable[[bytes], bytes]] = None) -> None:
        self.password, self.spoil_proof, self.spoil_nonce = password, spoil_proof, spoil_nonce
        self.on_first = on_first
        over_tls = isinstance(connection, ssl.SSLSocket)
        plus = over_tls and "SCRAM-SHA-256-PLUS" in offered and binding != "disable"
        if binding == "require" and not plus:
            raise AssertionError(f"channel binding required, but offered is {offered}")
        self.mechanism = mechanism or ("SCRAM-SHA-256-PLUS" if plus else "SCRAM-SHA-256")
        # 'y': we could bind, the server does not offer it; 'n': we cannot or will not.
        could = over_tls and binding != "disable"
        self.gs2 = gs2 or ("p=tls-server-end-point,," if plus else "y,," if could else "n,,")
        self.end_point = b""
        if self.gs2.startswith("p="):
            self.end_point = end_point or end_point_hash(connection.getpeercert(True))
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.first_bare = f"n=,r={self.nonce}"
        self.server_signature = b""

    def first(self) -> bytes:
        """The body of SASLInitialResponse."""
        data = (self.gs2 + self.first_bare).encode()
        if self.on_first is not None:
            data = self.on_first(data)
        return self.mechanism.encode() + b"\0" + len(data).to_bytes(4, "big") + data

    def final(self, server_first: bytes) -> bytes:
        """The body of SASLResponse."""
        parts = dict(each.split("=", 1) for each in server_first.decode().split(","))
        assert parts["r"].startswith(self.nonce) and len(parts["r"]) > len(self.nonce)
        nonce = parts["r"] + "x" if self.spoil_nonce else parts["r"]
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(),
                                     base64.b64decode(parts["s"]), int(parts["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        bound = base64.b64encode(self.gs2.encode() + self.end_point).decode()
        without_proof = f"c={bound},r={nonce}"
        signed = f"{self.first_bare},{server_first.decode()},{without_proof}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = bytearray(a ^ b for a, b in zip(client_key, signature))
        if self.spoil_proof:
            proof[0] ^= 1
        self.server_signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed,
                                            "sha256")
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, server_final: bytes) -> None:
        """The server must prove that it knows us, too."""
        expected = b"v=" + base64.b64encode(self.server_signature)
        assert server_final == expected, "the server's signature is wrong"


def answer(code: int, rest: bytes, user: str, password: Optional[str],
           exchange: Optional[ScramClient]) -> Optional[bytes]:
    """The body of our 'p' message to an authentication request, None when it needs none."""
    if code == 0:
        return None
    if code == 3:
        return (password or "").encode() + b"\0"
    if code == 5:
        return md5_password(user, password or "", rest)
    assert exchange is not None, f"authentication request {code} is unexpected"
    if code == 10:
        return exchange.first()
    if code == 11:
        return exchange.final(rest)
    if code == 12:
        exchange.verify(rest)
        return None
    raise AssertionError(f"authentication request {code} is unknown")
