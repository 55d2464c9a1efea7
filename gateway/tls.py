"""How the doors appear in TLS: the operator's certificate, or a self-signed one kept in the data folder."""

import datetime
import ipaddress
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.auth.certificate import hash_end_point
from gateway.config import Config
from gateway.pgwire.encryption import ALPN, Handshake

_VALID_DAYS = 825


@dataclass(frozen=True, slots=True)
class Appearance:
    """A context for handshakes, what SCRAM-SHA-256-PLUS binds to (None where the certificate allows none), and the
    certificate, as DER."""

    context: ssl.SSLContext
    end_point: bytes | None
    certificate: bytes


def make_appearance(config: Config) -> Appearance:
    """Raises OSError, ssl.SSLError or ValueError when the operator's certificates cannot be read."""
    certificate, key = config.certificate, config.private_key
    if certificate is None or key is None:
        certificate, key = config.data / "tls" / "certificate.pem", config.data / "tls" / "key.pem"
        if not certificate.exists():
            _write_self_signed(certificate, key, config.host)
    authority = None if config.access.certificates is None else config.access.certificates.authority
    pem = certificate.read_bytes()
    shown = x509.load_pem_x509_certificates(pem)[0].public_bytes(serialization.Encoding.DER)
    return Appearance(make_context(certificate, key, authority), hash_end_point(pem), shown)


def make_context(certificate: Path, key: Path, authority: Path | None = None) -> ssl.SSLContext:
    """TLS 1.2 or later. Clients may show a certificate where there is an authority of theirs, and it must be valid.

    No session is resumed: each handshake proves anew what it proves, as PostgreSQL's does.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols([ALPN])
    context.sslobject_class = Handshake
    context.sni_callback = _note_name
    if authority is not None:
        context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _note_name(handshake: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
    assert isinstance(handshake, Handshake)
    handshake.server_name = name


def _write_self_signed(certificate: Path, key: Path, host: str) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lakegate")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(_alternative_names(host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem)
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))


def _alternative_names(host: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    try:
        names.append(x509.IPAddress(ipaddress.ip_address(host)))
    except ValueError:
        names.append(x509.DNSName(host))
    return names
