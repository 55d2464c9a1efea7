"""The channel's certificates: mutual TLS between one gateway and its guests, and nobody else.

An authority signs two certificates, one that may only be a server and one that may only be a client, and is forgotten:
its key never leaves this process. Guests get the server's by a Secret that only the container with the channel mounts;
the client's is in a Secret that no guest's pod refers to, so a node that runs guests can't read it. A restarted gateway
reads both again and speaks to the guests that it left. A guest that was broken out of holds a key by which it could
pass for another guest of the same gateway, but no way to the other's address: it has no raw sockets, and the network
policy lets nothing out. A Secret a pod would shut that too, at the price of another request for every start.
"""

import base64
import datetime
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=90)
RENEW_BEFORE = datetime.timedelta(days=30)
GUEST = "guest.lakegate.internal"
"""The name in a guest's certificate. Addresses of pods are nobody's for long, so they are in none."""
GATEWAY = "gateway.lakegate.internal"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate, its private key and the authority that both ends trust. PEM."""

    certificate: bytes
    key: bytes = field(repr=False)
    authority: bytes

    @property
    def files(self) -> Mapping[str, str]:
        """As the data of a Secret, by the names that Kubernetes' own TLS Secrets use."""
        content = {"tls.crt": self.certificate, "tls.key": self.key, "ca.crt": self.authority}
        return {name: base64.b64encode(value).decode() for name, value in content.items()}

    @classmethod
    def parse(cls, files: Mapping[str, str]) -> "Pair":
        """Raises KeyError, ValueError."""
        certificate, key, authority = (base64.b64decode(files[name]) for name in ("tls.crt", "tls.key", "ca.crt"))
        return cls(certificate, key, authority)

    def lasts(self) -> bool:
        """Whether a machine that starts now with it need not fear its end."""
        until = x509.load_pem_x509_certificate(self.certificate).not_valid_after_utc
        return until - datetime.datetime.now(datetime.UTC) > RENEW_BEFORE


def make_pairs() -> tuple[Pair, Pair]:
    """The guests' pair and the gateway's, of a new authority."""
    authority = ec.generate_private_key(ec.SECP256R1())
    name = _named("lakegate channel")
    certificate = _sign(authority, name, name, authority.public_key(), None)
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    pairs = []
    for subject, usage in ((GUEST, ExtendedKeyUsageOID.SERVER_AUTH), (GATEWAY, ExtendedKeyUsageOID.CLIENT_AUTH)):
        key = ec.generate_private_key(ec.SECP256R1())
        signed = _sign(authority, _named(subject), name, key.public_key(), usage)
        pairs.append(Pair(signed.public_bytes(serialization.Encoding.PEM), _private(key), pem))
    return pairs[0], pairs[1]


def client_context(pair: Pair) -> ssl.SSLContext:
    """How a gateway speaks to guests: TLS 1.3, its own certificate shown, theirs asked for by name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=pair.authority.decode())
    with tempfile.TemporaryDirectory(prefix="lakegate-") as folder:
        path = Path(folder, "pair.pem")
        path.touch(mode=0o600)
        path.write_bytes(pair.key + pair.certificate)
        context.load_cert_chain(path)
    return context


def _sign(
    authority: ec.EllipticCurvePrivateKey,
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    usage: x509.ObjectIdentifier | None,
) -> x509.Certificate:
    """`usage` None makes the authority's own certificate."""
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(_key_usage(signs=usage is None), critical=True)
        .add_extension(x509.BasicConstraints(ca=usage is None, path_length=0 if usage is None else None), critical=True)
    )
    if usage is not None:
        host = subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(str(host))]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
    return builder.sign(authority, hashes.SHA256())


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
